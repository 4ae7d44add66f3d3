"""Pairs of a request and an item as sparse rows in fields: ids, attributes, contexts, and features in bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.errors import FormatError
from penchant.ranking.features import Asked
from penchant.ranking.statistics import Statistics, codes_of

if TYPE_CHECKING:
    from penchant.ranking.second_stage import Seen

FURTHEST = 3.0  # spreads from the mean beyond which a number is cut
BATCH = 256  # pairs of a step, about
ITEM, ATTRIBUTES, COLUMNS = 0, 1, 2  # fields of a pair; of a request, after the columns: contexts, history, ratings


@dataclass(frozen=True, eq=False)
class Rows:
    """Requests and their pairs; ``kernels.machine`` says what is what."""

    starts: Longs  # (requests + 1,) of pairs
    request: tuple[Longs, Ints, Ints, Floats]  # indptr, feature, field, value
    pair: tuple[Longs, Ints, Ints, Floats]

    def arrays(self) -> tuple[Longs, Longs, Ints, Ints, Floats, Longs, Ints, Ints, Floats]:
        """In the order of the kernels."""
        return (self.starts, *self.request, *self.pair)

    def some(self, lo: int, hi: int) -> tuple[Rows, slice]:
        """The requests ``[lo, hi)``, and where their pairs are."""
        first, last = int(self.starts[lo]), int(self.starts[hi])
        request, pair = _part(self.request, lo, hi), _part(self.pair, first, last)
        return Rows(self.starts[lo : hi + 1] - first, request, pair), slice(first, last)

    def parts(self, most: int) -> Iterator[tuple[Rows, slice]]:
        """Requests with together about ``most`` pairs, one after the other."""
        cuts = np.flatnonzero(np.diff(self.starts[:-1] // most)) + 1
        bounds = [0, *cuts.tolist(), len(self.starts) - 1]
        return (self.some(lo, hi) for lo, hi in pairwise(bounds) if hi > lo)


@dataclass(eq=False)
class Encoding:
    """Where each feature of the table is cut into bins, and how it is scaled. All arrays, to be saved."""

    edges: Floats  # those of all columns, ascending within a column
    starts: Longs  # (columns + 1,)
    centre: Floats  # (columns,)
    spread: Floats  # (columns,) above zero

    @classmethod
    def fit(cls, tables: Sequence[Floats], columns: int, bins: int) -> Encoding:
        """Bins that hold about as many of the rows each, from all ``tables``."""
        edges: list[Floats] = []
        centre, spread = np.zeros(columns, np.float32), np.ones(columns, np.float32)
        for column in range(columns):
            one = np.concatenate([np.empty(0, np.float32), *(table[:, column] for table in tables)])
            one = one[np.isfinite(one)]
            inner = np.quantile(one, np.arange(1, bins) / bins) if len(one) else np.empty(0)
            edges.append(np.unique(inner.astype(np.float32)))
            if len(one):
                centre[column] = one.mean(dtype=np.float64)
                wide = float(one.std(dtype=np.float64))
                spread[column] = wide if wide > 1e-6 else 1.0
        starts = np.concatenate([[0], np.cumsum([len(one) for one in edges])]).astype(np.int64)
        return cls(np.concatenate([np.empty(0, np.float32), *edges]), starts, centre, spread)

    def check(self, columns: int) -> None:
        """Raise ``FormatError`` unless the arrays fit together."""
        good = len(self.starts) == columns + 1 and self.starts[0] == 0 and self.starts[-1] == len(self.edges)
        good = good and bool((np.diff(self.starts) >= 0).all()) and bool((self.spread > 0).all())
        if not good or self.centre.shape != (columns,) or self.spread.shape != (columns,):
            raise FormatError("the bins of the ranker do not fit together")

    @property
    def n_columns(self) -> int:
        """How many columns the table has."""
        return len(self.centre)

    def fields(self, statistics: Statistics) -> int:
        """How many fields there are."""
        return COLUMNS + self.n_columns + len(statistics.sizes) + 2

    def places(self, statistics: Statistics) -> Longs:
        """Where the features of each kind begin: items, attributes, bins, numbers, contexts, history, ratings, end."""
        n, columns = statistics.n_items, self.n_columns
        sizes = [n, int(statistics.column_starts[-1]), len(self.edges) + 2 * columns, columns]
        sizes += [len(statistics.value_counts), n, n]
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def rows(self, statistics: Statistics, seen: Seen) -> Rows:
        """The rows of what is seen. Cost: linear in the pairs times the columns, and in the events of the requests."""
        asked = seen.asked
        assert asked is not None  # ``Factored`` keeps it
        present, first = np.unique(asked.rows, return_index=True)
        starts = np.concatenate([first, [len(asked.rows)]]).astype(np.int64)
        place = self.places(statistics)
        return Rows(starts, self._request(statistics, asked.given[present], place), self._pair(statistics, seen, place))

    def _pair(self, statistics: Statistics, seen: Seen, place: Longs) -> tuple[Longs, Ints, Ints, Floats]:
        asked, table = seen.asked, seen.table
        assert isinstance(asked, Asked)
        pairs, columns = table.shape
        width = np.diff(statistics.indptr)[asked.items]
        size = 1 + width + 2 * columns
        indptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        feature, field = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.int32)
        value = np.ones(indptr[-1], np.float32)
        feature[indptr[:-1]], field[indptr[:-1]] = asked.items, ITEM
        each = np.repeat(np.arange(pairs), width)
        within = np.arange(len(each)) - np.repeat(np.cumsum(width) - width, width)
        at = indptr[each] + 1 + within
        feature[at] = place[1] + statistics.indices[statistics.indptr[asked.items][each] + within]
        field[at], value[at] = ATTRIBUTES, 1 / np.sqrt(np.maximum(width[each], 1))
        begin = indptr[:-1] + 1 + width
        for column in range(columns):
            lo, hi = int(self.starts[column]), int(self.starts[column + 1])
            one = table[:, column]
            missing = np.isnan(one)
            bin_of = np.where(missing, 0, 1 + np.searchsorted(self.edges[lo:hi], one))
            off = np.clip((one - self.centre[column]) / self.spread[column], -FURTHEST, FURTHEST)
            first, second = begin + 2 * column, begin + 2 * column + 1
            feature[first], feature[second] = place[2] + lo + 2 * column + bin_of, place[3] + column
            value[second] = np.where(missing, 0, off)
            field[first] = field[second] = COLUMNS + column
        return indptr, feature, field, value

    def _request(self, statistics: Statistics, given: Histories, place: Longs) -> tuple[Longs, Ints, Ints, Floats]:
        stated, _ = codes_of(given, statistics)
        contexts = stated.shape[1]
        known = stated >= 0
        many, lengths = known.sum(axis=1), given.lengths
        twice = 1 + int(statistics.rated)
        indptr = np.concatenate([[0], np.cumsum(many + twice * lengths)]).astype(np.int64)
        feature, field = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.int32)
        value = np.ones(indptr[-1], np.float32)
        row, number = np.nonzero(known)
        at = indptr[row] + np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
        feature[at] = place[4] + statistics.value_starts[number] + stated[row, number]
        field[at] = COLUMNS + self.n_columns + number
        events = given.rows
        within = np.arange(len(events)) - given.indptr[events]
        at = indptr[events] + many[events] + within
        feature[at], field[at] = place[5] + given.items, COLUMNS + self.n_columns + contexts
        share = 1 / np.sqrt(np.maximum(lengths, 1))
        value[at] = share[events]
        if statistics.rated:
            at += lengths[events]
            feature[at], field[at] = place[6] + given.items, COLUMNS + self.n_columns + contexts + 1
            value[at] = statistics.residuals(given) * share[events]
        return indptr, feature, field, value


def drawn(starts: Longs, target: Floats, most: int, rng: np.random.Generator) -> Longs:
    """The pairs with a target and at most ``most`` others of each request, in order."""
    group = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((rng.random(len(target)), target > 0, group))  # those with a target last
    place = np.arange(len(order)) - starts[group[order]]
    return np.sort(order[(place < most) | (target[order] > 0)])


def entries_of(rows: Rows) -> float:
    """How many entries a pair has, those of its request included, on average."""
    of_request = np.diff(rows.request[0]) @ np.diff(rows.starts)
    return float((of_request + rows.pair[0][-1]) / max(1, len(rows.pair[0]) - 1))


def batches_of(rows: Sequence[Rows]) -> list[tuple[int, Longs]]:
    """Which requests of which rows make a step: neighbours, with about ``BATCH`` pairs."""
    found = []
    for number, one in enumerate(rows):
        part = one.starts[:-1] // BATCH
        cuts = np.flatnonzero(np.diff(part)) + 1
        found += [(number, groups) for groups in np.split(np.arange(len(part)), cuts) if len(groups)]
    return found


def _part(table: tuple[Longs, Ints, Ints, Floats], lo: int, hi: int) -> tuple[Longs, Ints, Ints, Floats]:
    """The rows ``[lo, hi)``."""
    indptr, feature, field, value = table
    at = slice(int(indptr[lo]), int(indptr[hi]))
    return indptr[lo : hi + 1] - indptr[lo], feature[at], field[at], value[at]
