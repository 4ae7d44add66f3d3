"""Who gets which arm, lists made of two rankings, and definitions that are refused."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import ParameterError
from penchant.experiments.assignment import arm_of, fraction
from penchant.experiments.definition import parse
from penchant.experiments.interleaving import preference, team_draft
from penchant.experiments.sample_ratio import sample_ratio

KEY = b"k" * 32
GOOD: dict[str, Any] = {
    "arms": [{"name": "today", "share": 0.5}, {"name": "new", "share": 0.5, "model": "als"}],
    "metric": {"name": "conversion", "kind": "purchase", "within": "7d"},
    "guards": [{"name": "revenue", "kind": "purchase", "within": "7d"}, {"name": "click-through"}],
    "start": "2026-12-01T00:00:00Z",
    "stop": "2026-12-20T00:00:00+01:00",
}


def test_shares_are_exact_to_sampling_error() -> None:
    shares = {"a": 0.2, "b": 0.3, "c": 0.5}
    got = Counter(arm_of(KEY, "home", f"u:{n}", shares) for n in range(20_000))
    assert float(sample_ratio(np.array([got[arm] for arm in shares], dtype=float), list(shares.values()))) == 1.0


def test_an_arm_stays_and_depends_on_key_salt_and_unit() -> None:
    units = [f"u:{n}" for n in range(400)]
    one = [fraction(KEY, "home", unit) for unit in units]
    assert one == [fraction(KEY, "home", unit) for unit in units]
    for other in (
        [fraction(b"o" * 32, "home", unit) for unit in units],
        [fraction(KEY, "mail", unit) for unit in units],
    ):
        assert abs(float(np.corrcoef(one, other)[0, 1])) < 0.15
    assert fraction(KEY, "a", "bc") != fraction(KEY, "ab", "c")


def test_units_outside_the_shares_have_no_arm() -> None:
    got = Counter(arm_of(KEY, "x", str(n), {"a": 0.1}) for n in range(5_000))
    assert 400 < got["a"] < 600
    assert got[None] == 5_000 - got["a"]
    with pytest.raises(ParameterError, match="sum to"):
        arm_of(KEY, "x", "1", {"a": 0.7, "b": 0.7})
    with pytest.raises(ParameterError, match="above 0"):
        arm_of(KEY, "x", "1", {"a": 0.0})


ranking = st.permutations([str(n) for n in range(8)])


@given(first=ranking, second=ranking, k=st.integers(1, 12), coins=st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_drafted_list_is_fair(first: list[str], second: list[str], k: int, coins: list[bool]) -> None:
    drafted = team_draft(first[:6], second[:6], k, coins)
    assert len(set(drafted.items)) == len(drafted.items) == min(k, len({*first[:6], *second[:6]}))
    assert set(drafted.items[:2]) >= {first[0], second[0]} or k == 1
    for n in range(2, len(drafted.items) + 1, 2):
        teams = Counter(drafted.teams[:n])
        if n <= 6:  # while both still have something of their own
            assert teams["a"] == teams["b"]


def test_a_swap_of_the_rankings_and_the_coins_swaps_the_teams() -> None:
    one = team_draft(["1", "2", "3"], ["3", "1", "4"], 4, [True, False])
    two = team_draft(["3", "1", "4"], ["1", "2", "3"], 4, [False, True])
    assert one.items == two.items == ("1", "3", "4", "2")
    assert one.teams == ("a", "b", "b", "a")
    assert preference(one, {"3", "4", "2", "9"}) == 1 == -preference(two, {"3", "4", "2"})


def test_a_draft_refuses_what_it_cannot_make() -> None:
    with pytest.raises(ParameterError, match="twice"):
        team_draft(["1", "1"], ["2"], 2, [True])
    with pytest.raises(ParameterError, match="2 coins"):
        team_draft(["1", "2"], ["2"], 3, [True])


def test_an_experiment_is_read() -> None:
    read = parse("home-als", GOOD)
    assert read.shares == {"today": 0.5, "new": 0.5}
    assert (read.metric.kind, read.metric.within, len(read.metrics)) == ("purchase", 7 * 86_400, 3)
    assert (read.unit, read.placement, read.start) == ("user", "default", 1_796_083_200)
    assert read.stop == read.start + 19 * 86_400 - 3_600


WRONG = [
    ("arms", [{"name": "a", "share": 1.0}], "at least two"),
    ("arms", [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.6}], "sum to 1.1"),
    ("arms", [{"name": "a", "share": 0.5}, {"name": "a", "share": 0.5}], "one name"),
    ("arms", [{"name": "a", "share": 0}, {"name": "b", "share": 1}], r"arms\[0\]: share"),
    ("arms", [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "model": "x", "placement": "y"}], "exclude"),
    ("arms", [{"name": "a", "shore": 0.5}, {"name": "b", "share": 0.5}], "did you mean 'share'"),
    ("metric", {"name": "conversions", "kind": "purchase"}, "conversion, revenue, click-through"),
    ("metric", {"name": "conversion"}, "needs the kind"),
    ("metric", {"name": "conversion", "kind": "purchase", "within": "soon"}, "within"),
    ("metric", {"name": "conversion", "kind": "purchase", "within": "0"}, "above 0"),
    ("metric", {"name": "click-through", "kind": "click"}, "no kind"),
    ("guards", {"name": "revenue"}, "list of metrics"),
    ("start", "2026-12-01T00:00:00", "with a zone"),
    ("start", None, "start is needed"),
    ("stop", "2026-11-30T00:00:00Z", "after start"),
    ("unit", "device", "user or session"),
    ("planned", 10, "at least 1,000"),
    ("placement", 7, "is a text"),
    ("metrics", {}, "did you mean 'metric'"),
]


@pytest.mark.parametrize(("field", "value", "said"), WRONG)
def test_a_wrong_experiment_is_refused_by_name(field: str, value: object, said: str) -> None:
    given = copy.deepcopy(GOOD)
    given[field] = value
    with pytest.raises(ParameterError, match=said) as caught:
        parse("home-als", given)
    assert "home-als" in str(caught.value)
