"""A split holds together: rows match, items match, and no answer is given away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.split import Split, contained
from penchant.errors import DataError, LeakError


def of(rows: list[list[int]], n_items: int = 5) -> Histories:
    return Histories.from_lists(rows, n_items)


TRAIN, GIVEN, TRUTH = of([[0, 1]] * 3), of([[0], [1]]), of([[1, 2], [3]])


def test_it_says_what_it_is() -> None:
    split = Split("named", TRAIN, GIVEN, TRUTH)
    assert len(split) == 2 and repr(split) == "Split('named', 3 training histories, 2 cases)"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"truth": of([[1]])}, "split 'odd': truth has 1 rows, given has 2"),
        ({"candidates": of([[1]])}, "split 'odd': candidates has 1 rows, given has 2"),
        ({"seen": of([[1]] * 3)}, "split 'odd': seen has 3 rows, given has 2"),
        ({"ratings": of([[1]])}, "split 'odd': ratings has 1 rows, given has 2"),
        ({"group": np.arange(3)}, "split 'odd': group has 3 rows, given has 2"),
        ({"warm": np.ones(1, np.bool_)}, "split 'odd': warm has 1 rows, given has 2"),
        ({"unknown_truth": np.zeros(5, np.int64)}, "split 'odd': unknown_truth has 5 rows, given has 2"),
        ({"truth": of([[1], [2]], 6)}, "split 'odd': truth is over 6 items, given over 5"),
        ({"train": of([[1]], 4)}, "split 'odd': train is over 4 items, given over 5"),
    ],
)
def test_what_does_not_match_is_refused(more: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError) as refused:
        Split("odd", **({"train": TRAIN, "given": GIVEN, "truth": TRUTH} | more))
    assert str(refused.value) == says


def test_answers_that_are_given_away_are_a_leak() -> None:
    leaking = of([[2], [3, 1, 1]])
    with pytest.raises(LeakError) as refused:
        Split("leaky", TRAIN, GIVEN, leaking)
    assert str(refused.value) == (
        "split 'leaky': 2 true items are also given, the first in case 1, item index 1. "
        "Remove them from the truth, or let lists contain seen items (repeat)."
    )
    assert len(Split("leaky", TRAIN, GIVEN, leaking, repeat=True)) == 2
    assert len(Split("leaky", TRAIN, GIVEN, leaking, seen=of([[0], [0]]))) == 2
    with pytest.raises(LeakError, match="case 0, item index 2"):
        Split("leaky", TRAIN, GIVEN, leaking, seen=of([[2], []]))


def test_cases_are_chosen_with_everything_of_theirs() -> None:
    split = Split(
        "whole", TRAIN, GIVEN, TRUTH, of([[1], [3, 4]]), of([[0], []]), np.array([7, 8]), np.array([True, False]),
        unknown_truth=np.array([0, 2]), ratings=of([[2], [4]]), notes=["a note"],
    )  # fmt: skip
    chosen = split.cases(np.array([1, 0, 1]))
    assert [chosen.given.row(r).tolist() for r in range(3)] == [[1], [0], [1]]
    assert [chosen.truth.row(r).tolist() for r in range(3)] == [[3], [1, 2], [3]]
    assert chosen.candidates.row(0).tolist() == [3, 4] and chosen.seen.row(1).tolist() == [0]
    assert chosen.group.tolist() == [8, 7, 8] and chosen.warm.tolist() == [False, True, False]
    assert chosen.unknown_truth.tolist() == [2, 0, 2] and chosen.ratings.row(2).tolist() == [4]
    assert chosen.train is TRAIN and chosen.notes == ["a note"]
    assert Split("bare", TRAIN, GIVEN, TRUTH).cases(np.array([False, True])).candidates is None


def test_only_cases_outside_training_are_held_out() -> None:
    inner = Split("valid", TRAIN, GIVEN, TRUTH)
    assert Split("outer", TRAIN, GIVEN, TRUTH, valid=inner).held_out is inner
    other = Split("valid", of([[0, 1]]), GIVEN, TRUTH)
    assert Split("outer", TRAIN, GIVEN, TRUTH, valid=other).held_out is None
    assert Split("outer", TRAIN, GIVEN, TRUTH).held_out is None


def test_keys_are_found_among_others() -> None:
    keys, among = np.array([5, 0, 9, 3, 10]), np.array([9, 3, 3, 1])
    assert contained(keys, among).tolist() == [False, False, True, True, False]
    assert contained(keys, among).dtype == np.bool_
    nothing = contained(keys, np.empty(0, np.int64))
    assert nothing.tolist() == [False] * 5 and nothing.dtype == np.bool_
