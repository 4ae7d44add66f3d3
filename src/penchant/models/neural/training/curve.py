"""Learning curves as a picture: an SVG that any browser shows, made without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 720, 320
LEFT, TOP, RIGHT, BOTTOM = 64, 32, 150, 44
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#8d5a97", "#b58900", "#555555")


def learning_curve(runs: Mapping[str, Sequence[Mapping[str, Any]]], key: str = "loss") -> str:
    """What ``key`` came to after each pass, a line a run; records as ``Run.watch`` and the log hold them."""
    lines = {
        name: [(float(r["epoch"]), float(r[key])) for r in records if r.get(key) is not None]
        for name, records in runs.items()
    }
    points = [point for line in lines.values() for point in line] or [(0.0, 0.0)]
    low, high = min(y for _, y in points), max(y for _, y in points)
    first, last = min(x for x, _ in points), max(x for x, _ in points)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first or 1)
        up = (y - low) / (high - low or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-weight="bold">{escape(key)} after each pass</text>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = at(first, low + share * (high - low))[1]
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{low + share * (high - low):.4g}</text>')
    marks = dict.fromkeys((first, (first + last) // 2, last))
    out += [f'<text x="{at(x, low)[0]:.1f}" y="{HEIGHT - 18}" text-anchor="middle">{x:g}</text>' for x in marks]
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 10}" y="{TOP + 14 + 18 * number}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
