"""The similarities of item and user neighbourhoods.

Points and queries are sparse vectors over keys. For ``item-knn`` both are items and the keys are training histories;
for ``user-knn`` points are the stored histories, queries are the given histories, and the keys are items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penchant.core.blocks import counted
from penchant.core.histories import Floats, Ints, Longs

PRODUCTS = ("cosine", "asymmetric-cosine", "tf-idf", "bm25", "conditional", "lift", "jaccard", "dice")
CORATED = ("pearson", "adjusted-cosine", "euclidean", "msd")
SIMILARITIES = PRODUCTS + CORATED

K1, B = 1.2, 0.75  # of BM25: how soon a weight saturates, and the penalty on length
FORMS = {"jaccard": 1, "dice": 2, "pearson": 0, "adjusted-cosine": 1, "euclidean": 2, "msd": 3}
CENTRED = 4  # the form of the co-rated kernel that is a cosine of values of both signs
WORDS_AT_ONCE = 8  # the widest vector unit; rows of bits are padded to it
MOST_WORDS = 2**23  # of bits in memory, 64 MiB
SELDOM = 8  # bits are made where they pay off for about one query in so many
BLOCK_PAIRS = 2**22  # neighbours found by one thread before they are copied


@dataclass(frozen=True, eq=False)
class Vectors:
    """Sparse vectors over keys: row ``r`` holds ``keys[indptr[r]:indptr[r + 1]]`` with their values."""

    indptr: Longs
    keys: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> Longs:
        return np.diff(self.indptr)

    def sums(self, of: NDArray[np.floating]) -> NDArray[np.float64]:
        """Σ of something over the entries of every row."""
        if (of == 1).all():
            return self.lengths.astype(np.float64)
        rows = np.repeat(np.arange(len(self)), self.lengths)
        return np.bincount(rows, weights=of, minlength=len(self)).astype(np.float64, copy=False)

    def turned(self, n_keys: int) -> Vectors:
        """Keys become rows and rows become keys."""
        from penchant.kernels.ragged import by_item

        alike = bool((self.values == 1).all())
        indptr = np.zeros(n_keys + 1, dtype=np.int64)
        rows, events = np.empty(len(self.keys), np.int32), np.empty(0 if alike else len(self.keys), np.int64)
        by_item(self.indptr, self.keys, indptr, rows, events)
        return Vectors(indptr, rows, self.values if alike else self.values[events])


@dataclass(frozen=True)
class Measure:
    """A similarity and its numbers; ``centred``: values have both signs (ratings less their baselines)."""

    similarity: str = "cosine"
    key_exponent: float = 0.0
    query_exponent: float = 0.5
    point_exponent: float = 0.5
    shrink: float = 0.0
    min_overlap: int = 1
    centred: bool = False

    @property
    def corated(self) -> bool:
        """Whether the kernel of co-rated values computes it, rather than that of products."""
        return self.similarity in CORATED or (
            self.centred and self.similarity in ("cosine", "asymmetric-cosine", "tf-idf")
        )

    @property
    def damping(self) -> float:
        """``shrink`` for the kernels, which divide n by n + shrink where fewest pairs are asked for: never 0 / 0."""
        return self.shrink if self.shrink > 0 or self.min_overlap <= 1 else NOTHING

    @property
    def form(self) -> int:
        return FORMS.get(self.similarity, CENTRED if self.corated else 0)


NOTHING = 1e-30  # added to a count, leaves it as it is


@dataclass(frozen=True, eq=False)
class Keys:
    """Statistics of the training vectors by key, and of their sizes; queries are weighted with them."""

    counts: Longs  # (n_keys,) points that have the key
    means: Floats  # (n_keys,) mean value, used by the adjusted cosine
    n_points: int
    mean_size: float  # mean Σ of the values of a point, used by BM25

    @classmethod
    def of(cls, points: Vectors, n_keys: int) -> Keys:
        counts = counted(points.keys, n_keys)
        alike = bool((points.values == 1).all())
        sums = counts if alike else np.bincount(points.keys, weights=points.values, minlength=n_keys)
        means = (sums / np.maximum(counts, 1)).astype(np.float32)
        return cls(counts, means, len(points), max(float(points.values.sum()) / max(len(points), 1), 1e-12))


def weigh(measure: Measure, vectors: Vectors, keys: Keys) -> tuple[Floats, Floats]:
    """The values of vectors as the similarity uses them, and the size of each by which its formula divides."""
    name, x = measure.similarity, vectors.values
    if name in ("jaccard", "dice", "conditional", "lift"):
        return np.ones(len(x), np.float32), np.maximum(vectors.lengths, 1).astype(np.float32)
    if name == "adjusted-cosine":
        x = x - keys.means[vectors.keys]
    elif name in ("tf-idf", "bm25"):
        idf = np.log1p(keys.n_points / np.maximum(keys.counts, 1)).astype(np.float32)[vectors.keys]
        if name == "tf-idf":
            x = np.sign(x) * np.sqrt(np.abs(x)) * idf
        else:
            x = np.ones(len(x), np.float32) if measure.centred else x
            length = np.repeat(vectors.sums(x) / keys.mean_size, vectors.lengths)
            x = (x * (K1 + 1) / (K1 * (1 - B + B * length) + x) * idf).astype(np.float32)
    sizes = vectors.sums(x if (x == 1).all() else x.astype(np.float64) ** 2)
    sizes[sizes == 0] = 1
    return x, sizes.astype(np.float32)


def exponents(measure: Measure) -> tuple[float, float]:
    """The exponents of the query's and the point's size, by which a similarity is divided."""
    b, c = measure.query_exponent, measure.point_exponent
    named = {"asymmetric-cosine": (b, 1 - b), "conditional": (1.0, 0.0), "lift": (1.0, 1.0), "bm25": (0.0, 0.0)}
    return (-1.0, -1.0) if measure.similarity in ("jaccard", "dice") else named.get(measure.similarity, (b, c))


@dataclass(frozen=True, eq=False)
class Found:
    """The neighbours of the queries ``[lo, hi)``, query by query."""

    lo: int
    hi: int
    sizes: Longs  # (hi - lo,)
    points: Ints
    scores: Floats


@dataclass(frozen=True, eq=False)
class Index:
    """Weighted points by key, with which queries are compared."""

    measure: Measure
    keys: Keys
    by_key: Vectors  # row: key; keys: points
    factors: Floats  # (points,) the factor from the size of each; for jaccard and dice the size itself
    unit: bool  # all values are one

    @classmethod
    def of(cls, measure: Measure, points: Vectors, n_keys: int) -> Index:
        keys = Keys.of(points, n_keys)
        x, sizes = weigh(measure, points, keys)
        if measure.key_exponent > 0 and measure.similarity not in CORATED:
            x = x * (np.maximum(keys.counts, 1.0) ** -measure.key_exponent).astype(np.float32)[points.keys]
        by_key = Vectors(points.indptr, points.keys, x).turned(n_keys)
        factor = (sizes.astype(np.float64) ** -exponents(measure)[1]).astype(np.float32)
        return cls(measure, keys, by_key, factor, bool((x == 1).all()))

    def _asked(self, queries: Vectors) -> tuple[Floats, Floats]:
        """The values of queries as the similarity uses them, and the factor from the size of each."""
        x, sizes = weigh(self.measure, queries, self.keys)
        factor = sizes.astype(np.float64) ** -exponents(self.measure)[0]
        factor = factor * len(self.keys.counts) if self.measure.similarity == "lift" else factor
        return x, factor.astype(np.float32)

    def _bits(self, asked: int) -> NDArray[np.uint64]:
        """The keys of every point as bits; empty where there are so many points, or so few keys in each, that visiting
        them one by one is faster."""
        from penchant.kernels.nearest import PAIR, set_bits

        n_keys, n = len(self.by_key), len(self.factors)
        words = -(-n_keys // (64 * WORDS_AT_ONCE)) * WORDS_AT_ONCE
        pairs = float((self.by_key.lengths.astype(np.float64) ** 2).sum())
        worth = asked >= n and n * words <= MOST_WORDS and SELDOM * PAIR * pairs > n * float(n) * words
        bits = np.zeros((n, words) if worth else (0, 0), np.uint64)
        if worth:
            set_bits(self.by_key.indptr, self.by_key.keys, bits)
        return bits

    def near(
        self,
        queries: Vectors,
        k: int | None,
        *,
        order: Ints | None = None,
        myself: Ints | None = None,
        names: Ints | None = None,
        by_score: bool = False,
        threads: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Found]:
        """The ``k`` nearest points of each query, best first or by ascending name, in blocks of queries.

        With ``k`` None, all that the query reaches. ``order`` selects and orders the rows of ``queries``. ``myself`` is
        the point that equals each query and cannot be its neighbour (-1: none). ``names`` ``(points,)`` are the names
        of points in the result.
        """
        from penchant.kernels.corated import corated_scores
        from penchant.kernels.nearest import best_of, nearest_by_product
        from penchant.kernels.threads import iter_blocks

        m, right, n_points = self.measure, self.factors, len(self.factors)
        x, factor = self._asked(queries)
        k = min(k or n_points, n_points)
        order = np.arange(len(queries), dtype=np.int32) if order is None else order
        starts, stops, left = queries.indptr[order], queries.indptr[order + 1], factor[order].astype(np.float32)
        myself = np.empty(0, np.int32) if myself is None else myself
        names = np.arange(n_points, dtype=np.int32) if names is None else names
        by_key = self.by_key
        bound = np.full(len(order), k)  # points to hold for a query
        if m.corated:
            reach = np.concatenate([[0], np.cumsum(by_key.lengths[queries.keys])])
            bound = np.minimum(reach[stops] - reach[starts], n_points)  # all that share a key
        plain = self.unit and bool((x == 1).all())
        q_values, k_values = (np.empty(0, np.float32),) * 2 if plain else (x, by_key.values)
        k_bits = self._bits(len(order)) if plain else np.zeros((0, 0), np.uint64)
        k_points = by_key.keys.astype(np.uint16) if n_points <= 2**16 else by_key.keys.view(np.uint32)

        def work(lo: int, hi: int) -> Found:
            met = bound[lo:hi]
            room = int(np.minimum(met, k).sum())
            found, scores, taken = np.empty(room, np.int32), np.empty(room, np.float32), np.zeros(hi - lo, np.int64)
            if m.corated:
                all_points, all_scores = (
                    np.empty(int(met.sum()) + 1, np.int32),
                    np.empty(int(met.sum()) + 1, np.float32),
                )
                reached = np.zeros(hi - lo, np.int64)
                corated_scores(
                    lo, hi, starts, stops, queries.keys, x, by_key.indptr, by_key.keys, by_key.values, left, right,
                    m.form, m.damping, m.min_overlap, myself, all_points, all_scores, reached,
                )  # fmt: skip
                best_of(reached, all_points, all_scores, names, by_score, k, found, scores, taken)
            else:
                nearest_by_product(
                    lo, hi, starts, stops, queries.keys, q_values, by_key.indptr, k_points, k_values, left, right,
                    m.form, m.damping, m.min_overlap, myself, k_bits, names, by_score, k, found, scores, taken,
                )  # fmt: skip
            total = int(taken.sum())
            return Found(lo, hi, taken, found[:total].copy(), scores[:total].copy())

        size = int(np.clip(BLOCK_PAIRS // max(1, n_points if m.corated else k), 1, 256))
        return iter_blocks(work, len(order), size=size, threads=threads, progress=progress)
