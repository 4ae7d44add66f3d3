"""``python -m bench index``: lists from an index against exact ones, by the number of items and by filter.

Vectors are those of ``bench.near_vectors``; each size runs in a process of its own on one thread; the peak is that of
its whole run. Ten million (``--rows 1e7``) needs 2.6 GB for the vectors, .7 GB for the index and .6 GB for the
coarse exact pass. ``python -m bench.index ITEMS`` is one measurement.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import child, near_vectors
from penchant.core.histories import Bools, Floats, Histories, Ints
from penchant.core.nearest_items import HISTORIES, build
from penchant.core.rank import rank
from penchant.models.kinds.vector import VectorModel

SIZES = (100_000, 1_000_000)
SHARES = (1.0, 0.5, 0.01, 0.0001)  # of the items that pass a filter
LISTS, K = 200, 10


@dataclass(kw_only=True)
class Given(VectorModel):
    """A model of ready vectors: row ``r`` is asked for by a history of the one item ``r``."""

    vectors: Floats | None = None

    name = "given"

    def _fit(self, train: Histories, valid: object, run: object) -> None:
        raise NotImplementedError

    def embed(self, given: Histories) -> Floats:
        """The ready vectors."""
        assert self.vectors is not None
        return self.vectors[given.items]


def work(sizes: list[int]) -> int:
    """Measure every size and print what was found; returns the number of missed goals."""
    missed = 0
    for size in sizes or SIZES:
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        found = child.run([sys.executable, "-m", "bench.index", str(size)], env=alone)
        print(json.dumps(found, indent=1))
        missed += sum(row["recall"] < found["asked"] or not row["full"] for row in found["filters"])
    return missed


def measure(size: int) -> dict[str, Any]:
    """One size: the build, then lists with each filter."""
    import resource

    _, histories = near_vectors.learned()
    rng = np.random.default_rng(size)
    histories = rng.permutation(histories[(histories != 0).any(axis=1)])[: HISTORIES + LISTS]
    model = Given(vectors=histories[-LISTS:])
    model.item_vectors, model.item_counts = near_vectors.resampled(size), np.ones(size, np.int64)
    start = time.process_time()
    model.index, said = build(model.item_vectors, None, histories[:HISTORIES], threads=1)
    built = time.process_time() - start
    if model.index is None:
        raise RuntimeError(said)
    given, order = Histories.from_lists([[row] for row in range(LISTS)], size), np.arange(size, dtype=np.int32)
    filters = []
    for share in SHARES:
        allow = None if share == 1 else rng.random(size) < share
        near, near_ms = _lists(model, given, allow, order, exact=False)
        best, exact_ms = _lists(model, given, allow, order, exact=True)
        both = sum(np.isin(a, b[b >= 0]).sum() for a, b in zip(near, best, strict=True))
        row = {"share": share, "recall": round(float(both / (best >= 0).sum()), 4), "ms": near_ms, "exact_ms": exact_ms}
        filters.append({**row, "full": bool(((near >= 0).sum(axis=1) == (best >= 0).sum(axis=1)).all())})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        **model.index.facts.to_json(), "build_seconds": round(built, 1), "peak_mib": peak,
        "filters": filters,
    }  # fmt: skip


def _lists(model: Given, given: Histories, allow: Bools | None, order: Ints, *, exact: bool) -> tuple[Ints, float]:
    """The lists one at a time, and processor milliseconds for each."""
    rank(model, given[:1], K, allow=allow, popularity_rank=order, threads=1, exact=exact)  # what the first call makes
    start = time.process_time()
    rows = [
        rank(model, given[n : n + 1], K, allow=allow, popularity_rank=order, threads=1, exact=exact).items[0]
        for n in range(len(given))
    ]
    return np.stack(rows), round(1000 * (time.process_time() - start) / len(given), 3)


if __name__ == "__main__":
    print(json.dumps(measure(int(float(sys.argv[1])))))
