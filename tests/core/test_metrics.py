from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.metrics import ACCURACY, coverage, gini, judge
from penchant.errors import DataError


def truth(rows: list[dict[int, float] | list[int]], n_items: int = 20) -> Histories:
    graded = any(isinstance(row, dict) for row in rows)
    values = [list(row.values()) for row in rows if isinstance(row, dict)] if graded else None
    return Histories.from_lists(
        [list(row) for row in rows], n_items, values=values, values_are="rating" if graded else "none"
    )


def value(name: str, items: list[int], true: dict[int, float] | list[int], k: int, unknown: int = 0) -> float:
    judged = judge(np.array([items], np.int32), truth([true]), unknown=np.array([unknown]))
    return float(ACCURACY[name](judged, k)[0])


def test_golden_values_of_graded_ndcg() -> None:
    graded = {1: 3.0, 2: 5.0, 3: 4.0}
    assert value("ndcg", [1, 2], graded, 2) == pytest.approx(0.8180, abs=5e-5)
    assert value("ndcg", [1, 2], graded, 10) == pytest.approx(0.6821, abs=5e-5)
    assert value("ndcg", [2, 3, 1], graded, 2) == pytest.approx(1)
    assert value("ndcg", [2, 3, 1], graded, 10) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hit", 1.0),
        ("recall", 2 / 3),
        ("precision", 2 / 4),
        ("mrr", 1 / 2),
        ("map", (1 / 2 + 2 / 4) / 3),
        ("ndcg", (1 / np.log2(3) + 1 / np.log2(5)) / (1 + 1 / np.log2(3) + 1 / 2)),
    ],
)
def test_by_hand(name: str, expected: float) -> None:
    assert value(name, [9, 4, 8, 5, 6], [4, 5, 6], 4) == pytest.approx(expected)


def test_a_short_list_misses_in_its_empty_places() -> None:
    assert value("precision", [4, -1, -1, -1], [4, 5], 4) == pytest.approx(1 / 4)
    assert value("ndcg", [4, -1, -1, -1], [4, 5], 4) == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert value("precision", [4], [4, 5], 10) == pytest.approx(1 / 10), "the list may be narrower than k"


def test_items_that_nobody_can_rank_stay_as_misses() -> None:
    assert value("recall", [4, 9], [4], 2, unknown=1) == pytest.approx(1 / 2)
    assert value("map", [4, 9], [4], 2, unknown=3) == pytest.approx(1 / 4)
    assert value("ndcg", [4, 9], [4], 2, unknown=1) == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert value("hit", [4, 9], [], 2, unknown=1) == 0


def test_a_case_without_truth_is_no_number() -> None:
    judged = judge(np.array([[1, 2]], np.int32), truth([[]]))
    for metric in ACCURACY.values():
        assert np.isnan(metric(judged, 2)[0])


def test_repeats_count_once() -> None:
    assert value("recall", [4, 9], [4, 4, 5], 2) == pytest.approx(1 / 2), "in the truth"
    assert value("precision", [4, 4, 9], [4, 5], 3) == pytest.approx(1 / 3), "in the list"


def test_an_empty_place_is_not_the_last_item_of_the_case_before() -> None:
    judged = judge(np.array([[3, -1], [-1, -1]], np.int32), truth([[19], [0]]))
    assert not judged.hits.any()


def test_rows_must_match() -> None:
    with pytest.raises(DataError, match="1 lists and 2 cases"):
        judge(np.array([[1]], np.int32), truth([[1], [2]]))


def test_coverage_and_gini_by_hand() -> None:
    lists = np.array([[0, 1], [0, 2], [0, -1]], np.int32)
    assert coverage(lists, 10, 2) == pytest.approx(0.3)
    assert coverage(lists, 10, 1) == pytest.approx(0.1)
    assert gini(np.array([[0], [1], [2], [3]], np.int32), 4, 1) == pytest.approx(0)
    assert gini(np.array([[0], [0], [0], [0]], np.int32), 4, 1) == pytest.approx(3 / 4)
    assert gini(lists, 3, 2) == pytest.approx((-2 * 1 + 0 * 1 + 2 * 3) / (3 * 5))


