"""The choice of a model for a log of which nothing is said."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from rich.console import Console

import penchant as pc
from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.data.catalog import Catalog
from penchant.errors import DataError, ParameterError
from penchant.models.kinds.base import Model
from penchant.models.registry import MODELS, Registered
from penchant.planning import check
from penchant.ranking.ranked import Ranked
from penchant.training import attempts
from penchant.training import choose as choosing
from penchant.training.attempts import Candidate
from tests.evaluation.small_logs import a_log, a_market
from tests.evaluation.toy_models import Constant, Follows


@dataclass(kw_only=True)
class Slow(Model):
    """As good as popular, and never done: every step of its fit is reported."""

    name: ClassVar[str] = "slow"
    naps: ClassVar[int] = 400

    def _fit(self, train: Histories, valid: object, run: Run) -> None:
        report = run.report("napping")
        for nap in range(self.naps):
            time.sleep(0.005)
            if report is not None:
                report(nap + 1, self.naps)

    def _score(self, given: Histories) -> Floats:
        return np.zeros((len(given), given.n_items), np.float32)


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "follows", Registered(Follows.__module__, "Follows", ""))
    monkeypatch.setitem(MODELS, "constant", Registered(Constant.__module__, "Constant", ""))
    monkeypatch.setitem(MODELS, "slow", Registered(__name__, "Slow", ""))
    monkeypatch.setitem(MODELS, "absent", Registered("no_such_package.model", "Absent", "", "neural"))


def among(monkeypatch: pytest.MonkeyPatch, *names: str | Candidate) -> None:
    listed = tuple(name if isinstance(name, Candidate) else Candidate(name) for name in names)
    monkeypatch.setattr(choosing, "LISTS", listed)


def in_circles(users: int = 150) -> pc.Interactions:
    """Everybody goes round the same circle of twelve things, from a place of their own: only the order tells."""
    rows = [[(user + step) % 12 for step in range(6)] for user in range(users)]
    return a_log(rows, n_items=12, times=[list(range(6))] * users)


def of(choice: pc.Choice, name: str) -> choosing.Tried:
    return next(tried for tried in choice.tried if tried.name == name)


def test_the_best_is_chosen_and_the_numbers_are_those_of_evaluate(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn", "follows")
    choice = pc.choose(in_circles())
    assert choice.model == Follows() and [tried.name for tried in choice.tried if tried.best] == ["follows"]
    assert "the best by ndcg@10" in choice.why
    evaluated = pc.evaluate(in_circles(), ["popular", "item-knn", "follows"], split=choice.split, metrics="ndcg")
    for result in evaluated.models:
        assert of(choice, result.name).value == result.metrics["ndcg@10"]
    assert choice.cases == evaluated.cases == 150


def test_a_simpler_model_within_noise_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.permutation(30)[:6].tolist() for _ in range(300)]  # there is nothing to learn
    log = a_log(rows, n_items=30, times=[list(range(6))] * 300)
    among(monkeypatch, "random", "popular", "item-knn")
    by_value = sorted(pc.choose(log).tried, key=lambda tried: tried.value.mean or 0)
    among(monkeypatch, *(tried.name for tried in by_value))  # the worst is the simplest
    monkeypatch.setattr(choosing, "CLOSE_LISTS", 0.9)
    choice = pc.choose(log)
    assert choice.model.name == by_value[0].name and not of(choice, by_value[0].name).best
    assert "simpler" in choice.why and "within noise" in choice.why
    monkeypatch.setattr(choosing, "CLOSE_LISTS", 0.0)
    chosen = pc.choose(log)
    assert of(chosen, chosen.model.name).best, "near it and within noise are both asked for"


def test_candidates_belong_to_the_log() -> None:
    def names(log: pc.Interactions, metric: str = "ndcg@10") -> set[str]:
        return {tried.name for tried in pc.choose(log, metric=metric, budget=1e-6).tried}

    market = a_market(users=60)
    assert {"transitions", "rp3beta", "ease", "als", "user-knn"} <= names(market)
    assert "sasrec" not in names(market), "too little to learn from"
    assert "transitions" not in names(replace(market, times=None))
    assert "session-knn" in names(replace(market, sessions=True))
    rated = replace(market, values=np.ones(len(market), np.float32), values_are="rating")
    assert names(rated, "rmse") == {"bias", "item-knn", "svd", "slope-one", "user-knn", "svdpp", "nmf"}


def moody(people: int = 120, noise: bool = False) -> pc.Interactions:
    """Whoever is sad takes one half of twenty things, whoever is happy the other; with ``noise`` moods mean nothing."""
    rng = np.random.default_rng(0)
    sad = rng.integers(2, size=(people, 8))
    items = rng.integers(10, size=sad.shape) + 10 * (rng.integers(2, size=sad.shape) if noise else sad)
    log = a_log(items.tolist(), n_items=20, times=[list(range(8))] * people)
    recipe = replace(log.recipe, contexts={"mood": ("happy", "sad")})
    return replace(log, recipe=recipe, context=sad.reshape(-1, 1).astype(np.int32))


def test_a_second_stage_is_tried_where_there_are_columns_for_it() -> None:
    def names(log: pc.Interactions, metric: str = "ndcg@10", **more: object) -> set[str]:
        return {tried.name for tried in pc.choose(log, metric=metric, budget=1e-6, **more).tried}  # type: ignore[arg-type]

    log = moody(20)
    plain = replace(log, context=None, recipe=replace(log.recipe, contexts={}))
    catalog = Catalog(log.vocab, [None] * 20, {"colour": ["red", "blue"] * 10})
    assert "ranked" in names(log) and "ranked" not in names(plain)
    assert "ranked" in names(plain, catalog=catalog)
    rated = replace(log, values=np.tile(np.float32([1, 2]), 80), values_are="rating")
    assert "gbm-rating" in names(rated, "rmse")


def test_a_second_stage_that_does_not_beat_its_members_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Ranked(members=["item-knn"], trees=10, leaves=4, min_rows=5)
    among(monkeypatch, "popular", "item-knn", Candidate("ranked", model=model))
    run = Run(threads=1)
    choice = pc.choose(moody(), budget=600, run=run)
    assert choice.model.name == "ranked" and not any("not worth it" in note for note in choice.notes)
    noise = pc.choose(moody(noise=True), budget=600, run=run)
    assert "ranked is not worth it: it does not beat its member item-knn beyond noise" in noise.notes


def test_the_first_two_always_finish_and_others_are_cut_off_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    planned(monkeypatch, {"rp3beta": 0.1})  # after slow
    among(monkeypatch, "popular", "item-knn", "slow", "rp3beta")
    choice = pc.choose(a_market(), budget=0.05)
    assert of(choice, "popular").value.mean and of(choice, "item-knn").value.mean
    assert of(choice, "slow").error == "not tried: the budget of 0.05 s is spent"
    choice = pc.choose(a_market(), budget=1.5)
    assert of(choice, "slow").error == "stopped after 1 s: the budget of 1.5 s is spent"
    assert of(choice, "rp3beta").error == "not tried: the budget of 1.5 s is spent"
    assert choice.model == pc.ItemKNN()
    monkeypatch.setattr(Slow, "naps", 2)
    assert of(pc.choose(a_market(), budget=60), "slow").error is None


def test_what_would_take_longer_than_the_budget_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn", Candidate("slow", seconds=lambda shape: 3600.0 * shape.items / 40))
    began = time.perf_counter()
    said = of(pc.choose(a_market(), budget=50), "slow").error
    assert said == "not tried: it needs about 60 minutes, more than the budget leaves"
    assert time.perf_counter() - began < 20


def test_a_missing_extra_and_a_refusal_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "content-knn", "absent")
    choice = pc.choose(a_market())
    assert "penchant[neural]" in (of(choice, "absent").error or "")
    assert "give it a catalogue" in (of(choice, "content-knn").error or "")
    assert choice.model == pc.Popular()
    among(monkeypatch, "content-knn")
    with pytest.raises(DataError, match="no model could be compared: content-knn"):
        pc.choose(a_market())


def test_ratings_are_chosen_for_by_their_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    rows = [rng.permutation(30)[:15].tolist() for _ in range(60)]
    log = a_log(rows, n_items=30, values=[[2, 4, 4] * 5] * 60, values_are="rating")
    monkeypatch.setattr(choosing, "RATINGS", (Candidate("constant"), Candidate("bias")))
    choice = pc.choose(log, metric="rmse")
    assert choice.model == pc.Bias() and str(choice.metric) == "rmse"
    assert "random:5" in choice.notes[0]
    assert of(choice, "bias").value.mean < of(choice, "constant").value.mean  # type: ignore[operator]
    monkeypatch.setattr(Constant, "_predict", lambda self, given, items: np.full(len(items.items), 10 / 3, np.float32))
    assert pc.choose(log, metric="rmse").model == Constant(), "no better than the mean: the simpler one"
    among(monkeypatch, "popular")
    assert any("every rating counts" in note for note in pc.choose(log).notes)
    with pytest.raises(DataError, match="no ratings"):
        pc.choose(a_market(), metric="rmse")


def test_many_cases_are_drawn_from_and_few_are_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn")
    monkeypatch.setattr(choosing, "CASES", 120)
    choice = pc.choose(in_circles(users=200))
    assert choice.cases == 120 and any("120 of 200 cases" in note for note in choice.notes)
    other = pc.choose(a_market(), run=Run(seed=1))
    assert of(pc.choose(a_market()), "item-knn").value != of(other, "item-knn").value
    assert any("80 cases are few" in note for note in pc.choose(in_circles(users=80)).notes)


def test_the_same_seed_gives_the_same_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn", "als")
    first, second = (pc.choose(a_market(), run=Run(seed=3, threads=threads)) for threads in (1, 2))
    for one, two in zip(first.tried, second.tried, strict=True):
        assert one.value == two.value
    assert first.why == second.why


def test_a_log_that_nothing_can_be_held_out_of_gets_the_simplest() -> None:
    choice = pc.choose(a_log([[0], [1], [0]], n_items=2))
    assert choice.model == pc.Popular() and not choice.tried
    assert "can be held out" in choice.why
    assert "can be held out" in str(choice.table())


def test_test_rows_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn")
    rows = [[(user + step) % 12 for step in range(6)] for user in range(50)]
    marked = a_log(
        [[*row, 12] for row in rows], n_items=13, times=[list(range(7))] * 50, parts=[["train"] * 6 + ["test"]] * 50
    )
    plain = a_log(rows, n_items=13, times=[list(range(6))] * 50)
    assert [tried.value for tried in pc.choose(marked).tried] == [tried.value for tried in pc.choose(plain).tried]


def test_fit_without_a_model_chooses_and_remembers_why(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn", "follows")
    log = in_circles()
    rec = pc.fit(log)
    assert rec.model == Follows() and rec.fitted_on["events"] == len(log), "fitted on all of it"
    assert rec.fitted_on["choice"]["model"] == "follows"
    assert [model["name"] for model in rec.fitted_on["choice"]["models"]] == ["popular", "item-knn", "follows"]
    again = pc.fit(log, pc.choose(log, metric="hit@1"))
    assert again.fitted_on["choice"]["metric"] == "hit@1"
    assert "choice" not in pc.fit(log, "popular").fitted_on


def test_what_makes_no_sense_is_refused() -> None:
    for wrong in ({"budget": 0.0}, {"budget": float("nan")}, {"metric": "coverage"}, {"metric": "beauty"}):
        with pytest.raises(ParameterError):
            pc.choose(a_market(users=20), **wrong)  # type: ignore[arg-type]


def test_progress_is_one_bar_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn")
    told: list[tuple[str, int, int]] = []
    pc.choose(a_market(), run=Run(progress=lambda *news: told.append(news)))
    assert {stage.partition(" · ")[0] for stage, _, _ in told} == {"comparing models"}
    assert told[0] == ("comparing models · popular", 0, 2) and told[-1] == ("comparing models · item-knn", 2, 2)
    assert any("neighbours" in stage for stage, _, _ in told)


@dataclass(kw_only=True)
class Crash(Model):
    """Fails as only somebody else's code does."""

    name: ClassVar[str] = "crash"

    def _fit(self, train: Histories, valid: object, run: Run) -> None:
        raise ZeroDivisionError("a bug")

    def _score(self, given: Histories) -> Floats:
        return np.zeros((len(given), given.n_items), np.float32)


