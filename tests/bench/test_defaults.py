"""The study of defaults: its sets, its queue, and what the page makes of the trials; without the benchmark sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench import defaults, defaults_report


def test_a_sample_keeps_whole_users_and_the_items_that_enough_of_them_have() -> None:
    rows = pl.DataFrame(
        {
            "user": [u for u in range(40) for _ in range(6)],
            "item": [(u + n * n) % 30 for u in range(40) for n in range(6)],
        }
    )
    studied = defaults.StudySet("any", "users", {"user": "user", "item": "item"}, users=10, events=4, items_in=2)
    kept = studied.sample(rows)
    assert kept["user"].n_unique() == 10
    assert kept.group_by("item").agg(pl.col("user").n_unique())["user"].min() >= 2
    assert kept.equals(studied.sample(rows))
    assert not studied.ordered


def test_grids_are_kept_and_hold_the_default_and_the_draws() -> None:
    from penchant.models.registry import create

    for model in defaults.MODELS:
        tried = defaults.grid(model)
        assert len(tried) > defaults.DRAWS
        assert len({json.dumps(params, sort_keys=True) for params in tried[: defaults.DRAWS + 1]}) > 30
        for params in tried:
            create(model, params)


def test_what_is_shipped_is_what_the_study_says() -> None:
    from penchant.models.registry import create
    from penchant.training.tune import search_spaces

    for model, number in defaults.SHIPPED.items():
        shipped, studied = create(model), create(model, defaults.grid(model)[number])
        for name in search_spaces(type(shipped)):
            if not name.startswith(("rating_", "user_damping", "item_damping")):
                assert getattr(shipped, name) == getattr(studied, name), (model, name)
        study = defaults_report.Study.of(model)
        means = study.relative().mean(axis=0)
        assert means[study.numbers.index(number)] >= 0.995 * means.max(), f"all sets together choose another {model}"


def test_every_set_and_model_gets_ten_draws_before_any_gets_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, int]] = []

    def attempt(place: defaults.Place, params: dict[str, int]) -> dict[str, float]:
        ran.append((place.set_name, params["number"]))
        if len(ran) == 25:
            raise KeyboardInterrupt
        return {"valid": 0.1, "test": 0.2}

    monkeypatch.setattr(defaults, "DONE", tmp_path)
    monkeypatch.setattr(defaults, "grid", lambda model: [{"number": n} for n in range(50)])
    monkeypatch.setattr(defaults, "about", lambda name: {"users": 3})
    monkeypatch.setattr(defaults, "attempt", attempt)
    with pytest.raises(KeyboardInterrupt):
        defaults.work(["gowalla", "msweb"], ["ease"])
    defaults.work(["gowalla", "msweb"], ["ease"])
    of = [[number for name, number in ran if name == which] for which in ("gowalla", "msweb")]
    assert [sorted(set(numbers)) for numbers in of] == [list(range(50))] * 2
    assert len(ran) == 101, "only what was interrupted is done again"
    first = [name for name, number in ran if number < 10 or 41 <= number]
    assert ran[: len(first)] == [(name, n) for name, n in ran[: len(first)] if n % 41 < 10]
    held = json.loads((tmp_path / "gowalla-ease.json").read_text())
    assert [trial["trial"] for trial in held["trials"]] == list(range(50))
    assert not list(tmp_path.glob("*.part"))


def test_the_default_of_a_set_is_chosen_by_the_validation_of_the_others() -> None:
    valid = np.array([[0.1, 0.4, 0.2], [0.3, 0.2, 0.1], [0.5, 0.4, 0.6]])
    test = np.array([[0.2, 0.3, 0.4], [0.3, 0.1, 0.1], [0.4, 0.4, 0.2]])
    study = defaults_report.Study("ease", ["a", "b", "c"], [0, 1, 41], valid, test)
    assert study.drawn.tolist() == [0, 1]
    assert [study.tuned(s) for s in range(3)] == [1, 0, 0]
    best = valid / valid[:, :2].max(axis=1, keepdims=True)
    for s in range(3):
        others = [o for o in range(3) if o != s]
        assert study.without(s) == int(np.argmax(best[others].sum(axis=0)))
    other = defaults_report.Study("ease", ["a", "b", "c"], [0, 1, 41], valid, test[:, ::-1])
    assert [other.without(s) for s in (0, 1, 2, None)] == [study.without(s) for s in (0, 1, 2, None)]
    assert len({study.without(s) for s in range(3)}) > 1, "what a set says counts for the others only"
    assert study.ratios() == pytest.approx([test[s, study.without(s)] / test[s, study.tuned(s)] for s in range(3)])


def test_the_page_is_that_of_the_results() -> None:
    assert defaults_report.PAGE.read_text() == defaults_report.page()