cases = st.lists(
    st.tuples(
        st.lists(st.integers(0, 19), unique=True, max_size=12),
        st.dictionaries(st.integers(0, 19), st.integers(1, 5), min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(cases=cases, k=st.integers(1, 12), graded=st.booleans())
def test_vectorised_equals_one_by_one(cases: list[tuple[list[int], dict[int, int]]], k: int, graded: bool) -> None:
    width = 12
    items = np.array([row + [-1] * (width - len(row)) for row, _ in cases], np.int32)
    rows = [{i: float(g) for i, g in true.items()} if graded else list(true) for _, true in cases]
    judged = judge(items, truth(rows))  # type: ignore[arg-type]
    for r, (row, true) in enumerate(cases):
        grades = true if graded else dict.fromkeys(true, 1)
        found = [item in grades for item in row[:k]]
        precisions = [sum(found[: n + 1]) / (n + 1) for n in range(len(found)) if found[n]]
        ideal = sorted(grades.values(), reverse=True)[:k]
        expected = {
            "hit": float(any(found)),
            "recall": sum(found) / len(true),
            "precision": sum(found) / k,
            "mrr": 1 / (found.index(True) + 1) if any(found) else 0,
            "map": sum(precisions) / len(true),
            "ndcg": sum(grades.get(i, 0) / np.log2(n + 2) for n, i in enumerate(row[:k]))
            / sum(g / np.log2(n + 2) for n, g in enumerate(ideal)),
        }
        for name, metric in ACCURACY.items():
            assert metric(judged, k)[r] == pytest.approx(expected[name]), name


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("k", [1, 5, 20])
def test_agrees_with_ranx(*, graded: bool, k: int) -> None:
    """On random runs with short lists and many cases; where scores tie, both are handed the order that we state."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba's, about ranx's own kernels
        from ranx import Qrels, Run, evaluate

    rng = np.random.default_rng(k)
    n_cases, n_items, width = 120, 60, 20
    lists, rows, qrels, runs = [], [], {}, {}
    for case in range(n_cases):
        length = int(rng.integers(1, width + 1))
        tied = np.sort(rng.integers(0, 4, length))[::-1]  # coarse scores: nearly all of them tie
        items = rng.permutation(n_items)[:length]
        true = rng.permutation(n_items)[: int(rng.integers(1, 15))]
        grades = rng.integers(1, 6, len(true)) if graded else np.ones(len(true), int)
        order = np.lexsort((items, -tied))  # score, then index
        lists.append(items[order].tolist() + [-1] * (width - length))
        rows.append({int(i): float(g) for i, g in zip(true, grades, strict=True)} if graded else true.tolist())
        qrels[str(case)] = {str(i): int(g) for i, g in zip(true, grades, strict=True)}
        runs[str(case)] = {str(items[place]): float(width - n) for n, place in enumerate(order)}
    judged = judge(np.array(lists, np.int32), truth(rows, n_items))
    names = {
        "hit": "hit_rate",
        "recall": "recall",
        "precision": "precision",
        "ndcg": "ndcg",
        "mrr": "mrr",
        "map": "map",
    }
    theirs = Qrels(qrels), Run(runs)
    for ours, name in names.items():
        per_case = ACCURACY[ours](judged, k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = evaluate(*theirs, f"{name}@{k}", return_mean=False)
        # ranx sorts its cases by the text of their name
        order = np.argsort([str(case) for case in range(n_cases)])
        np.testing.assert_allclose(per_case[order], expected, rtol=1e-6, atol=1e-9, err_msg=ours)


def test_grades_below_one_stay_below_one():
    truth = Histories.from_lists([[1, 2]], 4, values=[[0.5, 0.25]], values_are="weight")
    judged = judge(np.array([[2, 1]], dtype=np.int32), truth)
    np.testing.assert_array_equal(judged.gains, [[0.25, 0.5]])
