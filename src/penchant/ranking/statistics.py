"""What is known about items and contexts before any request: sums over training histories and the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.item_features import ItemFeatures
from penchant.errors import FormatError
from penchant.ranking.lists import first_seen, impressions

if TYPE_CHECKING:
    import scipy.sparse as sp

CLOCK = 2  # contexts that times give: the hour of the day and the day of the week, in UTC
HOURS, WEEKDAYS, DAY = 24, 7, 86_400
LATELY = 0.1  # the share of events that are the latest
FIRM = 5.0  # ratings added to a mean
STEADY = 20.0  # events added to a count of the latest ones
MOST_COLUMNS = 20  # of attributes, those that most items have
MOST_KINDS = 5_000_000  # attribute values times context values
POPULAR = 10  # items of one value of a context
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Names:
    """The columns of a catalogue: attributes with values, and numbers."""

    columns: list[str]
    numbers: list[str]


@dataclass(eq=False)
class Statistics:
    """Sums over histories that end before the requests, so that no feature knows an answer. All arrays, to be saved."""

    counts: Floats  # (n_items,) positive events
    trend: Floats  # (n_items,) log of the share of the latest events against all; NaN without an order in time
    first: Longs | None  # (n_items,) unix seconds of the first event or impression, 0: there is none; None: no times
    # attributes: items by values, the values of one column adjacent
    indptr: Longs  # (n_items + 1,)
    indices: Ints
    data: Floats
    column_starts: Longs  # (columns + 1,)
    usual: Floats  # (values,) the share of all events whose item has the value
    numbers: Floats  # (numbers, n_items) NaN where unknown
    vectors: Floats | None  # (n_items, size) of length one
    # contexts, those of the clock last
    sizes: Longs  # (contexts,) values of each
    clock: Longs  # () 1 where the last two contexts are those of the clock
    keys: Longs  # item · values + value, ascending within a context
    key_starts: Longs  # (contexts + 1,)
    key_counts: Floats  # how often
    value_starts: Longs  # (contexts + 1,)
    value_counts: Floats  # (all values,)
    popular: Ints  # (all values, POPULAR) the most frequent items with a value, padded with -1
    # ratings; None where there are none
    scale: Floats | None  # mean, lowest, highest
    item_rating: Floats | None  # (n_items,) shrunken, above the mean
    key_residual: Floats | None  # of ratings, summed
    value_residual: Floats | None  # (all values,) summed
    kind_residual: Floats | None  # (values of attributes, all values of contexts) summed
    kind_count: Floats | None
    # later additions; None in folders of before
    shown: Floats | None = None  # (n_items,) impressions; None: none are known
    taken: Floats | None = None  # (n_items,) events of items that were chosen from a list
    people: Longs | None = None  # () contexts before the clock that are attributes of a person; None: none are
    more: Longs | None = None  # () that features of the values of attributes and of the usual age are computed

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return len(self.counts)

    @property
    def n_columns(self) -> int:
        """How many columns of attributes."""
        return len(self.column_starts) - 1

    @property
    def of_moments(self) -> Longs:
        """The contexts that hold at a moment: all but those of the clock and the attributes of people."""
        people = 0 if self.people is None else int(self.people)
        return np.arange(len(self.sizes) - CLOCK * int(self.clock) - people)

    def of_person(self, number: int) -> bool:
        """Whether a context is an attribute of people."""
        return len(self.of_moments) <= number < len(self.sizes) - CLOCK * int(self.clock)

    @property
    def rated(self) -> bool:
        """Whether there are ratings."""
        return self.scale is not None

    @classmethod
    def fit(cls, train: Histories, features: ItemFeatures | None) -> tuple[Statistics, Names]:
        """The statistics of histories and a catalogue, and the names of its columns."""
        n, positive = train.n_items, train.positives()
        counts = np.bincount(positive.items, minlength=n).astype(np.float32)
        trend, first = _in_time(positive, counts)
        names, columns = _catalogue(features, n)
        indptr, indices, data, starts, numbers, vectors = columns
        values = int(starts[-1])
        usual = np.zeros(values)
        np.add.at(usual, indices, data * counts[np.repeat(np.arange(n), np.diff(indptr))])
        clock = train.times is not None and len(np.unique(train.times % DAY)) > 2
        sizes = (
            [] if train.context is None else [max(1, int(size)) for size in train.context.max(axis=0, initial=-1) + 1]
        )
        sizes += [HOURS, WEEKDAYS] if clock else []
        out = cls(
            counts, trend, first, indptr, indices, data, starts, (usual / max(1, counts.sum())).astype(np.float32),
            numbers, vectors, np.array(sizes, dtype=np.int64), np.array(int(clock)), np.empty(0, np.int64),
            np.zeros(len(sizes) + 1, np.int64), np.empty(0, np.float32),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), np.zeros(int(sum(sizes)), np.float32),
            np.full((int(sum(sizes)), POPULAR), -1, np.int32), None, None, None, None, None, None,
        )  # fmt: skip
        if train.values_are == "rating":
            out._rate(train)
        out._place(train)
        out.more = np.array(1)
        out.people = np.array(train.people) if train.people else None
        if (found := impressions(train, _positive(train))) is not None:
            out.shown, out.taken = found
            out.first = first_seen(train, out.first)
        return out, names

    def _rate(self, train: Histories) -> None:
        assert train.values is not None
        mean = float(train.values.mean(dtype=np.float64))
        bias = np.zeros(self.n_items)
        each = np.zeros(len(train))
        for _ in range(5):
            off = train.values - mean - each[train.rows]
            bias = np.bincount(train.items, off, self.n_items) / (
                np.bincount(train.items, minlength=self.n_items) + FIRM
            )
            off = train.values - mean - bias[train.items]
            each = np.bincount(train.rows, off, len(train)) / (train.lengths + FIRM)
        self.scale = np.array([mean, train.values.min(), train.values.max()], dtype=np.float32)
        self.item_rating = bias.astype(np.float32)

    def _place(self, train: Histories) -> None:
        """Count items by the values of each context."""
        _, codes = codes_of(train, self)
        residual = self.residuals(train) if self.rated else np.zeros(len(train.items))
        chosen = _positive(train) if not self.rated else np.ones(len(train.items), dtype=np.bool_)
        keys: list[Longs] = []
        counts: list[Floats] = []
        sums: list[Doubles] = []
        starts = [0]
        of_values = np.zeros(len(self.value_counts))
        total = self.n_columns and int(self.column_starts[-1]) * len(of_values)
        if self.rated and 0 < total <= MOST_KINDS:
            self.kind_residual = np.zeros((int(self.column_starts[-1]), len(of_values)), np.float32)
            self.kind_count = np.zeros_like(self.kind_residual)
        for number, size in enumerate(self.sizes.tolist()):
            known = chosen & (codes[:, number] >= 0)
            key = train.items[known] * np.int64(size) + codes[known, number]
            found, inverse = np.unique(key, return_inverse=True)
            many: Floats = np.bincount(inverse, minlength=len(found)).astype(np.float32)
            keys.append(found.astype(np.int64))
            counts.append(many)
            sums.append(np.bincount(inverse, residual[known], len(found)).astype(np.float64))
            starts.append(starts[-1] + len(found))
            base = int(self.value_starts[number])
            value = codes[known, number]
            self.value_counts[base : base + size] = np.bincount(value, minlength=size)
            of_values[base : base + size] = np.bincount(value, residual[known], size)
            item = found // size
            best = np.lexsort((item, -self.counts[item], -many, found % size))
            place = np.arange(len(best)) - np.searchsorted(found[best] % size, found[best] % size)
            kept = best[place < POPULAR]
            self.popular[base + found[kept] % size, place[place < POPULAR]] = item[kept]
            if self.kind_residual is not None and self.kind_count is not None:
                events = np.flatnonzero(known)
                width = np.diff(self.indptr)[train.items[events]]
                each = np.repeat(np.arange(len(events)), width)
                begin = np.repeat(self.indptr[train.items[events]] - np.cumsum(width) + width, width)
                kind = self.indices[begin + np.arange(len(each))]
                np.add.at(self.kind_residual, (kind, base + value[each]), residual[events][each])
                np.add.at(self.kind_count, (kind, base + value[each]), 1)
        self.keys = np.concatenate(keys or [self.keys])
        self.key_counts = np.concatenate(counts or [self.key_counts])
        self.key_starts = np.array(starts, dtype=np.int64)
        if self.rated:
            self.key_residual = np.concatenate(sums or [np.empty(0)]).astype(np.float32)
            self.value_residual = of_values.astype(np.float32)

    def check(self) -> None:
        """Raise ``FormatError`` unless every index is inside its bounds: the arrays may come from a file."""
        n, values = self.n_items, len(self.value_counts)
        kinds = int(self.column_starts[-1])
        starts = (self.indptr, len(self.indices)), (self.key_starts, len(self.keys)), (self.value_starts, values)
        good = all(one[0] == 0 and one[-1] == size and (np.diff(one) >= 0).all() for one, size in starts)
        good &= len(self.indptr) == n + 1 and len(self.data) == len(self.indices) and len(self.usual) == kinds
        good &= bool((np.diff(self.column_starts) >= 0).all()) and _inside(self.indices, kinds)
        good &= len(self.key_starts) == len(self.value_starts) == len(self.sizes) + 1 and bool((self.sizes > 0).all())
        good &= np.array_equal(np.diff(self.value_starts), self.sizes) and len(self.key_counts) == len(self.keys)
        good &= self.popular.shape == (values, POPULAR) and _inside(self.popular + 1, n + 1)
        good &= self.numbers.shape[1] == n and len(self.trend) == n and (self.first is None or len(self.first) == n)
        good &= self.clock in (0, 1) and len(self.sizes) >= CLOCK * int(self.clock)
        good &= self.people is None or 0 <= int(self.people) <= len(self.sizes) - CLOCK * int(self.clock)
        good &= self.vectors is None or len(self.vectors) == n
        good &= (self.shown is None) == (self.taken is None) and all(
            one is None or one.shape == (n,) for one in (self.shown, self.taken)
        )
        if self.rated:
            rated = (self.item_rating, n), (self.key_residual, len(self.keys)), (self.value_residual, values)
            good &= all(one is not None and len(one) == size for one, size in rated) and (
                self.scale is None or self.scale.shape == (3,)
            )
            for of_kind in (self.kind_residual, self.kind_count):
                good &= of_kind is None or of_kind.shape == (kinds, values)
        if not good:
            raise FormatError("the statistics of the ranker do not fit together")

    # -- what features ask ----------------------------------------------------------------------------------------

    @property
    def attributes(self) -> sp.csr_array:
        """Items by the values of all attributes."""
        import scipy.sparse as sp

        return sp.csr_array((self.data, self.indices, self.indptr), shape=(self.n_items, int(self.column_starts[-1])))

    @property
    def column_of(self) -> Longs:
        """The column of each value of an attribute."""
        return np.repeat(np.arange(self.n_columns), np.diff(self.column_starts))

    def residuals(self, given: Histories) -> Doubles:
        """Ratings of events less mean, item and history; zeros where the histories hold no ratings."""
        if self.scale is None or self.item_rating is None or given.values is None or given.values_are != "rating":
            return np.zeros(len(given.items))
        off = np.clip(given.values, self.scale[1], self.scale[2]).astype(np.float64)
        off -= self.scale[0] + self.item_rating[given.items]
        own = np.bincount(given.rows, off, len(given)) / (given.lengths + FIRM)
        return np.asarray(off - own[given.rows])

    def _found(self, number: int, items: Ints, code: Ints) -> tuple[Longs, NDArray[np.bool_]]:
        """Where the keys of items with a value are, and whether they are there."""
        lo, hi = int(self.key_starts[number]), int(self.key_starts[number + 1])
        keys = self.keys[lo:hi]
        wanted = items * self.sizes[number] + np.maximum(code, 0)
        at = np.searchsorted(keys, wanted)
        inside = np.minimum(at, max(0, len(keys) - 1))
        there = (keys[inside] == wanted) & (code >= 0) if len(keys) else np.zeros(len(items), np.bool_)
        return lo + inside, there

    def chosen(self, number: int, items: Ints, code: Ints) -> tuple[Doubles, Doubles, float]:
        """How often each item was chosen with its value, how often anything was, and how often with any value."""
        at, there = self._found(number, items, code)
        of_pair = (
            np.where(there, self.key_counts[np.where(there, at, 0)], 0.0) if len(self.keys) else np.zeros(len(items))
        )
        base, size = int(self.value_starts[number]), int(self.sizes[number])
        of_value = np.where(code >= 0, self.value_counts[base + np.maximum(code, 0)], 0.0)
        return of_pair, of_value, float(self.counts.sum() or self.value_counts[base : base + size].sum())

    def moods(self, number: int, items: Ints, code: Ints) -> tuple[Doubles, Doubles, Doubles]:
        """Mean residuals of ratings with a value: of all, of the item, and of items with its attributes; shrunken."""
        assert self.key_residual is not None and self.value_residual is not None
        at, there = self._found(number, items, code)
        value = int(self.value_starts[number]) + np.maximum(code, 0)
        level = self.value_residual[value] / (self.value_counts[value] + FIRM)
        of_pair = np.zeros(len(items))
        of_pair[there] = self.key_residual[at[there]] / (self.key_counts[at[there]] + FIRM)
        of_kind = np.zeros(len(items))
        if self.kind_residual is not None and self.kind_count is not None:
            width = np.diff(self.indptr)[items]
            each = np.repeat(np.arange(len(items)), width)
            begin = np.repeat(self.indptr[items] - np.cumsum(width) + width, width)
            kind = self.indices[begin + np.arange(len(each))]
            rated = self.kind_residual[kind, value[each]] / (self.kind_count[kind, value[each]] + FIRM)
            of_kind = np.bincount(each, rated, len(items)) / np.maximum(width, 1)
        return level, of_pair, of_kind


def codes_of(given: Histories, statistics: Statistics) -> tuple[Ints, Ints]:
    """The contexts of requests ``(rows, contexts)`` and of events ``(events, contexts)``, those of the clock last.

    -1 is missing; so is a value that training did not see.
    """
    clock = int(statistics.clock)
    own = len(statistics.sizes) - CLOCK * clock
    stated = np.full((len(given), len(statistics.sizes)), -1, dtype=np.int32)
    events = np.full((len(given.items), len(statistics.sizes)), -1, dtype=np.int32)
    for out, codes in ((stated, given.asked), (events, given.context)):
        if codes is not None:
            width = min(own, codes.shape[1])
            out[:, :width] = np.where(codes[:, :width] < statistics.sizes[:width], codes[:, :width], -1)
    if clock:
        for out, times in ((stated, given.moments()), (events, given.times)):
            if times is not None:
                out[:, own] = times % DAY // 3600
                out[:, own + 1] = (times // DAY + 3) % WEEKDAYS  # the first day was a Thursday
        empty = (given.lengths == 0) & (given.now is None)
        stated[empty, own:] = -1
    return stated, events


def _inside(indexes: Ints, bound: int) -> bool:
    return len(indexes) == 0 or (int(indexes.min()) >= 0 and int(indexes.max()) < bound)


def _positive(train: Histories) -> NDArray[np.bool_]:
    if train.liked is not None:
        return train.liked
    if train.values_are == "weight" and train.values is not None:
        return np.asarray(train.values > 0)
    return np.ones(len(train.items), dtype=np.bool_)


def _in_time(positive: Histories, counts: Floats) -> tuple[Floats, Longs | None]:
    n = positive.n_items
    if positive.times is None or not len(positive.items):
        return np.full(n, np.nan, dtype=np.float32), None
    bound = np.quantile(positive.times, 1 - LATELY)
    late = np.bincount(positive.items[positive.times >= bound], minlength=n)
    expected = counts * late.sum() / max(1.0, float(counts.sum()))
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, positive.items, positive.times)
    first[counts == 0] = 0
    return np.log((late + STEADY / 10) / (expected + STEADY / 10)).astype(np.float32), first


def _catalogue(
    features: ItemFeatures | None, n: int
) -> tuple[Names, tuple[Longs, Ints, Floats, Longs, Floats, Floats | None]]:
    """Attributes by column, numbers and unit vectors."""
    nothing = np.zeros(n + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), np.zeros(1, np.int64)
    if features is None:
        return Names([], []), (*nothing, np.empty((0, n), np.float32), None)
    import scipy.sparse as sp

    whole = sp.csr_array((features.data, features.indices, features.indptr), shape=(n, len(features.names)))
    by_value = whole.tocsc()
    groups: dict[str, list[int]] = {}
    numbers: dict[str, Floats] = {}
    for at, name in enumerate(features.names):
        column, sign, _ = name.partition("=")
        lo, hi = by_value.indptr[at : at + 2]
        if not sign and not (by_value.data[lo:hi] == 1).all():
            value = np.full(n, np.nan, dtype=np.float32)
            value[by_value.indices[lo:hi]] = by_value.data[lo:hi]
            numbers[column] = value
        else:
            groups.setdefault(column, []).append(at)
    holders = {
        column: int(sum(by_value.indptr[at + 1] - by_value.indptr[at] for at in of)) for column, of in groups.items()
    }
    kept = sorted(groups, key=lambda column: (-holders[column], column))[:MOST_COLUMNS]
    order = [at for column in kept for at in groups[column]]
    some = by_value[:, order].tocsr() if order else None
    starts = np.concatenate([[0], np.cumsum([len(groups[column]) for column in kept])]).astype(np.int64)
    vectors = features.vectors
    if vectors is not None:
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    dense = np.stack(list(numbers.values())) if numbers else np.empty((0, n), np.float32)
    if some is None:
        return Names([], list(numbers)), (*nothing, dense, vectors)
    some.sort_indices()
    arrays = some.indptr.astype(np.int64), some.indices.astype(np.int32), some.data.astype(np.float32)
    return Names(kept, list(numbers)), (*arrays, starts, dense, vectors)
