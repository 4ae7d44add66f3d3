"""An approximate index over item vectors: which items may be among the best for a vector, without reading them all.

Items are grouped into cells by k-means and rounded to one byte a number (faiss: ``IVF, SQ8``). One more coordinate
makes all vectors equally long, so that the nearest by distance have the greatest inner product (Bachrach et al. 2014).
A search reads the cells nearest to the vector; what it finds is scored again exactly, so that scores and ties are those
of the exact list, and only an item in an unread cell, or one that rounding moved far, can be missing. How many cells
are read is chosen when the index is built, by the recall on histories that the index does not know.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Floats, Ints, Longs
from penchant.errors import DataError, MissingExtraError

EXTRA = "index"
RECALL = 0.98  # share of the exact best that lists from the index must contain
K, LONGEST = 10, 100  # of lists of these lengths; longer ones stay exact
FEW_ITEMS = 2**13  # a filter that leaves at most so many items is answered exactly
SPARE = 40  # items found beyond twice the list and the excluded ones: rounding may change places
FIRST_PROBES = 8
HISTORIES = 1_000  # of which half choose the effort and half measure the recall
SURE = 3.0  # standard errors by which the half that chooses must be above the recall
_BLOCK = 2**16  # vectors made, or scored, at a time
_CELLS = 2.0  # times √items: more make searches faster and the build slower
_TRAINING, _FEWEST = 40, 32  # vectors a cell that k-means sees, and has at least
_ROUNDS = 10  # of k-means


@dataclass(frozen=True)
class Building:
    """What building an index takes."""

    products: float  # multiplications of numbers of vectors
    held: float  # bytes of the index
    working: float  # bytes while it is built, besides the index and the vectors


def building(items: int, factors: float) -> Building:
    """What an index over so many vectors takes: k-means, the nearest cell of every vector, and measuring."""
    cells, width = cells_of(items), factors + 1
    trained = min(items, _TRAINING * cells)
    products = _ROUNDS * cells * trained + items * cells + HISTORIES * items
    return Building(products * width, (width + 8.0) * items, 8 * width * trained + 8.0 * HISTORIES * _BLOCK)


def cells_of(items: int) -> int:
    """How many cells the index over so many items has."""
    return int(min(2 ** round(math.log2(_CELLS * math.sqrt(items))), max(1, items // _FEWEST)))


@dataclass(frozen=True)
class Facts:
    """What the manifest says about an index."""

    items: int
    width: int
    radius: float  # the length that one more coordinate gives every vector, and a search its own
    cells: int
    probes: int  # cells that a search reads
    recall: float  # of the 10 best, measured on ``histories`` that did not choose ``probes``
    recall_100: float  # of the 100 best
    asked: float
    histories: int
    exact_ms: float = 0.0  # processor time of a list of every item, on the machine that built the index
    index_ms: float = 0.0  # of one from the index

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class NearestItems:
    """A built index, with the vectors that it was built from."""

    of: Floats  # (n_items, factors)
    facts: Facts
    index: Any  # of faiss
    held: Any = None  # a mapping of the same file, which keeps it locked; None where nobody locks it

    def among(self, allow: Bools | None = None) -> Search:
        """Searches among the items that a mask allows.

        They read √(items / allowed items) times the cells: in the same ones, fewer of the best would be found.
        """
        return Search(self, allow)


class Search:
    """A search of an index among some of its items."""

    def __init__(self, index: NearestItems, allow: Bools | None) -> None:
        self.index, self.allow = index, allow
        self.passing = index.facts.items if allow is None else int(np.count_nonzero(allow))

    @property
    def items(self) -> Ints:
        """The items that the mask allows."""
        assert self.allow is not None  # without a mask there is no need to list them
        return _set_in(self.allow)

    @cached_property
    def _parameters(self) -> tuple[Any, Any]:
        faiss, facts, selector, bits = library(), self.index.facts, None, None
        if self.allow is not None and self.passing < facts.items:
            bits = np.packbits(self.allow, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        probes = min(facts.cells, math.ceil(facts.probes * math.sqrt(facts.items / max(1, self.passing))))
        return faiss.SearchParametersIVF(nprobe=probes, sel=selector), bits  # faiss keeps only a pointer to the bits

    def __call__(self, vector: Floats, k: int) -> Ints:
        """At most k items, which include most of the best for a vector by rounded score."""
        facts = self.index.facts
        query = _queries(vector[None], facts.width - self.index.of.shape[1] - 1, facts.radius)
        found = self.index.index.search(query, min(k, facts.items), params=self._parameters[0])[1][0]
        return np.asarray(found[found >= 0], dtype=np.int32)


def _set_in(mask: Bools) -> Ints:
    """``np.flatnonzero`` of a mask with few set, four times as fast: eight at a time are looked at first."""
    mask = np.ascontiguousarray(mask)
    whole = len(mask) // 8 * 8
    words = np.flatnonzero(mask[:whole].view(np.uint64))
    near = np.concatenate([(8 * words[:, None] + np.arange(8)).ravel(), np.arange(whole, len(mask))])
    return np.asarray(near[mask[near]], dtype=np.int32)


def installed() -> bool:
    """Whether the extra is installed."""
    return find_spec("faiss") is not None


def library() -> Any:
    """The module faiss, whose published types are incomplete; raises ``MissingExtraError`` where it is missing."""
    if not installed():
        raise MissingExtraError(EXTRA, "an index over item vectors")
    return import_module("faiss")


def build(
    vectors: Floats, bias: Floats | None, queries: Floats, *, recall: float = RECALL, threads: int = 0, seed: int = 0
) -> tuple[NearestItems | None, str]:
    """Build an index over ``vectors`` ``(n_items, factors)``, and a sentence about it.

    One half of ``queries``, vectors of histories, chooses how many cells a search reads: so many that the recall of
    the 10 and of the 100 best is above ``recall`` by three standard errors. The other half measures it; should it be
    below ``recall``, more are read. The index is None where reading a quarter of the cells is not enough.

    Time: O(n_items^1.5 · factors). Memory: factors + 8 bytes an item, and while building 320 · factors bytes for each
    of about 2·√n_items cells, and 2¹⁸ bytes for each query. Raises ``MissingExtraError`` without faiss and
    ``DataError`` with fewer than two queries or vectors.
    """
    faiss = library()
    queries = np.ascontiguousarray(queries[(queries != 0).any(axis=1)][:HISTORIES], dtype=np.float32)
    if len(queries) < 2 or len(vectors) < 2:
        raise DataError("an index needs at least two items and two histories with an event that the model knows")
    n, width, radius = len(vectors), vectors.shape[1] + (bias is not None) + 1, _radius(vectors, bias)
    cells = cells_of(n)
    index = faiss.index_factory(width, f"IVF{cells},SQ8", faiss.METRIC_L2)
    index.cp.niter, index.cp.seed, index.cp.min_points_per_centroid = _ROUNDS, seed + 1, 1
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads or before)
    try:
        rows = np.random.default_rng(seed).permutation(n)[: _TRAINING * cells]
        index.train(_items(vectors, bias, np.sort(rows), radius))
        for lo in range(0, n, _BLOCK):
            index.add(_items(vectors, bias, slice(lo, lo + _BLOCK), radius))
        least, half, probes = _least(vectors, bias, queries), len(queries) // 2, min(FIRST_PROBES, cells)
        while True:
            facts = Facts(n, width, radius, cells, probes, 0.0, 0.0, recall, len(queries) - half)
            shares = _shares(NearestItems(vectors, facts, index), queries, least, bias)
            chosen, measured = shares[:half], shares[half:].mean(axis=0)
            sure = chosen.mean(axis=0) - SURE * chosen.std(axis=0) / math.sqrt(half)
            if min(*sure, *measured) >= recall:
                break
            if probes >= max(FIRST_PROBES, cells // 4):
                return None, (
                    f"the index reaches a recall of {measured.min():.3f} with a quarter of its cells, less than "
                    f"{recall:g} with certainty: it is not used, lists stay exact"
                )
            probes = min(math.ceil(1.5 * probes), cells)
    finally:
        faiss.omp_set_num_threads(before)
    found = [round(float(share), 4) for share in measured]
    facts = Facts(n, width, radius, cells, probes, found[0], found[1], recall, len(queries) - half)
    said = f"index over {n:,} items: recall@{K} {found[0]:.3f} on {facts.histories:,} held-out histories"
    return NearestItems(vectors, facts, index), said


def _items(vectors: Floats, bias: Floats | None, rows: slice | Longs, radius: float) -> Floats:
    some = vectors[rows] if bias is None else np.column_stack([vectors[rows], bias[rows]])
    rest = np.sqrt(np.maximum(radius**2 - np.einsum("ij,ij->i", some, some), 0))
    return np.column_stack([some, rest]).astype(np.float32)


def _queries(vectors: Floats, ones: int, radius: float) -> Floats:
    """Vectors of histories as the index has them: ones for the biases of items, a length of ``radius``, a zero."""
    some = np.column_stack([vectors, np.ones((len(vectors), ones), np.float32)])
    lengths = np.maximum(np.linalg.norm(some, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.column_stack([some * (radius / lengths), np.zeros(len(some))]).astype(np.float32)


def _radius(vectors: Floats, bias: Floats | None) -> float:
    """The length of the longest vector, found in blocks."""
    most = 0.0
    for lo in range(0, len(vectors), _BLOCK):
        some = vectors[lo : lo + _BLOCK]
        squares = np.einsum("ij,ij->i", some, some)
        most = max(most, float((squares if bias is None else squares + bias[lo : lo + _BLOCK] ** 2).max()))
    return math.sqrt(most)


def _lengths(n_items: int) -> tuple[int, int]:
    """The lengths of the lists whose recall is measured."""
    return min(K, n_items), min(LONGEST, n_items)


def _least(vectors: Floats, bias: Floats | None, queries: Floats) -> Floats:
    """The last score of the exact lists of every query, ``(queries, 2)``: an item that reaches it belongs to one."""
    ks = _lengths(len(vectors))
    best = np.full((len(queries), ks[1]), -np.inf, dtype=np.float32)  # ascending
    for lo in range(0, len(vectors), _BLOCK):
        scores = queries @ vectors[lo : lo + _BLOCK].T
        if bias is not None:
            scores += bias[lo : lo + _BLOCK]
        for row in np.flatnonzero(scores.max(axis=1) > best[:, 0]):
            higher = np.concatenate([best[row], scores[row][scores[row] > best[row, 0]]])
            best[row] = np.sort(np.partition(higher, len(higher) - ks[1])[-ks[1] :])
    return np.stack([best[:, -k] for k in ks], axis=1)


def _shares(made: NearestItems, queries: Floats, least: Floats, bias: Floats | None) -> Floats:
    """The share of each exact list that is found, ``(queries, 2)``."""
    search, ks = made.among(), _lengths(len(made.of))
    shares = np.empty((len(queries), 2), dtype=np.float32)
    for row, query in enumerate(queries):
        for at, k in enumerate(ks):
            items = search(query, 2 * k + SPARE)
            scores = made.of[items] @ query
            scores = scores if bias is None else scores + bias[items]
            bound = least[row, at]
            shares[row, at] = min(k, int((scores >= bound - 1e-5 * abs(bound)).sum())) / k
    return shares
