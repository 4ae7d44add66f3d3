"""From lists and events to what an experiment says."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from penchant.experiments.definition import parse
from penchant.experiments.judging import holm, judge
from penchant.experiments.outcomes import outcomes

DAY = 86_400
START = 1_796_083_200
LISTS = {"person": pl.String, "time": pl.Int64, "arm": pl.String, "shown": pl.Int64, "clicked": pl.Int64}
EVENTS = {"person": pl.String, "kind": pl.String, "time": pl.Int64, "value": pl.Float64}


def experiment(**changed: Any) -> Any:
    arms = [{"name": "today", "share": 0.5}, {"name": "new", "share": 0.5}]
    metric = {"name": "conversion", "kind": "purchase", "within": "2d"}
    return parse("home", {"arms": arms, "metric": metric, "start": "2026-12-01T00:00:00Z", **changed})


def lists(*rows: tuple[str, int, str, int, int]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=LISTS, orient="row")


def events(*rows: tuple[str, str, int, float | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=EVENTS, orient="row")


def test_only_units_whose_time_is_over_count_and_only_what_lies_in_it() -> None:
    shown = lists(
        ("u:1", START, "today", 10, 1), ("u:1", START + 90, "today", 10, 2), ("u:2", START + DAY, "new", 10, 0),
        ("u:3", START + 5 * DAY, "new", 10, 0), ("u:4", START - 1, "new", 10, 0),
    )  # fmt: skip
    happened = events(
        ("u:1", "purchase", START + 2 * DAY - 1, 5.0), ("u:1", "purchase", START + 10, None),
        ("u:1", "view", START + 20, 1.0), ("u:2", "purchase", START + DAY - 1, 7.0),
        ("u:2", "purchase", START + 3 * DAY, 7.0), ("u:2", "purchase", START - 28 * DAY, 7.0),
    )  # fmt: skip
    guards = [{"name": "revenue", "kind": "purchase", "within": "2d"}, {"name": "click-through", "within": "1d"}]
    found = outcomes(experiment(guards=guards), shown, happened, now=START + 6 * DAY)
    assert found.entered.tolist() == [1, 2]
    bought, revenue, clicks = found.metrics
    assert bought.arm.tolist() == [0, 1]
    assert (bought.value.tolist(), bought.base.tolist(), bought.before.tolist()) == ([1, 0], [1, 1], [0, 1])
    assert (revenue.value.tolist(), revenue.before.tolist()) == ([5, 0], [0, 7])
    assert (clicks.value.tolist(), clicks.base.tolist()) == ([3, 0, 0], [20, 10, 10])
    assert clicks.ended.tolist() == [START + DAY, START + 2 * DAY, START + 6 * DAY]


def test_a_unit_of_two_arms_is_left_out_and_counted() -> None:
    shown = lists(("u:1", START, "today", 1, 0), ("u:1", START + 5, "new", 1, 0), ("u:2", START, "new", 1, 0))
    found = outcomes(experiment(), shown, events(), now=START + 9 * DAY)
    assert (found.moved, found.entered.tolist(), found.metrics[0].arm.tolist()) == (1, [0, 1], [1])


def simulated(
    n: int, rates: tuple[float, float], *, share: float = 0.5, seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    second, first = rng.random(n) < share, START + np.sort(rng.integers(0, 10 * DAY, n))
    people = [f"u:{i}" for i in range(n)]
    bought = rng.random(n) < np.where(second, rates[1], rates[0])
    arms = np.where(second, "new", "today")
    shown = pl.DataFrame({"person": people, "time": first, "arm": arms, "shown": 10, "clicked": 1}, schema=LISTS)
    happened = pl.DataFrame(
        {"person": people, "kind": "purchase", "time": first + 60, "value": 2.0}, schema=EVENTS
    ).filter(pl.Series(bought))  # fmt: skip
    return shown, happened


@pytest.mark.parametrize(("rates", "verdict", "words"), [
    ((0.1, 0.16), "better", "new: ship it"), ((0.16, 0.1), "worse", "new: stop it"),
    ((0.1, 0.1), "cannot tell", "cannot tell yet"),
])  # fmt: skip
def test_the_verdict_says_what_was_planted(rates: tuple[float, float], verdict: str, words: str) -> None:
    said = judge(experiment(), outcomes(experiment(), *simulated(8_000, rates), now=START + 30 * DAY))
    assert said.judged[0].verdict == verdict
    assert words in said.words[0]
    last = said.judged[0].last
    assert last is not None
    assert last.low < rates[1] - rates[0] < last.high
    assert last.day == "2026-12-12"
    assert len(said.judged[0].looks) >= 9


def test_a_guard_that_falls_stops_an_arm_that_gains() -> None:
    shown, happened = simulated(8_000, (0.1, 0.16))
    of_today = pl.col("person").is_in(shown.filter(pl.col("arm") == "today")["person"].implode())
    dear = happened.with_columns(pl.when(of_today).then(40.0).otherwise(1.0).alias("value"))
    guarded = experiment(guards=[{"name": "revenue", "kind": "purchase", "within": "2d"}])
    said = judge(guarded, outcomes(guarded, shown, dear, now=START + 30 * DAY))
    assert [one.verdict for one in said.judged] == ["better", "worse"]
    assert said.words[0].startswith("new: stop it")
    assert "revenue" in said.words[0]


def test_a_broken_split_is_believed_in_nothing() -> None:
    said = judge(experiment(), outcomes(experiment(), *simulated(8_000, (0.1, 0.2), share=0.56), now=START + 30 * DAY))
    assert said.judged[0].verdict == "broken"
    assert said.words[0].startswith("Do not believe the numbers")
    assert said.to_json()["split"]["alarm"] is True


def test_little_says_nothing() -> None:
    said = judge(experiment(), outcomes(experiment(), *simulated(900, (0.1, 0.9)), now=START + 30 * DAY))
    assert said.judged[0].verdict == "too early"
    assert "900 units" in said.words[0]
    none = judge(experiment(), outcomes(experiment(), lists(), events(), now=START + 1))
    assert none.judged[0].verdict == "too early"
    assert none.judged[0].last is None


def test_intervals_of_several_arms_hold_together() -> None:
    arms = [{"name": name, "share": 0.25} for name in ("today", "b", "c", "d")]
    shown, happened = simulated(12_000, (0.1, 0.135), share=0.25)
    rng = np.random.default_rng(1)
    several = shown.with_columns(pl.when(pl.col("arm") == "new").then(pl.lit("d")).otherwise(
        pl.Series(rng.choice(["today", "b", "c"], len(shown)))).alias("arm"))  # fmt: skip
    one = experiment(arms=[{"name": "today", "share": 0.5}, {"name": "d", "share": 0.5}])
    alone = judge(one, outcomes(one, several, happened, now=START + 30 * DAY)).judged[0]
    four = experiment(arms=arms)
    together = judge(four, outcomes(four, several, happened, now=START + 30 * DAY)).judged[2]
    assert alone.arm == together.arm == "d"
    assert together.last is not None
    assert alone.last is not None
    assert together.last.high - together.last.low > alone.last.high - alone.last.low


def test_holm_multiplies_by_the_tests_that_are_left() -> None:
    assert holm([0.04, 0.01, 0.03, 0.5]) == pytest.approx([0.09, 0.04, 0.09, 0.5])
    assert holm([]) == []
