from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.split import Split
from penchant.errors import DataError, LeakError, ParameterError
from penchant.evaluation.protocols import (
    Protocol,
    column,
    keep_known,
    leave_last,
    leave_users,
    make_splits,
    random_folds,
    time_cut,
    with_candidates,
)
from tests.evaluation.small_logs import a_log, a_market, lists_of

logs = st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=9), min_size=4, max_size=12)


def histories(rows: list[list[int]], **more: object) -> Histories:
    return Histories.from_lists(rows, 12, **more)  # type: ignore[arg-type]


# -- leave-last ---------------------------------------------------------------------------------------------------


def test_leave_last_holds_out_the_last_and_validates_on_the_one_before() -> None:
    split = leave_last(histories([[0, 1, 2, 3], [4, 5], [5, 6, 7]]))
    assert lists_of(split.train) == [[0, 1], [4, 5], [5]], "a short history is training only"
    assert lists_of(split.given) == [[0, 1, 2], [5, 6]], "the validation item is given in the test"
    assert lists_of(split.truth) == [[3], [7]]
    assert split.valid is not None
    assert lists_of(split.valid.given) == [[0, 1], [5]]
    assert lists_of(split.valid.truth) == [[2], [6]]
    assert split.valid.train is split.train
    assert split.held_out is split.valid


def test_refit_trains_on_the_validation_item_and_hides_it_from_fit() -> None:
    split = leave_last(histories([[0, 1, 2, 3], [4, 5]]), refit=True)
    assert lists_of(split.train) == [[0, 1, 2], [4, 5]]
    assert split.valid is not None and lists_of(split.valid.train) == [[0, 1], [4, 5]]
    assert split.held_out is None


def test_leave_last_counts_positives_and_keeps_every_earlier_row() -> None:
    log = histories([[0, 1, 2, 3, 4, 5]], values=[[5, 1, 4, 2, 5, 1]], values_are="rating")
    log = replace(log, liked=np.array([[1, 0, 1, 0, 1, 0]], bool).ravel())
    split = leave_last(log)
    assert lists_of(split.truth) == [[4]]
    assert lists_of(split.given) == [[0, 1, 2, 3]], "dislikes stay, and what came after the test is gone"
    assert lists_of(split.train) == [[0, 1]]
    assert split.given.values is not None and split.given.values.tolist() == [5, 1, 4, 2]
    assert split.truth.values is None, "a rule for positives makes all of them equal"


def test_leave_last_tells_nothing_of_the_time_of_the_answer() -> None:
    split = leave_last(histories([[0, 1, 2]], times=[[10, 20, 99]]))
    assert split.given.moments().tolist() == [20]  # type: ignore[union-attr]


def test_an_item_seen_before_is_no_answer_unless_repeats_are() -> None:
    log = histories([[0, 1, 2, 0], [3, 4, 5]])
    split = leave_last(log)
    assert lists_of(split.truth) == [[], [5]]
    assert "1 held-out rows repeat" in " ".join(split.notes)
    assert lists_of(leave_last(log, repeat=True).truth) == [[0], [5]]


def test_leave_last_needs_three_positives() -> None:
    with pytest.raises(DataError, match="three positives"):
        leave_last(histories([[0, 1], [2, 3]]))


# -- time ---------------------------------------------------------------------------------------------------------


def test_time_has_warm_and_new_people() -> None:
    log = histories(
        [[0, 1, 2], [3, 4, 5, 6], [7, 8], [9]],
        times=[[0, 5, 90], [80, 81, 82, 83], [1, 2], [95]],
    )
    split = time_cut(log, 0.4)
    assert lists_of(split.train) == [[0, 1], [7, 8]]
    assert split.warm is not None and split.warm.tolist() == [True, False, False]
    assert lists_of(split.given) == [[0, 1], [3, 4], [9]], "of a new person the first half is given, at least one row"
    assert lists_of(split.truth) == [[2], [5, 6], []]
    assert split.given.now is not None and split.given.now.tolist() == [80, 81, 95]


def test_time_validates_on_an_earlier_cut_of_its_own_training() -> None:
    split = time_cut(a_market().histories(), 0.8)
    assert split.valid is not None and split.valid.train.times is not None and split.train.times is not None
    assert split.valid.train.times.max() < split.train.times.max()
    assert len(split.valid.train.items) < len(split.train.items)
    assert split.held_out is None, "training has the validation rows: fit may not look at them as if they were new"


def test_time_refuses_a_log_without_times_or_without_two_sides() -> None:
    with pytest.raises(DataError, match="needs times"):
        time_cut(histories([[0, 1, 2]]))
    with pytest.raises(DataError, match="one side"):
        time_cut(histories([[0, 1, 2]], times=[[5, 5, 5]]))


