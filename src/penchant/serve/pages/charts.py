"""Charts of the last two minutes, as SVG paths; the newest second is at the right end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from penchant.serve.pages.live_metrics import SECONDS

WIDTH, HEIGHT = 600.0, 100.0
Values = Sequence[float | None]


def nice(value: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50 … that is not smaller: the top of a scale."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def line(values: Values, top: float) -> str:
    """The line of the values, with a gap where there is none."""
    step, start = WIDTH / (SECONDS - 1), SECONDS - len(values)
    parts, pen = [], "M"
    for n, value in enumerate(values, start):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{n * step:.1f} {HEIGHT * (1 - min(1.0, value / top)):.1f}")
        pen = "L"
    return " ".join(parts)


def area(values: Values, top: float) -> str:
    """The area under a line without gaps."""
    if not values:
        return ""
    start = (SECONDS - len(values)) * WIDTH / (SECONDS - 1)
    return f"{line(values, top)} L{WIDTH:.1f} {HEIGHT:.1f} L{start:.1f} {HEIGHT:.1f} Z"


def span(low: float, mean: float, high: float, least: float, most: float) -> dict[str, float]:
    """An interval on a scale of 1000."""
    width = most - least or 1.0
    values = {"low": low, "mean": mean, "high": high}
    return {name: round(1000 * (value - least) / width, 1) for name, value in values.items()}
