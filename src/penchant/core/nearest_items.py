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
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Floats, Ints, Longs
from penchant.errors import DataError, MissingExtraError

EXTRA = "index"
RECALL = 0.98  # share of the exact ten best that lists from the index must contain
K = 10  # of these lists
CELLS = 2**26  # items × factors from which on an index is faster than an exact list by more than it costs
FEW_ITEMS = 2**16  # a filter that leaves at most so many items is answered exactly
SPARE = 40  # items found beyond the list and the excluded ones: rounding may change places
FIRST_PROBES = 8
HISTORIES = 1_000  # of which half choose the effort and half measure the recall
_BLOCK = 2**18  # vectors made at a time
_TRAINING = 64  # vectors a cell that k-means sees


@dataclass(frozen=True)
class Facts:
    """What the manifest says about an index."""

    items: int
    width: int
    longest: float  # the length that one more coordinate gives every vector, and a search its own
    cells: int
    probes: int  # cells that a search reads
    recall: float  # of the best ``k``, measured on ``histories``; too low, more cells are read
    asked: float
    k: int
    histories: int

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

    def search(self, vectors: Floats, k: int, *, bias: Floats | None, allow: Bools | None = None) -> Ints:
        """Items ``(rows, k)`` that include most of the k best by rounded score; -1 where fewer were found.

        With ``allow`` more cells are read, in proportion to the items that it leaves out.
        """
        faiss = library()
        selector, probes = None, self.facts.probes
        if allow is not None:
            bits = np.packbits(allow, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
            probes = math.ceil(probes * len(allow) / max(1, int(np.count_nonzero(allow))))
        parameters = faiss.SearchParametersIVF(nprobe=min(probes, self.facts.cells), sel=selector)
        return np.asarray(
            self.index.search(_queries(vectors, bias, self.facts.longest), k, params=parameters)[1], dtype=np.int32
        )


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

    One half of ``queries``, vectors of histories, chooses how many cells a search reads, and the other half measures
    the recall; more are read until both reach ``recall``. The index is None where reading a quarter of the cells is not
    enough. Memory: factors + 8 bytes an item, and while building 256 · factors bytes for each of 4·√n_items cells.
    Raises ``MissingExtraError`` without faiss and ``DataError`` with fewer than two queries or vectors.
    """
    faiss = library()
    queries = np.ascontiguousarray(queries[(queries != 0).any(axis=1)][:HISTORIES], dtype=np.float32)
    if len(queries) < 2 or len(vectors) < 2:
        raise DataError("an index needs at least two items and two histories with an event that the model knows")
    n, width, longest = len(vectors), vectors.shape[1] + (bias is not None) + 1, _longest(vectors, bias)
    cells = int(min(2 ** round(math.log2(4 * math.sqrt(n))), max(1, n // 2)))
    index = faiss.index_factory(width, f"IVF{cells},SQ8", faiss.METRIC_L2)
    index.cp.seed, index.cp.min_points_per_centroid = seed + 1, 1  # small ones without a warning on stderr
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads or before)
    try:
        rows = np.random.default_rng(seed).permutation(n)[: _TRAINING * cells]
        index.train(_items(vectors, bias, np.sort(rows), longest))
        for lo in range(0, n, _BLOCK):
            index.add(_items(vectors, bias, slice(lo, lo + _BLOCK), longest))
        least = [_least(vectors, bias, query) for query in queries]
        half, probes = len(queries) // 2, min(FIRST_PROBES, cells)
        while True:
            facts = Facts(n, width, longest, cells, probes, 0.0, recall, K, len(queries) - half)
            made = NearestItems(vectors, facts, index)
            chosen, measured = (
                _recall(made, queries[part], least[part], bias) for part in (slice(half), slice(half, None))
            )
            if min(chosen, measured) >= recall:
                break
            if probes >= max(FIRST_PROBES, cells // 4):
                return None, (
                    f"the index reaches a recall of {measured:.3f} with a quarter of its cells, less than {recall:g}: "
                    "it is not used, lists stay exact"
                )
            probes = min(2 * probes, cells)
    finally:
        faiss.omp_set_num_threads(before)
    facts = Facts(n, width, longest, cells, probes, round(measured, 4), recall, K, len(queries) - half)
    said = f"index over {n:,} items: recall@{K} {measured:.3f} on {facts.histories:,} held-out histories"
    return NearestItems(vectors, facts, index), said


def _items(vectors: Floats, bias: Floats | None, rows: slice | Longs, longest: float) -> Floats:
    some = vectors[rows] if bias is None else np.column_stack([vectors[rows], bias[rows]])
    rest = np.sqrt(np.maximum(longest**2 - np.einsum("ij,ij->i", some, some), 0))
    return np.column_stack([some, rest]).astype(np.float32)


def _queries(vectors: Floats, bias: Floats | None, longest: float) -> Floats:
    some = vectors if bias is None else np.column_stack([vectors, np.ones(len(vectors))])
    lengths = np.maximum(np.linalg.norm(some, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.column_stack([some * (longest / lengths), np.zeros(len(some))]).astype(np.float32)


def _longest(vectors: Floats, bias: Floats | None) -> float:
    """The length of the longest vector, found in blocks."""
    most = 0.0
    for lo in range(0, len(vectors), _BLOCK):
        some = vectors[lo : lo + _BLOCK]
        squares = np.einsum("ij,ij->i", some, some)
        most = max(most, float((squares if bias is None else squares + bias[lo : lo + _BLOCK] ** 2).max()))
    return math.sqrt(most)


def _least(vectors: Floats, bias: Floats | None, query: Floats) -> float:
    """The K-th best score: every item that reaches it belongs to some exact list."""
    scores = vectors @ query
    scores = scores if bias is None else scores + bias
    k = min(K, len(scores))
    return float(np.partition(scores, len(scores) - k)[len(scores) - k])


def _recall(made: NearestItems, queries: Floats, least: list[float], bias: Floats | None) -> float:
    k = min(K, len(made.of))
    found = made.search(queries, min(k + SPARE, len(made.of)), bias=bias)
    share = 0.0
    for query, row, bound in zip(queries, found, least, strict=True):
        items = row[row >= 0]
        scores = made.of[items] @ query
        scores = scores if bias is None else scores + bias[items]
        share += min(k, int((scores >= bound - 1e-5 * abs(bound)).sum())) / k
    return share / len(queries)
