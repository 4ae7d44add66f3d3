from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import DataError, ParameterError, TrainingError
from penchant.evaluation.protocols import make_splits
from penchant.models.kinds.base import Space
from penchant.models.registry import MODELS, Registered, parse
from penchant.training.trials import Trial, Tuned
from penchant.training.tune import draw, search_spaces, tune
from tests.evaluation.small_logs import a_log
from tests.evaluation.toy_models import TRIED, Constant, Knob


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(MODELS, "knob", Registered(Knob.__module__, "Knob", ""))
    TRIED.clear()
    yield
    TRIED.clear()


def skewed(users: int = 400) -> pc.Interactions:
    """A shop where few things are wanted by nearly all, so that popularity is the right answer."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, 41) ** 1.5
    rows = [rng.choice(40, size=6, replace=False, p=share / share.sum()).tolist() for _ in range(users)]
    return a_log(rows, n_items=40, times=[list(range(6))] * users)


def without_seconds(found: Tuned) -> dict[str, object]:
    document = found.to_json()
    return document | {"curve": [{**trial, "seconds": 0} for trial in document["curve"]]}


def test_it_finds_the_better_part_of_the_space() -> None:
    found = tune(skewed(), "knob", split="leave-last", trials=25)
    assert abs(found.best.params["turn"] - 0.5) < 0.2
    assert found.best.value > found.trials[0].value  # type: ignore[operator]
    assert found.trials[0].params["turn"] == 0.0, "the first trial is the model as it stands"


def test_poor_trials_are_dropped_after_a_tenth_of_the_cases() -> None:
    found = tune(skewed(), "knob", split="leave-last", trials=25)
    dropped = [trial for trial in found.trials if trial.value is None]
    finished = [trial for trial in found.trials if trial.value is not None]
    assert 5 <= len(dropped) <= 20
    assert {len(trial.steps) for trial in finished} == {3}
    assert {trial.steps[0][0] for trial in found.trials} == {40} and finished[0].steps[-1][0] == 400
    far = [abs(trial.params["turn"] - 0.5) for trial in dropped]
    near = [abs(trial.params["turn"] - 0.5) for trial in finished[4:]]
    assert np.mean(far) > np.mean(near)
    for trial in dropped:
        step = len(trial.steps) - 1
        earlier = [t.steps[step][1] for t in found.trials[: trial.number] if len(t.steps) > step]
        assert trial.steps[step][1] < np.median(earlier)


def test_stopped_and_started_again_it_ends_with_the_same_result(tmp_path: Path) -> None:
    whole = tune(skewed(), "knob", split="leave-last", trials=12, seed=4)

    class PulledPlugError(Exception):
        pass

    def pull(trial: Trial, found: Tuned) -> None:
        if trial.number == 5:
            raise PulledPlugError

    file = tmp_path / "knob.json"
    with pytest.raises(PulledPlugError):
        tune(skewed(), "knob", split="leave-last", trials=12, seed=4, file=file, on_trial=pull)
    assert json.loads(file.read_text())["trials"] == 6
    TRIED.clear()
    resumed = tune(skewed(), "knob", split="leave-last", trials=12, seed=4, file=file)
    assert len(TRIED) == 6, "what was tried is not tried again"
    assert without_seconds(resumed) == without_seconds(whole)
    assert json.loads(file.read_text()) == json.loads(json.dumps(resumed.to_json()))
    assert not list(tmp_path.glob("*.part"))


def test_a_larger_budget_goes_on_and_a_spent_one_does_nothing(tmp_path: Path) -> None:
    file = tmp_path / "knob.json"
    tune(skewed(), "knob", split="leave-last", trials=3, file=file)
    assert len(tune(skewed(), "knob", split="leave-last", trials=5, file=file).trials) == 5
    TRIED.clear()
    assert len(tune(skewed(), "knob", split="leave-last", trials=4, file=file).trials) == 5 and not TRIED
    assert len(tune(skewed(), "knob", split="leave-last", trials=50, minutes=1e-9, file=file).trials) == 5
    assert not TRIED


def test_the_minutes_end_the_search_after_the_trial_that_runs() -> None:
    assert len(tune(skewed(), "knob", split="leave-last", trials=50, minutes=1e-9).trials) == 1


def test_the_file_is_a_model_and_says_how_it_was_found(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "knob.json"
    found = tune(skewed(), "knob:kind=b", split="leave-last", trials=4, seed=2, file=file, command="penchant tune ...")
    held = json.loads(file.read_text())
    assert held["model"] == "knob" and held["params"] == found.best.params
    assert held["metric"] == "ndcg@10" and held["split"] == "leave-last" and held["seed"] == 2
    assert held["command"] == "penchant tune ..." and held["trials"] == 4 and len(held["curve"]) == 4
    assert held["value"] == found.best.value == held["curve"][held["best_trial"]]["value"]
    assert parse(f"@{file}") == Knob(**found.best.params)


def test_parameters_that_are_given_stay() -> None:
    found = tune(skewed(), "knob:turn=0.25,kind=b", split="leave-last", trials=6)
    assert {trial.params["turn"] for trial in found.trials} == {0.25}
    assert {trial.params["kind"] for trial in found.trials} == {"b"}
    assert len({trial.params["size"] for trial in found.trials}) > 1
    by_object = tune(skewed(), Knob(turn=0.25, kind="b"), split="leave-last", trials=6)
    assert by_object.best.params == found.best.params


def test_another_search_in_the_same_file_is_refused_and_named(tmp_path: Path) -> None:
    file = tmp_path / "knob.json"
    tune(skewed(), "knob", split="leave-last", trials=1, file=file)
    for asked in (
        {"seed": 1}, {"metric": "recall@5"}, {"split": "users"}, {"model": "knob:kind=b"}, {"log": skewed(users=50)},
    ):  # fmt: skip
        call = {"log": skewed(), "model": "knob", "split": "leave-last", "trials": 2, "file": file} | asked
        with pytest.raises(DataError, match="another search"):
            tune(**call)  # type: ignore[arg-type]
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="not a parameter file"):
        tune(skewed(), "knob", split="leave-last", trials=2, file=file)


def test_a_trial_that_fails_is_kept_and_the_search_goes_on() -> None:
    found = tune(skewed(), "knob:fails=true", split="leave-last", trials=12)
    failed = [trial for trial in found.trials if trial.error]
    assert failed and all("not a number" in (trial.error or "") and trial.params["turn"] > 0.5 for trial in failed)
    assert found.best.params["turn"] <= 0.5
    with pytest.raises(TrainingError):
        tune(skewed(), "knob:fails=true,turn=0.75", split="leave-last", trials=3)


def test_folds_are_steps_and_lower_is_better_for_errors() -> None:
    rng = np.random.default_rng(1)
    rows = [rng.permutation(30)[:15].tolist() for _ in range(40)]
    log = a_log(rows, n_items=30, values=[[4] * 15] * 40, values_are="rating")
    found = tune(log, Constant(), split="random:3", metric="rmse", trials=15)
    assert found.best.value == min(trial.value for trial in found.trials if trial.value is not None)
    assert abs(found.best.params["guess"] - 4) < 0.5
    assert {trial.value is None for trial in found.trials} == {True, False}
    fits = [len(trial.steps) for trial in found.trials]
    assert max(fits) >= 3, "every fold has validation rows of its own"


def test_draws_depend_on_seed_and_number_alone_and_keep_to_the_spaces() -> None:
    spaces = search_spaces(Knob)
    assert list(spaces) == ["turn", "size", "decay", "kind"]
    drawn = [draw(Knob(), spaces, 3, number) for number in range(200)]
    assert drawn[7] == draw(Knob(), spaces, 3, 7) != draw(Knob(), spaces, 4, 7)
    assert all(0 <= params["turn"] <= 1 and 2 <= params["size"] <= 64 for params in drawn[1:])
    assert all(isinstance(params["size"], int) for params in drawn)
    off = [params["decay"] == 0 for params in drawn[1:]]
    assert 0.35 < np.mean(off) < 0.65, "a switch that is off stays off half of the time"
    assert all(params["decay"] == 0 or 1 <= params["decay"] <= 10 for params in drawn)
    assert {params["kind"] for params in drawn} == {"a", "b"}
    assert np.median([params["size"] for params in drawn[1:]]) < 20, "drawn on a log scale"


def test_candidates_and_repeats_reach_the_validation_cases(tmp_path: Path) -> None:
    log = skewed()
    lists = Histories.from_lists([[0, 1]] * log.n_users, log.n_items)
    full = tune(log, "knob:turn=0.5", split="leave-last", metric="hit@3", trials=1)
    few = tune(log, "knob:turn=0.5", split="leave-last", metric="hit@3", trials=1, candidates=lists)
    assert few.best.value == 1 > full.best.value, "three places for two candidates and the truth"
    assert "sampled" in few.split
    file = tmp_path / "candidates.csv"
    file.write_text("user,item\n" + "".join(f"{u},{i}\n" for u in log.user_ids for i in log.vocab.ids[:2]))
    assert tune(log, "knob:turn=0.5", split="leave-last", metric="hit@3", trials=1, candidates=file).best.value == 1
    again = tune(log, "knob:turn=0.5", split="leave-last", metric="hit@3", trials=1, repeat=True)
    assert again.best.value != full.best.value
    (split,) = make_splits(log, "leave-last")
    with pytest.raises(ParameterError, match="finished split"):
        tune(split, "knob", candidates=lists)


def test_what_makes_no_sense_is_refused() -> None:
    log = skewed()
    with pytest.raises(ParameterError, match="nothing to tune"):
        tune(log, "random", split="leave-last")
    with pytest.raises(ParameterError, match="at least one trial"):
        tune(log, "knob", trials=0)
    with pytest.raises(ParameterError, match="no value per case"):
        tune(log, "knob", metric="coverage@10")
    with pytest.raises(ParameterError, match="has no rmse"):
        tune(log, "knob", split="leave-last", metric="rmse")
    with pytest.raises(DataError, match="no validation cases"):
        tune(a_log([[0, 1]] * 4, parts=[["train", "test"]] * 4), "knob", split="column")


def test_every_registered_space_can_be_drawn_from() -> None:
    for name in ("popular", "item-knn"):
        cls = type(parse(name))
        for number in range(1, 20):
            cls(**draw(cls(), search_spaces(cls), 0, number))
    assert Space(1, 2).choices == ()


def test_the_seed_of_the_run_is_that_of_the_models() -> None:
    tune(skewed(), "knob", split="leave-last", trials=2, run=Run(seed=9))
    assert {tried["seed"] for tried in TRIED} == {9}
