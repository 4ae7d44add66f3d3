"""``python -m bench index-libraries``: libraries of approximate nearest neighbours over the same item vectors.

Each runs in a process of its own, in an environment of its own (``bench/peers/``), on one thread. Times are processor
times. Every library finds ``FOUND`` items by inner product, which are scored again exactly, as Penchant does. This
module imports only the standard library, NumPy and ``bench``, because it also runs where Penchant is not installed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import child, machine, peers

Floats, Ints = NDArray[np.float32], NDArray[np.int64]
Search = Callable[[Floats, int], Ints]  # the items for one query, with so much effort

WORK = peers.ROOT / "bench" / ".work" / "index"
RESULT = peers.ROOT / "bench" / "results" / "index" / "libraries.json"
SIZE, QUERIES, K, FOUND, SHARE = 1_000_000, 400, 10, 50, 0.01
ASKED = 0.98  # the recall at which libraries are compared
M, CONSTRUCTION = 16, 128  # of every HNSW graph: edges a node, and effort of the build
EFFORTS = (8, 16, 32, 64, 128)  # cells read, or nodes kept while a graph is searched (at least ``FOUND``)


class Built(NamedTuple):
    """An index, ready to be searched."""

    search: Search
    save: Callable[[Path], None]
    among: Callable[[NDArray[np.bool_]], Search] | None  # searches where only some items may be found


class Library(NamedTuple):
    """One contender, and what its health is judged by."""

    build: Callable[[Floats], Built]
    environment: str | None  # None: our own
    released: str  # the newest version: from the files of its wheel, or the changes of its repository
    licence: str
    wheels: str
    filters: str


def ivf(vectors: Floats) -> Built:
    """The index of Penchant, by its own code: cells of rounded vectors that one more coordinate makes equally long."""
    from dataclasses import replace

    import faiss

    from penchant.core.nearest_items import NearestItems, build

    made, said = build(vectors, None, _queries()[-1000:], threads=1)
    if made is None:
        raise RuntimeError(said)

    def among(allow: NDArray[np.bool_] | None) -> Search:
        found = {e: NearestItems(vectors, replace(made.facts, probes=e), made.index).among(allow) for e in EFFORTS}
        return lambda query, effort: found[effort](query, FOUND).astype(np.int64)

    return Built(among(None), lambda path: faiss.write_index(made.index, str(path)), among)


def usearch(vectors: Floats) -> Built:
    """A graph of vectors in half precision."""
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=M, expansion_add=CONSTRUCTION)
    index.add(np.arange(len(vectors)), vectors, threads=1)

    def search(query: Floats, effort: int) -> Ints:
        index.expansion_search = max(effort, FOUND)
        return np.asarray(index.search(query, FOUND, threads=1).keys, dtype=np.int64)

    return Built(search, lambda path: index.save(str(path)), None)


def hnswlib(vectors: Floats) -> Built:
    """A graph of full vectors."""
    import hnswlib as library

    index = library.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=CONSTRUCTION, M=M, random_seed=1)
    index.add_items(vectors, num_threads=1)

    def among(allow: NDArray[np.bool_] | None) -> Search:
        passes = None if allow is None else (lambda item: bool(allow[item]))

        def search(query: Floats, effort: int) -> Ints:
            index.set_ef(max(effort, FOUND))
            try:
                return np.asarray(index.knn_query(query, FOUND, num_threads=1, filter=passes)[0][0], dtype=np.int64)
            except RuntimeError:  # it found fewer, and says so in no other way
                return np.empty(0, np.int64)

        return search

    return Built(among(None), lambda path: index.save_index(str(path)), among)


LIBRARIES = {
    "faiss-cpu 1.15.1, IVF SQ8": Library(
        ivf, None, "September 2026", "MIT", "one for every Python from 3.10", "inside the search"
    ),
    "usearch 2.26.6, HNSW": Library(
        usearch, "usearch", "October 2026", "Apache-2.0", "3.11 and newer", "none in Python"
    ),
    "hnswlib 0.8.0, HNSW": Library(
        hnswlib, "hnswlib", "December 2023", "Apache-2.0", "none: needs a compiler", "a Python call an item"
    ),
}  # fmt: skip


def work(sizes: list[int], *, force: bool) -> int:
    """Measure every library and write the result; returns 0."""
    size = sizes[0] if sizes else SIZE
    prepare(size)
    busy = machine.require_quiet(force=force)
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    result: dict[str, Any] = {
        "command": f"python -m bench index-libraries --rows {size:_}", "items": size, "queries": QUERIES, "found": {},
        "busy_before": busy, "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "faiss-cpu"),
    }  # fmt: skip
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    for name, library in LIBRARIES.items():
        command = [str(peers.python(library.environment)), "-m", "bench.near_libraries", name]
        result["found"][name] = child.run(command, env=alone)
        print(json.dumps({name: result["found"][name]}), file=sys.stderr)
        RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


def prepare(size: int) -> None:
    """Write vectors, queries, a filter, and the exact lists with and without it."""
    from bench import near_vectors

    vectors, histories = near_vectors.resampled(size), near_vectors.learned()[1]
    rng = np.random.default_rng(0)
    histories = rng.permutation(histories[(histories != 0).any(axis=1)])
    allow = rng.random(size) < SHARE
    best = {}
    for name, mask in (("all", None), ("some", allow)):
        lists = []
        for query in histories[:QUERIES]:
            scores = vectors @ query
            if mask is not None:
                scores[~mask] = -np.inf
            lists.append(np.argpartition(-scores, K)[:K].copy())  # a view would keep all of them
        best[name] = np.stack(lists)
    WORK.mkdir(parents=True, exist_ok=True)
    np.save(WORK / "vectors.npy", vectors)
    np.savez(WORK / "asked.npz", queries=histories, allow=allow, **best)


def _queries() -> Floats:
    with np.load(WORK / "asked.npz") as arrays:
        return np.ascontiguousarray(arrays["queries"])


def measure(name: str) -> dict[str, Any]:
    """One library: its build, its file, and recall and time of a list by effort, and with the filter."""
    vectors, before = np.load(WORK / "vectors.npy"), machine.peak_mib()
    with np.load(WORK / "asked.npz") as arrays:
        queries, allow, best, some = (arrays[key] for key in ("queries", "allow", "all", "some"))
    queries = np.ascontiguousarray(queries[:QUERIES])
    start = time.process_time()
    built = LIBRARIES[name].build(vectors)
    seconds, path = time.process_time() - start, WORK / "of-a-library"
    built.save(path)
    size = path.stat().st_size / 2**20
    path.unlink()
    efforts = [_lists(built.search, vectors, queries, best, effort) for effort in EFFORTS]
    enough = next((one["effort"] for one in efforts if one["recall"] >= ASKED), EFFORTS[-1])
    filtered = None
    if built.among is not None:
        filtered = _lists(built.among(allow), vectors, queries, some, enough)
    return {
        "build_seconds": round(seconds, 1), "file_mib": round(size, 1), "efforts": efforts, "filtered": filtered,
        "vectors_mib": before, "peak_mib": machine.peak_mib(),
    }  # fmt: skip


def _lists(search: Search, vectors: Floats, queries: Floats, best: Ints, effort: int) -> dict[str, float]:
    """Recall and processor milliseconds of lists, one at a time; what is found is scored again."""
    search(queries[0], effort)
    right, start = 0, time.process_time()
    for query, exact in zip(queries, best, strict=True):
        found = search(query, effort)
        scores = vectors[found] @ query
        right += int(np.isin(found[np.argsort(-scores)[:K]], exact).sum())
    ms = 1000 * (time.process_time() - start) / len(queries)
    return {"effort": effort, "recall": round(right / best.size, 4), "ms": round(ms, 3)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
