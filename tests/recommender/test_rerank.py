"""A function of the operator orders the list for a need: in time, and only what is in the list."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import penchant as pc
from penchant.errors import ParameterError
from penchant.recommender.recommender import Recommender
from penchant.recommender.rerank import AT_ONCE, Reranker

ITEMS = pl.DataFrame({"item": [f"g{n}" for n in range(6)], "title": ["ale", "beer", "milk", "cream", "bread", "toast"]})


@pytest.fixture(scope="module")
def rec() -> Recommender:
    told = [{"user": f"u{u}", "item": f"g{(u + n) % 6}"} for u in range(12) for n in range(3)]
    log = pc.read_interactions(pl.DataFrame(told))
    return pc.fit(log, "item-knn", catalog=pc.Catalog.read(ITEMS, log.vocab))


def asked(rec: Recommender, rerank: Any) -> Any:
    return rec.recommend(["g0"], 4, need="milk", why=True, rerank=rerank)


def test_the_function_sees_titles_and_decides_on_the_order(rec: Recommender) -> None:
    plain, seen = asked(rec, None), list[Any]()

    def backwards(need: str, items: list[Any], history: list[Any]) -> list[Any]:
        seen.append((need, items, history))
        return [one["item"] for one in reversed(items)]

    found = asked(rec, backwards)
    assert found.ids == plain.ids[::-1] and found.degraded is None
    assert {one.item: (one.score, one.why) for one in found} == {one.item: (one.score, one.why) for one in plain}
    assert seen == [
        ("milk", [{"item": one.item, "title": one.title} for one in plain], [{"item": "g0", "title": "ale"}])
    ]
    first = asked(rec, lambda need, items, history: [items[2]["item"]])  # the others follow in their order
    assert first.ids == [plain.ids[2], plain.ids[0], plain.ids[1], plain.ids[3]]
    assert rec.recommend(["g0"], 4, rerank=backwards).ids == rec.recommend(["g0"], 4).ids  # no need, nothing to order
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda need, items, history: 1 / 0, "failed (ZeroDivisionError: division by zero)"),
        (lambda need: [], "failed (TypeError"),
        (lambda need, items, history: "g1", "returned str, not a list of ids"),
        (lambda need, items, history: None, "returned NoneType, not a list"),
        (lambda need, items, history: ["elsewhere"], "returned 'elsewhere', which is not in the list"),
        (lambda need, items, history: [items[0]["item"]] * 2, "twice"),
        (lambda need, items, history: ["g1"] * 9, "returned 9 ids of 4 items"),
        (lambda need, items, history: sys.exit(), "failed (SystemExit"),
    ],
)
def test_a_bad_answer_changes_nothing_and_is_told(rec: Recommender, function: Callable[..., Any], why: str) -> None:
    found = asked(rec, function)
    assert found.ids == asked(rec, None).ids
    assert found.degraded.startswith("the list is not reranked: the function ") and why in found.degraded
    assert found.to_json()["degraded"] == found.degraded


def test_one_that_takes_too_long_is_left_behind_and_bounded(rec: Recommender) -> None:
    free = threading.Event()
    slow = Reranker(lambda need, items, history: free.wait(60) and [], seconds=0.01)
    told = [asked(rec, slow).degraded for _ in range(AT_ONCE + 1)]
    assert all("took longer than 0.01 s" in one for one in told[:AT_ONCE])
    assert f"{AT_ONCE} calls of the function have not ended yet" in told[-1]
    free.set()
    assert asked(rec, None).ids


def test_what_is_no_function_is_refused(rec: Recommender) -> None:
    with pytest.raises(ParameterError, match="is a function, not str"):
        asked(rec, "module:function")
    for seconds in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ParameterError, match="above 0"):
            Reranker(print, seconds=seconds)
