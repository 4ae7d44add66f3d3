"""Exact updates of sparse operators: sums over pairs of events, and the rows that change with them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.rank import rank_by_popularity
from penchant.core.run import Run
from penchant.errors import FormatError
from penchant.models.kinds.base import AUTO
from penchant.models.kinds.linear import LinearModel
from penchant.models.kinds.updatable import Updatable
from penchant.models.parts.ragged import turned
from penchant.models.parts.weights import Weights

Doubles = NDArray[np.float64]
PAIRS_A_BLOCK = 2**21
ROWS_A_BLOCK = 64
USUAL_EVENTS = 16.0  # per item, where updates are exact


@dataclass(frozen=True, eq=False)
class PairTerms:
    """The terms that are summed over the pairs of a log: x · x · of_history · (forward or backward by distance)."""

    events: Histories
    x: Doubles  # (events,)
    of_history: Doubles  # (events,)
    mass: Doubles  # (events,) summed by item
    forward: Doubles  # (reach + 1,); (0,): any distance and direction counts one
    backward: Doubles


@dataclass(frozen=True, eq=False)
class Formula:
    """How similarities are computed from the sums."""

    of_history: Doubles  # (n,) factor of the history item; of jaccard and dice its size
    of_candidate: Doubles
    neighbours: int | None
    form: int = 0  # 0: product, 1: jaccard, 2: dice
    shrink: float = 0.0
    by_sum: bool = False  # shrink against the sum instead of the number of pairs
    min_overlap: int = 1
    normalised: bool = False  # every row sums to one
    everywhere: bool = False  # a factor of all rows changed


@dataclass(eq=False)
class PairSums:
    """Σ over histories for every pair of items that occur together, in rows with room to grow; no single history."""

    starts: Longs  # (n,) where a row begins
    sizes: Longs  # (n,) its pairs
    rooms: Longs  # (n,) how many it may hold there
    items: Ints  # (capacity,) rising within a row
    sums: Doubles
    counts: Ints  # pairs of events
    mass: Doubles  # (n,)
    events: Longs  # (n,) of those that pairs are counted of; decides between equal similarities
    histories: int
    used: int

    def neighbours(self, rows: Longs) -> Longs:
        """The rows and every item that ever occurred with them, ascending."""
        near = np.zeros(len(self.starts), dtype=np.bool_)
        near[rows] = True
        for row in rows:
            near[self.items[self.starts[row] : self.starts[row] + self.sizes[row]]] = True
        return np.flatnonzero(near)

    def check(self, n_items: int) -> None:
        """Kernels trust these arrays, and they may come from a file: raises ``FormatError``."""
        rows = (self.starts, self.sizes, self.rooms, self.mass, self.events)
        inside = all(part.shape == (n_items,) for part in rows) and bool(
            (self.starts >= 0).all()
            and (self.sizes >= 0).all()
            and (self.sizes <= self.rooms).all()
            and (self.starts + self.rooms <= self.used).all()
        )
        long_enough = self.used <= len(self.items) == len(self.sums) == len(self.counts)
        if (
            not inside
            or not long_enough
            or (len(self.items) and not 0 <= self.items.min() <= self.items.max() < n_items)
        ):
            raise FormatError(f"the statistics are not sums of pairs of {n_items} items")

    def add(self, counted: PairTerms, signs: Ints, run: Run) -> Longs:
        """Add the pairs of a log, a history with sign -1 taken out; the items concerned."""
        from penchant.kernels.pairs import merge_rows

        log = counted.events
        self.mass += np.bincount(log.items, weights=counted.mass * signs, minlength=log.n_items)
        self.events += np.bincount(log.items, weights=signs, minlength=log.n_items).astype(np.int64)
        self.mass[self.events == 0] = 0  # what rounding left
        rows = np.unique(log.items).astype(np.int64)
        sizes, items, sums, counts = _pairs_of(counted, signs, rows, run)
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        needed = self.used + int((1.125 * (self.sizes[rows] + sizes) + 5).sum())
        if needed > len(self.items):
            room = needed + needed // 4  # copies everything, so leave room for a while
            for name in ("items", "sums", "counts"):
                old = getattr(self, name)
                new = np.zeros(room, dtype=old.dtype)
                new[: self.used] = old[: self.used]
                setattr(self, name, new)
        self.used = int(
            merge_rows(
                rows, indptr, items, sums, counts, self.starts, self.sizes, self.rooms, self.items, self.sums,
                self.counts, self.used,
            )
        )  # fmt: skip
        return rows


def _pairs_of(counted: PairTerms, signs: Ints, rows: Longs, run: Run) -> tuple[Longs, Ints, Doubles, Ints]:
    """The sums of the rows, ragged."""
    from penchant.kernels.pairs import pair_rows
    from penchant.kernels.threads import over_blocks

    log = counted.events
    n, reach = log.n_items, len(counted.forward) - 1
    forward, backward = counted.forward, counted.backward
    if reach < 0:
        reach = max(int(log.lengths.max(initial=1)) - 1, 0)
        forward = backward = np.ones(reach + 1)
    indptr, of_row, events = turned(log.indptr, log.items, n)
    starts, ends = log.indptr[of_row], log.indptr[of_row + 1]
    reached = np.minimum(events - starts, reach) + np.minimum(ends - 1 - events, reach)
    pairs = np.concatenate([[0], np.cumsum(reached)])[indptr]
    bound = np.minimum(np.diff(pairs), n)[rows]
    begin = np.concatenate([indptr[rows], indptr[-1:]])  # items without events are not in between

    def work(lo: int, hi: int) -> tuple[Longs, Ints, Doubles, Ints]:
        room = int(bound[lo:hi].sum())
        sizes = np.zeros(hi - lo, np.int64)
        found, sums, counts = np.empty(room, np.int32), np.empty(room), np.empty(room, np.int32)
        used = pair_rows(
            lo, hi, n, begin, events, starts, ends, log.items, counted.x, counted.of_history, signs, forward, backward,
            sizes, found, sums, counts,
        )  # fmt: skip
        return sizes, found[:used].copy(), sums[:used].copy(), counts[:used].copy()

    size = max(1, min(512, int(len(rows) * PAIRS_A_BLOCK / max(1, int(pairs[-1])))))
    parts = over_blocks(work, len(rows), size=size, threads=run.threads, progress=run.report("pairs"))
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0), np.empty(0, np.int32)
    sizes, items, sums, counts = zip(*parts, strict=True)
    return np.concatenate(sizes), np.concatenate(items), np.concatenate(sums), np.concatenate(counts)


@dataclass(kw_only=True)
class PairModel(Updatable, LinearModel):
    """A linear model whose sparse operator is computed from sums over pairs: a subclass says which sums, and how.

    An update sums the pairs of the histories that changed and recomputes the rows of their items. The popularity of
    these items is also part of the rows of all items that ever occurred with them. There the update corrects the
    similarities, and recomputes a row where that may change which neighbours are nearest. All other rows are copied.
    """

    exponent_at_8: ClassVar[float] = 0.2  # the exponent of popularity in a log of 8 events per item
    exponent_per_tenfold: ClassVar[float] = 0.35  # and how much more in one of 80, where popular items say less

    statistics: PairSums | None = field(init=False, default=None, repr=False, compare=False)

    def against_popularity(self, name: str, events: Histories | None = None) -> float:
        """The exponent ``name``; where it is "auto", an estimate from the training events.

        The estimate is exponent_at_8 + exponent_per_tenfold · log10(events per item / 8), between 0 and 1. Exact
        updates rule out a mean over all items; there it is the value for 16 events per item.
        """
        exponent, held = self.params()[name], USUAL_EVENTS
        if exponent != AUTO:
            return float(exponent)
        estimated = events is not None and not self.exact
        if estimated and events is not None:
            held = len(events.items) / max(len(np.unique(events.items)), 1)
        found = float(np.clip(self.exponent_at_8 + self.exponent_per_tenfold * np.log10(held / 8), 0, 1))
        if estimated:
            self.notes.append(f"{name} {found:.2f}: items have {held:.1f} events on average")
        elif events is not None:
            self.notes.append(
                f"{name} {found:.2f}: the default, because updates are not exact with a mean over all items"
            )
        return found

    @abstractmethod
    def _terms(self, log: Histories) -> PairTerms:
        """What to sum over the pairs of a log."""

    @abstractmethod
    def _formula(self, mass: Doubles, histories: int) -> Formula:
        """How similarities follow from the sums, the ``mass`` (n,) of every item and the number of histories."""

    def _count(self, train: Histories, run: Run) -> PairSums:
        n = train.n_items
        empty = (np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(0, np.int32))
        sums = PairSums(*empty, np.empty(0), np.empty(0, np.int32), np.zeros(n), np.zeros(n, np.int64), len(train), 0)
        counted = self._terms(train)
        sums.add(counted, np.ones(len(counted.events.items), np.int32), run)
        return sums

    def _update(self, added: Histories, removed: Histories, run: Run) -> None:
        sums = self.statistics
        assert sums is not None  # checked by update
        touched = []
        for change, sign in ((added, 1), (removed, -1)):
            counted = self._terms(change)
            touched.append(sums.add(counted, np.full(len(counted.events.items), sign, np.int32), run))
            sums.histories += sign * len(change)
        formula = self._formula(sums.mass, sums.histories)
        rows = np.unique(np.concatenate(touched))
        weights, others = self.weights, np.setdiff1d(sums.neighbours(rows), rows, assume_unique=True)
        if formula.everywhere:
            rows = np.arange(len(sums.starts))
        elif formula.normalised:
            rows = np.concatenate([rows, others])
        else:
            weights, again = _patched(weights, sums, formula, rows, others, run)
            rows = np.concatenate([rows, again])
        self.weights = replaced(weights, rows, *_rows(sums, formula, rows, run))


def _patched(
    weights: Weights, sums: PairSums, formula: Formula, changed: Longs, rows: Longs, run: Run
) -> tuple[Weights, Longs]:
    """The operator with new similarities to the changed items in ``rows``, and the rows that must be recomputed."""
    from penchant.kernels.pairs import patch_rows
    from penchant.kernels.threads import over_blocks

    assert weights.indptr is not None and weights.indices is not None and weights.data is not None  # it is sparse
    indptr, indices, data, n = weights.indptr, weights.indices, weights.data.copy(), len(sums.starts)
    is_changed, again = np.zeros(n, dtype=np.bool_), np.zeros(len(rows), dtype=np.bool_)
    is_changed[changed] = True
    k = min(formula.neighbours or n, n)

    def work(lo: int, hi: int) -> None:
        patch_rows(
            lo, hi, rows, changed, is_changed, sums.starts, sums.sizes, sums.items, sums.sums, sums.counts,
            formula.of_history, formula.of_candidate, formula.form, formula.shrink, formula.by_sum,
            formula.min_overlap, k, indptr, indices, data, again,
        )  # fmt: skip

    over_blocks(work, len(rows), size=8 * ROWS_A_BLOCK, threads=run.threads)
    return replace(weights, data=data), rows[again]


def _rows(sums: PairSums, formula: Formula, rows: Longs, run: Run) -> tuple[Longs, Ints, Floats]:
    """The operator rows of some items, ragged."""
    from penchant.kernels.nearest import best_of
    from penchant.kernels.pairs import similarities
    from penchant.kernels.threads import over_blocks

    n = len(sums.starts)
    popularity_rank = rank_by_popularity(sums.events)
    names = np.argsort(popularity_rank).astype(np.int32)
    k = min(formula.neighbours or n, n)

    def work(lo: int, hi: int) -> tuple[Longs, Ints, Floats]:
        room = int(sums.sizes[rows[lo:hi]].sum())
        sizes, points, scores = (
            np.zeros(hi - lo, np.int64),
            np.empty(room + 1, np.int32),
            np.empty(room + 1, np.float32),
        )
        similarities(
            lo, hi, rows, sums.starts, sums.sizes, sums.items, sums.sums, sums.counts, formula.of_history,
            formula.of_candidate, formula.form, formula.shrink, formula.by_sum, formula.min_overlap, popularity_rank,
            sizes, points, scores,
        )  # fmt: skip
        found, kept, taken = np.empty(room, np.int32), np.empty(room, np.float32), np.zeros(hi - lo, np.int64)
        best_of(sizes, points, scores, names, False, k, found, kept, taken)
        used = int(taken.sum())
        return taken, found[:used].copy(), kept[:used].copy()

    parts = over_blocks(work, len(rows), size=ROWS_A_BLOCK, threads=run.threads)
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
    sizes, items, data = (np.concatenate(part) for part in zip(*parts, strict=True))
    if formula.normalised:
        of_row = np.repeat(np.arange(len(rows)), sizes)
        data = (data / np.bincount(of_row, weights=data, minlength=len(rows))[of_row]).astype(np.float32)
    return sizes, items, data


def replaced(weights: Weights, rows: Longs, sizes: Longs, items: Ints, data: Floats) -> Weights:
    """A sparse operator with some of its rows (ragged, in the order of ``rows``) replaced."""
    from penchant.kernels.pairs import spliced

    indptr, old_items, old_data = weights.indptr, weights.indices, weights.data
    assert indptr is not None and old_items is not None and old_data is not None  # it is sparse
    lengths, which = np.diff(indptr), np.full(len(indptr) - 1, -1, dtype=np.int64)
    lengths[rows], which[rows] = sizes, np.arange(len(rows))
    out = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    new_items, new_data = np.empty(out[-1], np.int32), np.empty(out[-1], np.float32)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    spliced(which, indptr, old_items, old_data, starts, items, data, out, new_items, new_data)
    return replace(weights, indptr=out, indices=new_items, data=new_data)