# -- users and folds ------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(rows=logs, seed=st.integers(0, 5), ordered=st.booleans())
def test_users_leave_training_altogether(rows: list[list[int]], seed: int, ordered: bool) -> None:
    log = histories(rows)
    split = leave_users(log, 0.3, seed=seed, ordered=ordered, repeat=True)
    leaving = split.group.tolist() if split.group is not None else []
    assert lists_of(split.train) == [row for n, row in enumerate(rows) if n not in leaving]
    for case, user in enumerate(leaving):
        given_items, true = split.given.row(case).tolist(), split.truth.row(case).tolist()
        n = max(1, len(rows[user]) * 4 // 5)
        assert len(given_items) == n
        if ordered:
            assert given_items == rows[user][:n] and set(true) == set(rows[user][n:])
        else:
            assert sorted({*given_items, *true}) == sorted(set(rows[user]))


@settings(max_examples=50, deadline=None)
@given(rows=logs, k=st.integers(2, 4), seed=st.integers(0, 3))
def test_random_folds_hold_out_every_row_once(rows: list[list[int]], k: int, seed: int) -> None:
    log = histories(rows, values=[[1.0 + n for n, _ in enumerate(row)] for row in rows], values_are="rating")
    folds = random_folds(log, k, seed=seed)
    held: list[tuple[int, int, float]] = []
    for fold in folds:
        assert fold.group is not None and fold.ratings is not None and fold.ratings.values is not None
        users = fold.group[fold.ratings.rows]
        held += zip(users.tolist(), fold.ratings.items.tolist(), fold.ratings.values.tolist(), strict=True)
        assert len(fold.train.items) + len(fold.ratings.items) == len(log.items)
        again = random_folds(log, k, seed=seed)[0]
        assert lists_of(again.truth) == lists_of(folds[0].truth)
    values = log.values.tolist() if log.values is not None else []
    assert sorted(held) == sorted(zip(log.rows.tolist(), log.items.tolist(), values, strict=True))
    sizes = [len(fold.ratings.items) for fold in folds if fold.ratings is not None]
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=50, deadline=None)
@given(rows=logs, seed=st.integers(0, 3))
def test_no_protocol_lets_an_answer_be_read(rows: list[list[int]], seed: int) -> None:
    times = [[seed + 3 * n + u for n in range(len(row))] for u, row in enumerate(rows)]
    log = histories(rows, times=times)
    splits = [*random_folds(log, 2, seed=seed), leave_users(log, 0.3, seed=seed)]
    for make in (leave_last, time_cut):
        try:
            splits.append(make(log))
        except DataError as refused:
            assert "positives" in str(refused) or "one side" in str(refused)  # noqa: PT017  # tiny logs may be refused
    for split in splits:
        for part in [split, *([split.valid] if split.valid else [])]:
            for case in range(len(part)):
                assert not set(part.given.row(case)) & set(part.truth.row(case))


# -- columns --------------------------------------------------------------------------------------------------------


def test_a_column_of_parts_is_followed() -> None:
    log = histories([[0, 1, 2, 3], [4, 5, 6]])
    parts = np.array(["train", "valid", "train", "test", "train", "train", "test"])
    (split,) = column(log, parts)
    assert lists_of(split.train) == [[0, 2], [4, 5]]
    assert lists_of(split.given) == [[0, 1, 2], [4, 5]]
    assert lists_of(split.truth) == [[3], [6]]
    assert split.valid is not None and lists_of(split.valid.truth) == [[1]] and split.valid.train is split.train
    (refitted,) = column(log, parts, refit=True)
    assert lists_of(refitted.train) == [[0, 1, 2], [4, 5]]


def test_without_valid_a_tenth_of_each_users_training_rows_serves() -> None:
    log = histories([[*range(11)], [*range(11)]])
    parts = np.array((["train"] * 10 + ["test"]) * 2)
    (split,) = column(log, parts)
    assert [len(row) for row in lists_of(split.train)] == [10, 10], "the final fit has all training rows"
    assert split.valid is not None and split.held_out is None
    assert [len(row) for row in lists_of(split.valid.truth)] == [1, 1]
    assert [len(row) for row in lists_of(split.valid.train)] == [9, 9]


def test_fold_numbers_are_held_out_one_by_one() -> None:
    log = histories([[0, 1, 2], [3, 4, 5]])
    folds = column(log, np.array(["1", "2", "10", "1", "2", "10"]))
    assert [lists_of(fold.truth) for fold in folds] == [[[0], [3]], [[1], [4]], [[2], [5]]], "10 comes after 2"


def test_rows_without_a_part_are_left_out_and_said() -> None:
    (split,) = column(histories([[0, 1, 2], [3, 4]]), np.array(["train", "", "test", "train", "test"]))
    assert lists_of(split.given) == [[0], [3]]
    assert "1 rows without a part" in split.notes[0]


def test_parts_that_mean_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="holds a, b"):
        column(histories([[0, 1]]), np.array(["a", "b"]))
    with pytest.raises(DataError, match="no test rows"):
        column(histories([[0, 1]]), np.array(["train", "train"]))
    with pytest.raises(DataError, match="no column"):
        make_splits(a_log([[0, 1]]), "column")


def test_a_test_row_among_the_training_rows_is_a_leak_and_named() -> None:
    log = a_log([[0, 1, 2], [3, 3]], parts=[["train", "train", "test"], ["train", "test"]])
    with pytest.raises(LeakError, match=r"1 of 2 held-out rows.*user 'u1' and item 'i3'.*--repeat"):
        make_splits(log, "column")
    (allowed,) = make_splits(log, "column", repeat=True)
    assert lists_of(allowed.truth) == [[2], [3]]


