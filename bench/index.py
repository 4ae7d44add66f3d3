"""``python -m bench index``: lists from an index against exact ones, by the number of items and by filter.

Vectors are those of ``bench.near_vectors``; each size runs in a process of its own. The index is built on two threads,
a list is found on one; times are processor times. Ten million items (``--rows 1e7``) need about 5 GB of memory: 2.6 for
the vectors, .7 for the index, .6 for the coarse exact pass. Writes ``bench/results/index/ITEMS.json``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import child, machine, near_vectors
from bench.peers import ROOT
from penchant.core.histories import Bools, Floats, Histories, Ints
from penchant.core.nearest_items import HISTORIES, RECALL, build
from penchant.core.rank import rank
from penchant.models.kinds.vector import VectorModel

RESULTS = ROOT / "bench" / "results" / "index"
SIZES = (1_000_000,)
SHARES = (1.0, 0.5, 0.01, 0.0001)  # of the items that pass a filter
LISTS, K, BUILDERS = 100, 10, 2
MS, BUILD_MINUTES, BUILD_MIB = 5.0, 60.0, 12 * 1024.0  # the goals


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


def work(sizes: list[int], *, force: bool) -> int:
    """Measure every size, write the results and print the goals; returns the number of missed ones."""
    missed = 0
    for size in sizes or SIZES:
        near_vectors.learned()  # so that no process counts their fit
        busy = machine.require_quiet(force=force)
        found = child.run(
            [sys.executable, "-m", "bench.index", str(size)], env={**os.environ, "OMP_WAIT_POLICY": "passive"}
        )
        result = {
            "command": f"python -m bench index --rows {size:_}", **found, "goals": goals(found), "busy_before": busy,
            "machine": machine.describe(), "versions": machine.versions("penchant", "numpy", "faiss-cpu"),
        }  # fmt: skip
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{size}.json").write_text(json.dumps(result, indent=1) + "\n")
        for goal in result["goals"]:
            print(f"{size:,} items: {goal['text']}: {goal['value']:.4g} ({'met' if goal['met'] else 'MISSED'})")
            missed += not goal["met"]
    return missed


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Each goal, with its value and whether it was met."""
    filters, planned = found["filters"], plan(found["items"])
    rows = [
        ("least recall@10 of exact lists, with every filter", min(row["recall"] for row in filters), RECALL, True),
        ("share of lists that are as long as exact ones", min(row["full"] for row in filters), 1.0, True),
        ("longest processor time of a list, with every filter, ms", max(row["ms"] for row in filters), MS, False),
        ("processor minutes of the build a core", found["build_seconds"] / 60 / BUILDERS, BUILD_MINUTES, False),
        ("peak memory of vectors and build, MiB", found["build_peak_mib"], BUILD_MIB, False),
        ("planned time of the build, times too long or too short", apart(planned[0], found["build_seconds"]), 2, False),
        ("planned memory, times too much or too little", apart(planned[1], found["build_peak_mib"]), 1.5, False),
    ]
    return [
        {
            "text": text, "value": round(value, 4), "limit": limit, "at_least": at_least,
            "met": value >= limit if at_least else value <= limit,
        }
        for text, value, limit, at_least in rows
    ]  # fmt: skip


def plan(items: int) -> tuple[float, float]:
    """What a plan says of the build: processor seconds, and MiB with the vectors and the programs."""
    from penchant.core.nearest_items import building
    from penchant.planning.coefficients import coefficients

    cost, known = building(items, near_vectors.FACTORS), coefficients()
    held = 4 * near_vectors.FACTORS * items + cost.held + cost.working
    return known.index["product"] * cost.products, (known.start["bytes"] + held) / 2**20


def apart(one: float, other: float) -> float:
    """How many times one figure is as large as the other, at least 1."""
    return max(one / other, other / one)


def measure(size: int) -> dict[str, Any]:
    """One size: the build, then lists with each filter."""
    _, histories = near_vectors.learned()
    rng = np.random.default_rng(size)
    histories = rng.permutation(histories[(histories != 0).any(axis=1)])[: HISTORIES + LISTS]
    model = Given(vectors=histories[-LISTS:])
    model.item_vectors, model.item_counts = near_vectors.resampled(size), np.ones(size, np.int64)
    start, wall = time.process_time(), time.perf_counter()
    model.index, said = build(model.item_vectors, None, histories[:HISTORIES], threads=BUILDERS)
    built, waited = time.process_time() - start, time.perf_counter() - wall
    if model.index is None:
        raise RuntimeError(said)
    peak = machine.peak_mib()
    print(json.dumps({**model.index.facts.to_json(), "build_seconds": built, "peak": peak}), file=sys.stderr)
    given, order = Histories.from_lists([[row] for row in range(LISTS)], size), np.arange(size, dtype=np.int32)
    filters = []
    for share in SHARES:
        allow = None if share == 1 else rng.random(size) < share
        near, near_ms = _lists(model, given, allow, order, exact=False)
        best, exact_ms = _lists(model, given, allow, order, exact=True)
        both = sum(np.isin(a, b[b >= 0]).sum() for a, b in zip(near, best, strict=True))
        full = float(((near >= 0).sum(axis=1) == (best >= 0).sum(axis=1)).mean())
        recall = round(float(both / (best >= 0).sum()), 4)
        filters.append({"share": share, "recall": recall, "ms": near_ms, "exact_ms": exact_ms, "full": full})
    return {
        **model.index.facts.to_json(), "build_seconds": round(built, 1), "build_wall_seconds": round(waited, 1),
        "build_peak_mib": peak, "filters": filters,
    }  # fmt: skip


def _lists(model: Given, given: Histories, allow: Bools | None, order: Ints, *, exact: bool) -> tuple[Ints, float]:
    """The lists one at a time, and processor milliseconds for each."""
    rank(model, given[:1], K, allow=allow, popularity_rank=order, threads=1, exact=exact)  # what the first call makes
    start = time.thread_time()
    rows = [
        rank(model, given[n : n + 1], K, allow=allow, popularity_rank=order, threads=1, exact=exact).items[0]
        for n in range(len(given))
    ]
    return np.stack(rows), round(1000 * (time.thread_time() - start) / len(given), 3)


if __name__ == "__main__":
    print(json.dumps(measure(int(float(sys.argv[1])))))
