"""``python -m bench.growth``: seconds of a SASRec pass against events, items and length, for the documentation.

Each point runs in its own process, so its memory is measured separately. Results are kept in
``bench/results/growth/passes.json``; points already there are not measured again.
"""

from __future__ import annotations

import json
import sys
from math import log10

import numpy as np

from bench import child, machine
from bench.peers import ROOT

RESULTS = ROOT / "bench" / "results" / "growth" / "passes.json"
PICTURE = ROOT / "docs" / "images" / "growth.svg"
EVENTS, ITEMS, LENGTH = 100_000, 10_000, 20  # the fixed values while another one grows
POINTS = {
    "events": [(n, ITEMS, LENGTH) for n in (10_000, 30_000, 100_000, 300_000)],
    "items": [(EVENTS, n, LENGTH) for n in (1_000, 10_000, 100_000, 1_000_000)],
    "length": [(EVENTS, ITEMS, n) for n in (5, 10, 20, 50, 100)],
}
PARAMS = {"factors": 64, "layers": 2, "loss": "sampled-softmax", "negatives": 512, "patience": None, "epochs": 2}
GIB_OF_A_MILLION = 8.0


def measure(events: int, items: int, length: int) -> dict[str, float]:
    """Time the second pass over random histories of equal length; also report peak memory."""
    from penchant.core.histories import Histories
    from penchant.models.registry import create

    rng, rows = np.random.default_rng(0), events // length
    drawn = (items * rng.random(rows * length) ** 2).astype(np.int32)
    log = Histories(np.arange(rows + 1, dtype=np.int64) * length, drawn, items)
    model = create("sasrec", {**PARAMS, "window": length})
    model.fit(log)
    return {"seconds": model.history[-1]["seconds"], "peak_mib": machine.peak_mib()}  # type: ignore[attr-defined]  # every network has it


def main() -> None:
    """Measure the missing points one at a time, then draw them all."""
    done = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"command": "python -m bench.growth", "points": {}}
    for point in dict.fromkeys(point for points in POINTS.values() for point in points):
        key = "{} events, {} items, length {}".format(*point)
        if key not in done["points"]:
            done["points"][key] = child.run([sys.executable, "-m", "bench.growth", *map(str, point)])
            print(key, done["points"][key], file=sys.stderr)
            done |= {"machine": machine.describe(), "versions": machine.versions("penchant", "numpy", "torch")}
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            RESULTS.write_text(json.dumps(done, indent=1) + "\n")
    PICTURE.write_text(picture(done["points"]))
    most = max(found["peak_mib"] for key, found in done["points"].items() if " 1000000 items" in key) / 1024
    print(f"a million items: {most:.1f} GiB at most ({'met' if most < GIB_OF_A_MILLION else 'MISSED'})")


def picture(points: dict[str, dict[str, float]]) -> str:
    """Three small charts with logarithmic axes."""
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 280" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        '<rect width="780" height="280" fill="white"/>',
    ]
    for number, (name, chosen) in enumerate(POINTS.items()):
        axis = list(POINTS).index(name)
        line = [(p[axis], points["{} events, {} items, length {}".format(*p)]["seconds"]) for p in chosen]
        x0, x1 = log10(line[0][0]), log10(line[-1][0])
        y0, y1 = log10(min(y for _, y in line) / 1.3), log10(max(y for _, y in line) * 1.3)
        left = 50 + 250 * number
        at = [(left + 185 * (log10(x) - x0) / (x1 - x0), 225 - 180 * (log10(y) - y0) / (y1 - y0)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        out.append(f'<text x="{left}" y="20" font-weight="bold">seconds a pass, by {name}</text>')
        out.append(f'<line x1="{left}" x2="{left + 190}" y1="230" y2="230" stroke="#999999"/>')
        out.append(f'<polyline points="{path}" fill="none" stroke="#1b6ca8" stroke-width="2"/>')
        for (x, y), (value, seconds) in zip(at, line, strict=True):
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#1b6ca8"/>')
            out.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{seconds:.2g}</text>')
            out.append(f'<text x="{x:.1f}" y="248" text-anchor="middle">{value:,}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure(*map(int, sys.argv[1:]))))
    else:
        main()
