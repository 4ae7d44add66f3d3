"""The solvers: no rule is broken, the exact one is never beaten, the greedy one comes within 1 % of it."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.placements.exact import solve_exactly
from penchant.placements.problem import Counters, Problem, solve_greedily


def problem(dice: np.random.Generator, pins: bool = False) -> Problem:
    """A small random answer: one or two limited attributes, some with several values, and up to two quotas."""
    n, k = int(dice.integers(10, 25)), int(dice.integers(2, 7))
    of: list[list[int]] = [[] for _ in range(n)]
    most: list[int] = []
    least: list[int] = []
    for _ in range(int(dice.integers(1, 3))):
        values, base = int(dice.integers(3, 7)), len(most)
        several = 1 + int(dice.random() < 0.4)
        for item in range(n):
            of[item] += (base + dice.choice(values, several, replace=False)).tolist()
        most += [int(dice.integers(1, 4))] * values
        least += [0] * values
    for _ in range(int(dice.integers(0, 3))):
        for item in np.flatnonzero(dice.random(n) < 0.5).tolist():
            of[item].append(len(most))
        most.append(-1)
        least.append(1)
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in of])]).astype(np.int64)
    floor = np.array(least, np.int32)
    counters = Counters(
        indptr, np.array([c for one in of for c in one], np.int32), np.array(most, np.int32), floor,
        np.flatnonzero(floor).astype(np.int32), np.zeros(len(most), np.int32), ("rule",),
    )  # fmt: skip
    merit = -np.sort(-dice.normal(3, 1, n)).astype(np.float32)
    pinned = np.full(k, -1, np.int32)
    if pins:
        pinned[int(dice.integers(k))] = int(dice.integers(n))
    return Problem(np.arange(n, dtype=np.int32), merit, counters, k, pinned)


def counts(asked: Problem, places: np.ndarray) -> np.ndarray:
    c = asked.counters
    used = np.zeros(len(c.most), int)
    for item in asked.items[places].tolist():
        used[c.of[c.indptr[item] : c.indptr[item + 1]]] += 1
    return used


@pytest.fixture(scope="module")
def solved() -> list[tuple[Problem, np.ndarray | None, np.ndarray, np.ndarray]]:
    dice = np.random.default_rng(7)
    asked = [problem(dice, pins=n % 3 == 0) for n in range(90)]
    return [(one, solve_exactly(one), *solve_greedily(one)) for one in asked]


def test_no_rule_is_broken_by_either_solver(solved):
    for asked, exact, greedy, unmet in solved:
        for places in (greedy, *([] if exact is None else [exact])):
            used = counts(asked, places)
            assert ((asked.most < 0) | (used <= asked.most)).all()
            assert len(set(places.tolist())) == len(places) <= asked.k
        assert (counts(asked, greedy)[asked.bounded] + unmet >= asked.least[asked.bounded]).all()
        if exact is not None:
            assert len(exact) == asked.k
            assert (counts(asked, exact) >= asked.least).all()


def test_the_greedy_solver_is_within_a_hundredth_of_the_exact_one(solved):
    compared = 0
    for asked, exact, greedy, unmet in solved:
        if exact is not None and len(greedy) == asked.k and not unmet.any():
            assert asked.total(greedy) >= 0.99 * asked.total(exact)
            assert asked.total(greedy) <= asked.total(exact) + 1e-4
            compared += 1
    possible = sum(exact is not None for _, exact, _, _ in solved)
    assert compared >= 0.95 * possible
    assert possible > 20


def test_a_pin_stands_at_its_position(solved):
    pinned = 0
    for asked, exact, _, _ in solved:
        for position, item in enumerate(asked.pinned.tolist()):
            if item >= 0 and exact is not None:
                assert asked.items[exact[position]] == item
                pinned += 1
    assert pinned > 5


def test_without_a_rule_the_exact_total_is_never_worse(solved):
    looser = 0
    for asked, exact, _, _ in solved[:40]:
        if exact is None:
            continue
        c = asked.counters
        for counter in range(0, len(c.most), 2):
            most, least = c.most.copy(), c.least.copy()
            most[counter], least[counter] = -1, 0
            freed = Counters(c.indptr, c.of, most, least, np.flatnonzero(least).astype(np.int32), c.rule, c.names)
            free = Problem(asked.items, asked.merit, freed, asked.k, asked.pinned)
            again = solve_exactly(free)
            assert again is not None
            assert free.total(again) >= asked.total(exact) - 1e-4
            looser += 1
    assert looser > 20


def test_a_quota_is_met_although_better_items_would_fill_the_list():
    """Five items without it are better; two of the last three are taken all the same, and the other limit holds."""
    of = [0, 0, 1, 1, 1, 2, 2, 2]
    indptr = np.arange(9, dtype=np.int64)
    counters = Counters(
        indptr, np.array(of, np.int32), np.array([1, -1, -1], np.int32), np.array([0, 0, 2], np.int32),
        np.array([2], np.int32), np.zeros(3, np.int32), ("rule",),
    )  # fmt: skip
    merit = np.array([8, 7, 6, 5, 4, 3, 2, 1], np.float32)
    asked = Problem(np.arange(8, dtype=np.int32), merit, counters, 4, np.full(4, -1, np.int32))
    places, unmet = solve_greedily(asked)
    assert places.tolist() == [0, 2, 5, 6] == solve_exactly(asked).tolist()
    assert not unmet.any()
