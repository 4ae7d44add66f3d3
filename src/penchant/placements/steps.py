"""Lists made item by item: diversity, calibration and exploration, where what is chosen changes what comes next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Ints
from penchant.data.item_values import parts, spelled
from penchant.errors import ParameterError
from penchant.placements.compiled import Compiled, Shelf
from penchant.placements.placement import DPP
from penchant.placements.problem import Problem

Doubles = NDArray[np.float64]
SMALLEST = 1e-6  # of a determinant: beyond, an item is like those chosen
SMOOTHING = 0.01  # of the history's shares in those of a list, so that no share is 0 (Steck 2018)


def similarities(shelf: Shelf, items: Ints, over: str) -> Doubles:
    """The cosine of each pair of items, ``(items, items)``, over vectors or attribute values.

    Without ``over``: vectors where the items have some, else all attributes. Raises ``ParameterError`` without either.
    """
    vectors = shelf.vectors() if over in {"", "vectors"} else None
    if vectors is not None:
        features = vectors[items].astype(np.float64)
    elif over == "vectors":
        raise ParameterError("diversity.over: the items have no vectors")
    else:
        features = _values(shelf, items, over)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(norms > 0, norms, 1)
    alike: Doubles = np.clip(unit @ unit.T, 0, 1)
    np.fill_diagonal(alike, 1)
    return alike


def _values(shelf: Shelf, items: Ints, over: str) -> Doubles:
    """One column a value of an attribute; ``attributes`` and nothing mean all that are text."""
    names = shelf.names() if over in {"", "attributes"} else [over]
    codes: dict[tuple[str, str], int] = {}
    rows, columns = [], []
    for name in names:
        column = shelf.column(name)
        for n, item in enumerate(items.tolist() if column is not None else ()):
            assert column is not None  # there are items to look at
            for value in parts(column.values[item]):
                if isinstance(value, (str, bool)):
                    rows.append(n)
                    columns.append(codes.setdefault((name, spelled(value)), len(codes)))
    if not codes:
        raise ParameterError("diversity.over: the items have neither vectors nor text attributes")
    found = np.zeros((len(items), len(codes)), np.float64)
    found[rows, columns] = 1
    return found


def shares(shelf: Shelf, items: Ints, attribute: str) -> tuple[Doubles, list[str]]:
    """How each item spreads over the values of an attribute, ``(items, values)``, each row summing to one or zero."""
    column = shelf.column(attribute)
    codes: dict[str, int] = {}
    held = [[codes.setdefault(spelled(one), len(codes)) for one in parts(column.values[at])] if column else []
            for at in items.tolist()]  # fmt: skip
    found = np.zeros((len(items), len(codes)), np.float64)
    for n, values in enumerate(held):
        for value in values:
            found[n, value] += 1 / len(values)
    return found, list(codes)


@dataclass(eq=False)
class Steps:
    """The state of one list that is made item by item."""

    compiled: Compiled
    problem: Problem
    first: Ints  # a list that keeps the rules: what stands by
    history: Ints  # positions of the person's own items, for calibration

    def __post_init__(self) -> None:
        c, one = self.problem.counters, self.compiled.placement
        self.size = len(self.problem.items)
        counts = np.zeros((self.size, len(c.most)), np.int32)
        places, held = self.problem.counted()
        used = np.unique(held)
        counts = np.zeros((self.size, len(used)), np.int32)
        counts[places, np.searchsorted(used, held)] = 1
        self.counts, self.most, self.least = counts, c.most[used], c.least[used]
        self.most = np.where(self.most < 0, np.int32(2**30), self.most)
        self.diverse = one.diversity.weight if one.diversity else 0.0
        self.calibrated = one.calibrate.weight if one.calibrate else 0.0
        if one.diversity:
            self.alike = similarities(self.compiled.shelf, self.problem.items, one.diversity.over)
            self.nearest = np.zeros(self.size)
            self.left = np.ones(self.size)  # of each determinant, for dpp
            self.rows: list[Doubles] = []
        if one.calibrate:
            self._begin_calibration(one.calibrate.attribute)

    def _begin_calibration(self, attribute: str) -> None:
        both = np.concatenate([self.history, self.problem.items]).astype(np.int32)
        spread, _ = shares(self.compiled.shelf, both, attribute)
        own, self.spread = spread[: len(self.history)], spread[len(self.history) :]
        target = own.sum(axis=0)
        self.target = target / target.sum() if target.sum() > 0 else None
        self.listed = np.zeros(spread.shape[1])

    def merit(self) -> Doubles:
        """What each candidate adds to the list as it stands."""
        gain: Doubles = (1 - self.diverse - self.calibrated) * self.problem.merit.astype(np.float64)
        one = self.compiled.placement
        if one.diversity and one.diversity.method == DPP:
            gain += self.diverse * np.log(np.maximum(self.left, SMALLEST))
        elif one.diversity:
            gain -= self.diverse * self.nearest
        if one.calibrate and self.target is not None:
            gain -= self.calibrated * (self._divergence(self.listed + self.spread) - self._divergence(self.listed))
        return gain

    def _divergence(self, listed: Doubles) -> Doubles:
        """The Kullback–Leibler divergence of the history's shares from those of a list."""
        assert self.target is not None  # asked where there is one
        total = listed.sum(axis=-1, keepdims=True)
        mine = listed / np.where(total > 0, total, 1)
        mine = (1 - SMOOTHING) * mine + SMOOTHING * self.target
        there = self.target > 0
        found: Doubles = (self.target[there] * np.log(self.target[there] / mine[..., there])).sum(axis=-1)
        return found

    def take(self, at: int) -> None:
        """Note a candidate as chosen."""
        one = self.compiled.placement
        if one.diversity and one.diversity.method == DPP:
            row = self.alike[at].astype(np.float64)
            for before in self.rows:
                row = row - before[at] * before
            row = row / np.sqrt(max(self.left[at], SMALLEST))
            self.rows.append(row)
            self.left = self.left - row**2
        elif one.diversity:
            self.nearest = np.maximum(self.nearest, self.alike[at])
        if one.calibrate:
            self.listed = self.listed + self.spread[at]

    def run(self, dice: np.random.Generator | None) -> tuple[Ints, list[float] | None]:
        """The places of the list, and with ``dice`` the chance of each given those before it.

        A list that keeps the rules stands by: a candidate may come next if it fits beside what stands by, in the place
        of one that it can stand for.
        """
        pins = self.problem.pins()
        reserve = [int(at) for at in self.first]
        length, chosen = len(reserve), list[int]()
        chances: list[float] = []
        used = self.counts[reserve].sum(axis=0) if reserve else np.zeros(len(self.most), np.int32)
        for position in range(length):
            if position < len(pins) and pins[position] in reserve:
                at, chance = pins[position], 1.0
                reserve.remove(at)
            else:
                may = self.allowed(reserve, used, chosen, set(pins) - {-1})
                at, chance = self.draw(may, dice)
                used = self.exchange(at, reserve, used, set(pins) - {-1})
            self.take(at)
            chosen.append(at)
            chances.append(chance)
        return np.array(chosen, np.int32), chances if dice is not None else None

    def allowed(self, reserve: list[int], used: Ints, chosen: list[int], pinned: set[int]) -> Bools:
        """The candidates that may come next, ``(candidates,)``."""
        may = np.zeros(self.size, np.bool_)
        for one in reserve:
            if one in pinned:
                continue
            may |= self._stands(one, used)
        may[reserve] = True
        may[chosen] = False
        may[list(pinned)] = False
        return may

    def _stands(self, one: int, used: Ints) -> Bools:
        """The candidates that keep the rules in the place of ``one``."""
        without = used - self.counts[one]
        after = without[None, :] + self.counts
        fits: Bools = ((after <= self.most) & (after >= np.minimum(self.least, used))).all(axis=1)
        return fits

    def exchange(self, at: int, reserve: list[int], used: Ints, pinned: set[int]) -> Ints:
        """Take a candidate, and out of the reserve the worst one that it stands for."""
        if at in reserve:
            reserve.remove(at)
            return used
        for one in sorted((one for one in reserve if one not in pinned), reverse=True):
            if self._stands(one, used)[at]:
                reserve.remove(one)
                changed: Ints = used - self.counts[one] + self.counts[at]
                return changed
        raise AssertionError("a candidate was drawn that stands for none")

    def draw(self, may: Bools, dice: np.random.Generator | None) -> tuple[int, float]:
        """The next candidate, the best or a drawn one, and its chance."""
        able, explore = np.flatnonzero(may), self.compiled.placement.explore
        merit = self.merit()[able]
        if dice is None or explore is None:
            return int(able[int(np.argmax(merit))]), 1.0
        top = np.argsort(-merit, kind="stable")[: explore.top]
        weight = np.exp((merit[top] - merit[top[0]]) / explore.temperature)
        chance = weight / weight.sum()
        drawn = int(dice.choice(len(top), p=chance))
        return int(able[top[drawn]]), float(chance[drawn])
