"""The part of ``docs/benchmarks.md`` about the index over items."""

from __future__ import annotations

import json
from typing import Any

from bench.index import RESULTS
from bench.machine import BUSY
from bench.near_libraries import ASKED, LIBRARIES, RESULT, Library
from bench.near_vectors import FACTORS, NOISE

HEAD = f"""\
## An index over very many items

Item vectors of {FACTORS} factors are those that `als` learns on gowalla, drawn with replacement, plus normal noise of
{NOISE:g} times their length (`bench/near_vectors.py`). Histories are those of its test part; those that are asked for
lists have neither chosen the effort of the index nor measured its recall. Times are processor times; a list is found on
one thread, the index is built on two.
"""


def section(table: Any, where: Any, goals: Any) -> str:
    """The part of the page; ``table`` and ``goals`` make Markdown and ``where`` names a machine."""
    sizes = [
        json.loads(file.read_text()) for file in sorted(RESULTS.glob("[0-9]*.json"), key=lambda file: int(file.stem))
    ]
    parts = [HEAD, *(_size(result, table, where, goals) for result in sizes)]
    if RESULT.exists():
        parts.append(_libraries(json.loads(RESULT.read_text()), table, where))
    return "\n".join(parts) if len(parts) > 1 else ""


def _size(result: dict[str, Any], table: Any, where: Any, goals: Any) -> str:
    rows = [
        (f"{row['share']:.2%}", f"{row['recall']:.4f}", f"{row['ms']:.2f}", f"{row['exact_ms']:.1f}")
        for row in result["filters"]
    ]
    return "\n".join([
        f"### Lists out of {result['items']:,} items\n",
        f"{result['cells']:,} cells, of which {result['probes']} are read. Recall that the build measured, on",
        f"{result['histories']} histories: {result['recall']:.4f} of the 10 best and {result['recall_100']:.4f} of the",
        f"100 best. It took {result['build_seconds']:,.0f} processor seconds.",
        f"On {where(result['machine'])}.{_busy(result)}",
        f"Command: `{result['command']}`\n",
        goals(result["goals"]),
        table(("items that pass the filter", "recall@10", "ms", "exact, ms"), rows),
    ])  # fmt: skip


def _libraries(result: dict[str, Any], table: Any, where: Any) -> str:
    rows = [_row(name, LIBRARIES[name], found) for name, found in result["found"].items() if name in LIBRARIES]
    head = (
        "library", "released", "licence", "wheels", "filters", f"recall@10 of {ASKED} or more", "ms", "filtered to 1 %",
        "ms then", "build s", "file MiB", "peak MiB",
    )  # fmt: skip
    return "\n".join([
        f"### Libraries for it, over {result['items']:,} items\n",
        f"{result['queries']} histories, one thread for everything. Every library finds 50 items, which are scored",
        f"again exactly, with the least effort of 8, 16, 32, 64 and 128 that reaches {ASKED}; so it does",
        "with that effort for a filter that passes 1 % of the items.",
        f"On {where(result['machine'])}.{_busy(result)} Command: `{result['command']}`\n",
        table(head, rows),
    ])  # fmt: skip


def _row(name: str, library: Library, found: dict[str, Any]) -> tuple[str, ...]:
    best = next((one for one in found["efforts"] if one["recall"] >= ASKED), found["efforts"][-1])
    some = found["filtered"]
    return (
        name, library.released, library.licence, library.wheels, library.filters, f"{best['recall']:.3f}",
        f"{best['ms']:.2f}", f"{some['recall']:.3f}" if some else "-", f"{some['ms']:.2f}" if some else "-",
        f"{found['build_seconds']:.0f}", f"{found['file_mib']:.0f}", f"{found['peak_mib']:.0f}",
    )  # fmt: skip


def _busy(result: dict[str, Any]) -> str:
    return "" if result["busy_before"] <= BUSY else f" **The machine was busy** ({result['busy_before']:.0%} before)."
