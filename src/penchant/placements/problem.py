"""One answer as a problem: candidates with their merit, what they count for, and the bounds of the counters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Floats, Ints, Longs

MOST_TRIES, TRIALS = 64, 2000  # candidates that are forced in and left out, at most; and times the candidates


@dataclass(frozen=True, eq=False)
class Counters:
    """What every item counts for, and how often each counter may and must be filled."""

    indptr: Longs  # (n_items + 1,)
    of: Ints  # item i counts for of[indptr[i]:indptr[i + 1]]
    most: Ints  # (counters,) -1: no limit
    least: Ints  # (counters,)
    bounded: Ints  # the counters with a least
    rule: Ints  # (counters,) the number of the rule among ``names``
    names: tuple[str, ...] = ()

    @classmethod
    def none(cls, n: int) -> Counters:
        """Nothing is counted."""
        empty = np.zeros(0, np.int32)
        return cls(np.zeros(n + 1, np.int64), empty, empty, empty, empty, empty)


@dataclass(frozen=True, eq=False)
class Problem:
    """The candidates of one answer, the best merit first."""

    items: Ints  # (candidates,)
    merit: Floats  # (candidates,)
    counters: Counters
    k: int
    pinned: Ints  # (k,) the item of each position, -1 for none

    @property
    def most(self) -> Ints:
        """As of the counters."""
        return self.counters.most

    @property
    def least(self) -> Ints:
        """As of the counters."""
        return self.counters.least

    @property
    def bounded(self) -> Ints:
        """As of the counters."""
        return self.counters.bounded

    def counted(self) -> tuple[Longs, Ints]:
        """Pairs of a candidate's place and a counter that it counts for."""
        starts, ends = self.counters.indptr[self.items], self.counters.indptr[self.items + 1]
        lengths = ends - starts
        places = np.repeat(np.arange(len(self.items), dtype=np.int64), lengths)
        offsets = np.arange(len(places), dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return places, self.counters.of[np.repeat(starts, lengths) + offsets]

    def pins(self) -> list[int]:
        """The place of the pinned candidate of each position; -1 for none."""
        place = {int(item): at for at, item in enumerate(self.items)}
        return [place.get(int(item), -1) if item >= 0 else -1 for item in self.pinned]

    def arranged(self, chosen: Longs) -> Ints:
        """Chosen places as a list: the best first, pins at their positions."""
        pins = self.pins()
        rest = [int(at) for at in np.sort(chosen) if int(at) not in pins]
        wanted = {int(at) for at in chosen}
        listed = []
        for at in pins:
            if at >= 0 and at in wanted:
                listed.append(at)
            elif rest:
                listed.append(rest.pop(0))
        return np.array(listed + rest, dtype=np.int32)[: self.k]

    def total(self, chosen: Ints) -> float:
        """The sum of the merits of a list."""
        return float(self.merit[chosen].sum())


def solve_greedily(problem: Problem) -> tuple[Ints, Ints]:
    """The places of the chosen candidates, and how many items each ``least`` lacks."""
    from penchant.kernels.placing import place_rows

    c, one = problem.counters, problem.items[None, :]
    out, unmet = np.empty((1, problem.k), np.int32), np.empty((1, len(c.bounded)), np.int32)
    place_rows(
        0, 1, np.ascontiguousarray(one), np.ascontiguousarray(problem.merit[None, :]), c.indptr, c.of, c.most, c.least,
        c.bounded, problem.pinned, problem.k, tries(problem.items), out, unmet,
    )  # fmt: skip
    return out[0][out[0] >= 0], unmet[0]


def tries(items: Ints) -> int:
    """How many candidates the greedy solver forces in, and how many it leaves out, to look for a better list."""
    return min(MOST_TRIES, TRIALS // max(1, int(items.shape[-1])))