def test_a_later_repeat_is_no_leak_but_a_copy_of_the_same_moment_is() -> None:
    parts = [["train", "test"], ["train", "test"]]
    later = a_log([[3, 3], [1, 2]], times=[[1, 9], [1, 9]], parts=parts)
    (split,) = make_splits(later, "column")
    assert lists_of(split.truth) == [[], [2]]
    copied = a_log([[3, 3], [1, 2]], times=[[9, 9], [1, 9]], parts=parts)
    for repeat in (False, True):
        with pytest.raises(LeakError, match="user 'u0'"):
            make_splits(copied, "column", repeat=repeat)


def test_a_triple_of_ones_own_is_refused_when_its_answers_are_given() -> None:
    rows = histories([[0, 1], [2]])
    with pytest.raises(LeakError, match="case 1, item index 2"):
        Split("mine", rows, rows, histories([[5], [2]]))
    assert Split("mine", rows, rows, histories([[5], [2]]), repeat=True).repeat


# -- sessions -------------------------------------------------------------------------------------------------------


def test_every_prefix_of_a_test_session_is_a_case() -> None:
    log = a_log(
        [[0, 1, 2], [3, 4, 3, 5], [6]],
        parts=[["train"] * 3, ["test"] * 4, ["test"]],
        sessions=True,
    )
    (split,) = make_splits(log, "column")
    assert lists_of(split.train) == [[0, 1, 2]]
    assert lists_of(split.given) == [[3], [3, 4], [3, 4, 3]]
    assert lists_of(split.truth) == [[4], [3], [5]]
    assert split.repeat and split.group is not None and split.group.tolist() == [1, 1, 1]


def test_prefixes_of_every_protocol_stay_within_their_session() -> None:
    log = replace(a_market(users=60, length=6), sessions=True)
    rows = lists_of(log.histories())
    for spec in ("time", "users", "random:3"):
        for split in make_splits(log, spec):
            assert split.group is not None and len(split)
            for case in range(len(split)):
                row, prefix = rows[split.group[case]], split.given.row(case).tolist()
                assert row[: len(prefix)] == prefix and row[len(prefix)] == split.truth.row(case)[0]


def test_a_prefix_is_bounded() -> None:
    log = a_log([[n % 7 for n in range(700)], [0, 1, 2]], parts=[["test"] * 700, ["train"] * 3], sessions=True)
    (split,) = make_splits(log, "column")
    assert len(split) == 699 and split.given.lengths.max() == 500
    assert "of 199 prefixes of more than 500 events, the newest 500 are given" in split.notes


# -- choosing -------------------------------------------------------------------------------------------------------


def test_the_choice_is_stated_with_its_reason() -> None:
    spread = a_log([[0, 1, 2, 3]] * 10, times=[[u, 20 + u, 40 + u, 60 + u] for u in range(10)])
    (split,) = make_splits(spread)
    assert split.name == "time" and "100% of its test users" in split.notes[0]
    bursts = a_log([[0, 1, 2, 3]] * 10, times=[[100 * u + n for n in range(4)] for u in range(10)])
    (split,) = make_splits(bursts)
    assert split.name == "leave-last" and "only 0% of the test users" in split.notes[0]
    (split,) = make_splits(a_log([[0, 1, 2, 3]] * 10))
    assert split.name == "users" and "no order" in split.notes[0]
    short = a_log([[0, 1]] * 10, times=[[100 * u + n for n in range(2)] for u in range(10)])
    (split,) = make_splits(short)
    assert split.name == "users" and "three positives" in split.notes[0]


@pytest.mark.parametrize(
    "text", ["leave-first", "leave-last:2", "time:2", "time:x", "users:0", "random:1", "random:2.5", "time:", "k"]
)
def test_protocols_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="split"):
        Protocol.parse(text)


def test_protocols_as_they_are_written() -> None:
    assert Protocol.parse("time").number == Protocol.parse("time:q=.8").number == Protocol.parse("time:.8").number
    assert Protocol.parse("users").number == pytest.approx(0.1)
    assert Protocol.parse("column:fold").column == "fold"


# -- known items and candidates -------------------------------------------------------------------------------------


def test_known_only_drops_what_training_never_held() -> None:
    split = leave_last(histories([[0, 1, 2, 3], [1, 0, 2, 4], [3, 5]]))
    assert lists_of(keep_known(split).truth) == [[3], []]


def test_candidates_are_ranked_with_the_truth_among_them() -> None:
    split = leave_last(histories([[0, 1, 2, 3], [4, 5], [5, 6, 7], [8, 9, 10]]))
    limited = with_candidates(split, histories([[9, 10], [], [1], []]))
    assert limited.candidates is not None
    assert lists_of(limited.candidates) == [[3, 9, 10], [1, 7], [10]]
    assert lists_of(limited.truth) == [[3], [7], []], "a case without candidates is left out"
    assert "sampled" in limited.name and "1 cases have no candidates" in limited.notes[-1]
