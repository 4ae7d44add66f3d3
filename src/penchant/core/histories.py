"""A ragged batch of anonymous histories: all that a model ever sees of people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from penchant.core.blocks import EVENTS, chosen, counted, is_mapped, places_of, row_blocks
from penchant.core.curve import Curve
from penchant.errors import DataError

if TYPE_CHECKING:
    from penchant.core.shown import Shown

ValuesAre = Literal["rating", "weight", "none"]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
MANY = 200_000  # events; sorting fewer takes less time than loading a kernel


@dataclass(frozen=True, eq=False)
class Histories:
    """``len(self)`` histories over ``n_items`` items; row ``r`` is ``items[indptr[r]:indptr[r + 1]]``, oldest first.

    There are no user ids, and the batch cannot be transposed. All item indexes are known (``0 <= item < n_items``) and
    all values are finite: the constructor checks this once, so that no model has to.
    """

    indptr: Longs  # (rows + 1,)
    items: Ints  # (events,)
    n_items: int
    values: Floats | None = None  # (events,) ratings or weights
    values_are: ValuesAre = "none"
    times: Longs | None = None  # (events,) unix seconds
    liked: Bools | None = None  # (events,) which events are positives; None: weights > 0, otherwise all
    now: Longs | None = None  # (rows,) the moment of the request, unix seconds; None: each row's newest event
    ordered: bool = True  # False: the order of events is unknown and accidental
    curve: Curve | None = None  # how the summed weight of an item counts; None: as it is
    context: Ints | None = None  # (events, contexts) the code of each context of an event, -1 where it is missing
    asked: Ints | None = None  # (rows, contexts) the same of each row's request; None: it states none
    inferred: Ints | None = None  # (rows, contexts) 1 where ``asked`` is inferred from the session, 2 where from words
    shown: Shown | None = None  # impressions of each row; None: there are none
    people: int = 0  # how many contexts, the last ones, are attributes of a person: the same for all events of a row
    min_support: int = 1  # rows that a pair of items needs to be learned from

    def __post_init__(self) -> None:
        def as_array(name: str, dtype: type[np.generic], size: int) -> None:
            given = getattr(self, name)
            if given is None:
                return
            array = np.ascontiguousarray(given, dtype=dtype)
            if array.shape != (size,):
                raise DataError(f"histories: {name} has shape {array.shape}, expected ({size},)")
            object.__setattr__(self, name, array)

        object.__setattr__(self, "indptr", np.ascontiguousarray(self.indptr, dtype=np.int64))
        if (
            self.indptr.ndim != 1
            or len(self.indptr) == 0
            or self.indptr[0] != 0
            or (self.indptr[1:] < self.indptr[:-1]).any()
        ):
            raise DataError("histories: indptr must start at 0 and never decrease")
        events = int(self.indptr[-1])
        items = np.asarray(self.items)
        if items.size and (items.min() < 0 or items.max() >= self.n_items):
            raise DataError(f"histories: item indexes must be in [0, {self.n_items}); drop unknown items first")
        as_array("items", np.int32, events)
        as_array("values", np.float32, events)
        as_array("times", np.int64, events)
        as_array("liked", np.bool_, events)
        as_array("now", np.int64, len(self))
        for name, size in (("context", events), ("asked", len(self)), ("inferred", len(self))):
            codes = getattr(self, name)
            if codes is not None:
                codes = np.ascontiguousarray(codes, dtype=np.int32)
                if codes.ndim != 2 or len(codes) != size:
                    raise DataError(f"histories: {name} has shape {codes.shape}, expected ({size}, contexts)")
                object.__setattr__(self, name, codes)
        if self.shown is not None and len(self.shown.indptr) != len(self.indptr):
            raise DataError(f"histories: shown has {len(self.shown.indptr) - 1} rows, expected {len(self)}")
        if self.values is None and self.values_are != "none":
            raise DataError(f"histories: values_are is {self.values_are!r}, but there are no values")
        if self.values is not None and self.values_are == "none":
            raise DataError("histories: say whether the values are 'rating' or 'weight'")
        if self.values is not None and not np.isfinite(self.values).all():
            raise DataError("histories: values must be finite numbers")

    # -- making ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_lists(
        cls,
        rows: Sequence[Sequence[int]],
        n_items: int,
        *,
        values: Sequence[Sequence[float]] | None = None,
        values_are: ValuesAre = "none",
        times: Sequence[Sequence[int]] | None = None,
    ) -> Histories:
        """Histories from one list of item indexes per row, oldest first."""

        def flat(lists: Sequence[Sequence[float]], dtype: type[np.generic]) -> NDArray[Any]:
            return np.concatenate([np.asarray(row, dtype=dtype) for row in lists] or [np.empty(0, dtype)])

        indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        return cls(
            indptr.astype(np.int64),
            flat(rows, np.int64),  # checked, then narrowed, in __post_init__
            n_items,
            None if values is None else flat(values, np.float32),
            values_are,
            None if times is None else flat(times, np.int64),
        )

    # -- looking --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __repr__(self) -> str:
        return f"Histories({len(self):,} rows, {len(self.items):,} events, {self.n_items:,} items, {self.values_are})"

    @property
    def lengths(self) -> Longs:
        """The number of events of each row, shape ``(rows,)``."""
        return self.indptr[1:] - self.indptr[:-1]

    @property
    def rows(self) -> Longs:
        """The row of every event, shape ``(events,)``."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def row(self, r: int) -> Ints:
        """The items of one row, oldest first."""
        return self.items[self.indptr[r] : self.indptr[r + 1]]

    def counts(self) -> Longs:
        """The number of rows that contain each item, shape ``(n_items,)``."""
        return self._counts.copy()

    # -- deriving -------------------------------------------------------------------------------------------------

    def __getitem__(self, index: slice | Longs | Bools) -> Histories:
        """The chosen rows, in the order chosen."""
        if isinstance(index, slice) and index.step in (None, 1):
            lo, hi, _ = index.indices(len(self))
            hi = max(lo, hi)
            if lo == 0 and hi == len(self):
                return self
            start, stop = int(self.indptr[lo]), int(self.indptr[hi])
            events: slice | Longs = slice(start, stop)
            indptr = self.indptr[lo : hi + 1] - start
            rows: slice | Longs = slice(lo, hi)
        else:
            rows = np.arange(len(self), dtype=np.int64)[index]
            lengths = self.lengths[rows]
            indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
            if indptr[-1] > EVENTS:
                return self._as_distinct(self._many(rows, indptr))
            events = np.arange(indptr[-1], dtype=np.int64) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        some = replace(
            self,
            indptr=indptr,
            items=self.items[events],
            values=None if self.values is None else self.values[events],
            times=None if self.times is None else self.times[events],
            liked=None if self.liked is None else self.liked[events],
            now=None if self.now is None else self.now[rows],
            context=None if self.context is None else self.context[events],
            asked=None if self.asked is None else self.asked[rows],
            inferred=None if self.inferred is None else self.inferred[rows],
            shown=None if self.shown is None else self.shown[rows],
        )
        return self._as_distinct(some)

    def _many(self, rows: Longs, indptr: Longs) -> Histories:
        """Rows with many events, a block of them at a time."""

        def places() -> Iterator[Longs]:
            for lo, hi in row_blocks(indptr):
                lengths = indptr[lo + 1 : hi + 1] - indptr[lo:hi]
                first = np.repeat(self.indptr[rows[lo:hi]] - indptr[lo:hi], lengths)
                yield np.arange(indptr[lo], indptr[hi]) + first

        return replace(
            self,
            indptr=indptr,
            **self._of_events(lambda array: chosen(array, places(), int(indptr[-1]))),
            now=None if self.now is None else self.now[rows],
            asked=None if self.asked is None else self.asked[rows],
            inferred=None if self.inferred is None else self.inferred[rows],
            shown=None if self.shown is None else self.shown[rows],
        )

    def _of_events(self, take: Callable[[NDArray[Any]], NDArray[Any]]) -> dict[str, Any]:
        """What ``take`` makes of every array over events, by name."""
        arrays = {name: getattr(self, name) for name in ("items", "values", "times", "liked", "context")}
        return {name: None if array is None else take(array) for name, array in arrays.items()}

    def where(self, keep: Bools) -> Histories:
        """The events where ``keep`` (events,) is true. All rows remain; some may become empty."""
        indptr = np.zeros_like(self.indptr)
        for lo, hi in row_blocks(self.indptr):
            start, stop = self.indptr[lo], self.indptr[hi]
            passed = np.concatenate([[0], np.cumsum(keep[start:stop], dtype=np.int64)])
            indptr[lo + 1 : hi + 1] = indptr[lo] + passed[self.indptr[lo + 1 : hi + 1] - start]

        def kept(array: NDArray[Any]) -> NDArray[Any]:
            return chosen(array, places_of(keep), int(indptr[-1])) if is_mapped(array) else array[keep]

        some = replace(
            self,
            indptr=indptr,
            **self._of_events(kept),
            # even if the newest event was dropped, the moment of the request stays the same
            now=self.moments(),
        )
        return self._as_distinct(some)

    def timeless(self) -> Histories:
        """The same events without their times, and without the moments of requests, for what needs neither."""
        return self._as_distinct(replace(self, times=None, now=None))

    def without_events(self) -> Histories:
        """The same number of rows, all empty, with the same moments."""
        return replace(
            self,
            indptr=np.zeros_like(self.indptr),
            items=self.items[:0],
            values=None if self.values is None else self.values[:0],
            times=None if self.times is None else self.times[:0],
            liked=None if self.liked is None else self.liked[:0],
            now=self.moments(),
            context=None if self.context is None else self.context[:0],
        )

    def positives(self) -> Histories:
        """Only the positive events: those ``liked``, else those with a weight above zero, else all."""
        if self.liked is not None:
            return replace(self if self.liked.all() else self.where(self.liked), liked=None)
        if self.values_are == "weight" and self.values is not None and (self.values <= 0).any():
            return self.where(self.values > 0)
        return self

    def negatives(self) -> Histories:
        """Only the dislikes: events whose weight is below zero."""
        if self.values_are == "weight" and self.values is not None:
            return self.where(self.values < 0)
        return self.without_events()

    @cached_property
    def has_dislikes(self) -> bool:
        """Whether any event has a weight below zero."""
        return self.values_are == "weight" and self.values is not None and bool((self.values < 0).any())

    def dislikes(self) -> Histories:
        """The disliked events, with their weights turned positive."""
        disliked = self.negatives()
        return replace(disliked, values=None if disliked.values is None else -disliked.values, liked=None)

    def newest(self, window: int | None) -> Histories:
        """The last ``window`` events of every row; None keeps all."""
        if window is None or (self.lengths <= window).all():
            return self
        keep = np.empty(len(self.items), dtype=np.bool_)
        for lo, hi in row_blocks(self.indptr):
            keep[self.indptr[lo] : self.indptr[hi]] = self[lo:hi].ages() < window
        return self.where(keep)

    def _as_distinct(self, some: Histories) -> Histories:
        """Some of the events; if no row of all events is known to repeat an item, none of these does."""
        if vars(self).get("_repeats") is False:
            vars(some)["_repeats"] = False
        return some

    @cached_property
    def _repeats(self) -> bool:
        """Whether any row contains an item twice; computed once."""
        if len(self.items) > MANY:
            from penchant.kernels.ragged import repeats

            return repeats(self.indptr, self.items, self.n_items)
        key = self.items if len(self) == 1 else self.rows * np.int64(self.n_items) + self.items
        ordered = np.sort(key)  # several times faster than argsort
        return bool((ordered[1:] == ordered[:-1]).any())

    @cached_property
    def _counts(self) -> Longs:
        """The number of rows that contain each item; computed once."""
        return counted(self.distinct().items, self.n_items)

    def distinct(self) -> Histories:
        """Each item once per row, at the position of its last event. Weights add up; of ratings the last counts."""
        if not self._repeats:
            return self
        keep = np.zeros(len(self.items), dtype=np.bool_)
        weighed = self.values is not None and self.values_are == "weight"
        sums = [np.empty(0, dtype=np.float32)]
        for lo, hi in row_blocks(self.indptr):
            here = slice(int(self.indptr[lo]), int(self.indptr[hi]))
            keep[here], of_kept = _last_of_each(self[lo:hi], weighed=weighed)
            sums.append(of_kept)
        merged = self.where(keep)
        return replace(merged, values=np.concatenate(sums)) if weighed else merged

    def ages(self) -> Longs:
        """The number of newer events in the same row, shape ``(events,)``; the newest event has age 0."""
        return np.repeat(self.indptr[1:], self.lengths) - 1 - np.arange(len(self.items), dtype=np.int64)

    def moments(self) -> Longs | None:
        """The moment of each row's request, unix seconds: ``now``, else the newest event (0 for an empty row)."""
        if self.now is not None or self.times is None:
            return self.now
        newest = np.zeros(len(self), dtype=np.int64)
        filled = self.lengths > 0
        if filled.any():
            newest[filled] = np.maximum.reduceat(self.times, self.indptr[:-1][filled])
        return newest

    def weights(self) -> Floats:
        """What each event counts, shape ``(events,)``: its weight if values are weights, else one.

        With a ``curve``, the weights of one history and item are summed first; what the curve makes of the sum is
        divided among the events in proportion. So it does not matter whether a weight is one event or several.
        """
        if self.values is not None and self.values_are == "weight":
            return self.values if self.curve is None else self._shaped
        return np.ones(len(self.items), dtype=np.float32)

    def side_sums(self) -> tuple[Longs, NDArray[np.float64]]:
        """The sums of weights of each history and item, and for every event the number of its sum.

        Likes and dislikes of one item do not cancel here: each side has a sum of its own.
        """
        assert self.values is not None and self.values_are == "weight"
        values = self.values.astype(np.float64)
        if not self._repeats:
            return np.arange(len(values), dtype=np.int64), values
        key = 2 * (self.rows * np.int64(self.n_items) + self.items) + (values < 0)
        _, pair = np.unique(key, return_inverse=True)
        return pair, np.bincount(pair, weights=values).astype(np.float64)

    @cached_property
    def _shaped(self) -> Floats:
        assert self.values is not None and self.curve is not None  # see weights()
        if not self._repeats:
            return self.curve.of(self.values).astype(np.float32)
        pair, sums = self.side_sums()
        with np.errstate(invalid="ignore"):
            scale = np.where(sums == 0, 0.0, self.curve.of(sums) / sums)
        return (self.values * scale[pair]).astype(np.float32)


def _last_of_each(block: Histories, *, weighed: bool) -> tuple[Bools, Floats]:
    """Which events are the last of their item in their row, and the sums of the weights that these stand for."""
    key = block.rows * np.int64(block.n_items) + block.items
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    is_last = np.ones(len(key), dtype=np.bool_)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    keep = np.zeros(len(key), dtype=np.bool_)
    keep[order[is_last]] = True
    if not weighed or not len(key):
        return keep, np.empty(0, dtype=np.float32)
    assert block.values is not None  # it has weights
    starts = np.concatenate([[0], np.flatnonzero(is_last)[:-1] + 1])
    sums = np.zeros(len(key), dtype=np.float32)
    sums[order[is_last]] = np.add.reduceat(block.values[order].astype(np.float64), starts)
    return keep, sums[keep]