def test_whatever_a_candidate_raises_the_others_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "crash", Registered(__name__, "Crash", ""))
    among(monkeypatch, "popular", "crash", "item-knn")
    choice = pc.choose(a_market())
    assert of(choice, "crash").error == "failed (ZeroDivisionError: a bug)" and choice.model == pc.ItemKNN()


def test_cheap_candidates_are_tried_first_and_simple_ones_stay_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    planned(monkeypatch, {"ease": 3.0, "als": 1.0, "rp3beta": 2.0})
    among(monkeypatch, "popular", "item-knn", "ease", "als", "rp3beta")
    choice = pc.choose(a_market(), run=Run(progress=lambda stage, done, of: tried.append(stage)))
    begun = list(dict.fromkeys(stage.partition(" · ")[2].partition(":")[0] for stage in tried))
    assert begun == ["popular", "item-knn", "als", "rp3beta", "ease"]
    assert [one.name for one in choice.tried] == ["popular", "item-knn", "ease", "als", "rp3beta"]


def test_the_estimates_are_scaled_by_the_speed_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow takes eight times its estimate, of which three count: ten estimated seconds no longer fit into 28."""
    monkeypatch.setattr(Slow, "naps", 320)
    planned(monkeypatch, {"slow": 0.2, "rp3beta": 10.0})
    among(monkeypatch, "popular", "item-knn", "slow", "rp3beta")
    choice = pc.choose(a_market(), budget=28)
    assert of(choice, "rp3beta").error == "not tried: it needs about 30 s, more than the budget leaves"


def test_every_candidate_has_an_estimate_that_grows_with_the_log() -> None:
    small = LogShape.of_numbers(10_000, 1_000, 1_000, ratings=True, described=True)
    large = LogShape.of_numbers(10**7, 10**6, 100_000, ratings=True, described=True)
    for one in (*choosing.LISTS, *choosing.RATINGS):
        assert 0 < one.estimate(small, 100) < one.estimate(large, 4_000), one.name
        assert one.estimate(small, 100) < one.estimate(small, 4_000), one.name


def test_a_candidate_that_would_not_fit_in_memory_is_named_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.core.memory.free_bytes", lambda: 2**10)
    monkeypatch.setattr(check, "SMALL", 0)
    among(monkeypatch, "popular", "item-knn", "ease")
    with pytest.raises(DataError, match=r"popular over .* needs about .* MiB, 0 MiB are free"):
        pc.choose(a_market())
    found = pc.choose(a_market(), run=Run(ignore_plan=True))
    assert [one.error for one in found.tried] == [None] * 3
    monkeypatch.setattr("penchant.core.memory.free_bytes", lambda: 2**40)
    assert all(one.error is None for one in pc.choose(a_market()).tried)


def planned(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> None:
    """Let the plan say so many seconds of some models."""
    real = attempts.seconds
    monkeypatch.setattr(attempts, "seconds", lambda model, log, cases: seconds.get(model) or real(model, log, cases))


def grocer(users: int = 120) -> pc.Interactions:
    """Everybody buys the same three things of their own again and again, and now and then a new one."""
    rng = np.random.default_rng(2)
    rows = []
    for _ in range(users):
        own = rng.permutation(40)[:3]
        rows.append([int(rng.integers(40)) if rng.random() < 0.2 else int(rng.choice(own)) for _ in range(20)])
    return a_log(rows, n_items=40, times=[list(range(20))] * users)


def test_where_repeats_are_common_both_questions_are_asked_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn", "follows")
    choice = pc.choose(grocer())
    assert choice.repeat and choice.other is not None and not choice.other.repeat and choice.other.other is None
    assert any("% of the events return to an item" in note for note in choice.notes)
    assert "recommend with --repeat" in choice.why
    assert of(choice, "follows").value != of(choice.other, "follows").value
    text = " ".join(str(pc_text(choice)).split())
    assert "For lists without seen items: " in text
    assert choice.to_json()["other"]["repeat"] is False and choice.to_json()["repeat"] is True
    for asked in (True, False):
        one = pc.choose(grocer(), repeat=asked)
        assert one.repeat is asked and one.other is None
        again = choice if asked else choice.other
        assert [tried.value for tried in one.tried] == [tried.value for tried in again.tried]
    assert pc.choose(a_market()).other is None and not pc.choose(a_market()).repeat
    assert pc.fit(grocer(), repeat=False).fitted_on["choice"]["repeat"] is False
    with pytest.raises(ParameterError, match="repeat applies only when no model is given"):
        pc.fit(grocer(), "popular", repeat=True)


def pc_text(choice: pc.Choice) -> str:
    out = io.StringIO()
    Console(file=out, width=200, no_color=True).print(choice.table())
    return out.getvalue()


def test_logs_without_order_hold_out_more_users(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn")
    log = replace(a_market(users=400), times=None)
    choice = pc.choose(log)
    assert choice.cases == 160 and "40% of the users are held out" in choice.notes[0]


def test_baskets_are_not_asked_for_what_they_hold_already(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, "popular", "item-knn")
    baskets = replace(a_market(users=60), sessions=True)
    choice = pc.choose(baskets)
    assert not choice.repeat and choice.other is None
    assert pc.choose(baskets, repeat=True).repeat
    assert pc.choose(replace(grocer(), sessions=True)).repeat
