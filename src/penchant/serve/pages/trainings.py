"""The trainings of a store on the page Models: from what, why a model is live or not, and the metric over time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from penchant.serve.pages.charts import nice
from penchant.store.trainings import ACTIVATED, REFUSED, ROLLED_BACK, Training

SHOWN = 20  # trainings in the list
POINTS = 200  # in the chart
WIDTH, HEIGHT, EDGE = 600.0, 120.0, 8.0
WORDS = {ACTIVATED: "went live"}


def told(trainings: Sequence[Training]) -> list[dict[str, Any]]:
    """The newest trainings, as the template shows them."""
    return [entry for one in trainings[:SHOWN] if (entry := _entry(one)) is not None]


def _entry(one: Training) -> dict[str, Any] | None:
    """One training; None for a document that another version wrote in another form."""
    try:
        document = one.document
        models = [_model(model, document["winner"]) for model in document["models"]]
        data = document["data"]
        return {
            "time": one.time, "name": one.name, "outcome": WORDS.get(one.outcome, one.outcome),
            "good": one.outcome == ACTIVATED, "bad": one.outcome in {REFUSED, ROLLED_BACK},
            "why": str(document["why"]), "metric": str(document["metric"]),
            "compared_with": document["compared_with"], "models": models,
            "checks": [{**check, "what": str(check["what"])} for check in document["checks"]],
            "sizes": [(name, int(data[name])) for name in ("events", "histories", "items")],
            "from": str(data["from"])[:10], "to": str(data["to"])[:10], "cases": int(data["used_cases"]),
            "held_out_from": str(data["held_out_from"])[:16].replace("T", " "),
        }  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _model(model: Mapping[str, Any], winner: str | None) -> dict[str, Any]:
    value, apart = model.get("value") or {}, model.get("difference") or {}
    return {
        "label": str(model["label"]), "reference": bool(model["reference"]), "won": model["label"] == winner,
        "error": model.get("error"), "excluded": model.get("excluded"), "value": _interval(value),
        "difference": _interval(apart),
    }  # fmt: skip


def _interval(found: Mapping[str, Any]) -> dict[str, float] | None:
    if any(found.get(part) is None for part in ("mean", "low", "high")):
        return None
    return {part: float(found[part]) for part in ("mean", "low", "high")}


def history(trainings: Sequence[Training]) -> dict[str, Any] | None:
    """The chart of the newest metric over time: the winner of each training with its interval, and the active recipe.

    None for fewer than two trainings with that metric.
    """
    entries = [entry for one in trainings[:POINTS] if (entry := _entry(one)) is not None]
    metric = entries[0]["metric"] if entries else ""
    points = []
    for entry in reversed(entries):
        best = next((one["value"] for one in entry["models"] if one["won"]), None)
        base = next((one["value"] for one in entry["models"] if one["reference"]), None)
        if entry["metric"] == metric and best is not None:
            points.append((entry, best, base))
    if len(points) < 2:
        return None
    top = nice(max(best["high"] for _, best, _ in points))
    first, last = points[0][0]["time"], max(entry["time"] for entry, _, _ in points)

    def across(moment: int) -> float:
        """Times may be equal, or go back with a clock."""
        share = float(min(1.0, max(0.0, (moment - first) / (last - first or 1))))
        return round(EDGE + share * (WIDTH - 2 * EDGE), 1)

    def up(value: float) -> float:
        return round(HEIGHT - EDGE - min(1.0, max(0.0, value / top)) * (HEIGHT - 2 * EDGE), 1)

    dots = [
        {"x": across(entry["time"]), "y": up(best["mean"]), "low": up(best["low"]), "high": up(best["high"]),
         "good": entry["good"], "said": f"{entry['outcome']}: {entry['metric']} {best['mean']:.4f}"}
        for entry, best, _ in points
    ]  # fmt: skip
    line = " ".join(f"{'L' if n else 'M'}{dot['x']} {dot['y']}" for n, dot in enumerate(dots))
    bases = [(across(entry["time"]), up(base["mean"])) for entry, _, base in points if base is not None]
    second = " ".join(f"{'L' if n else 'M'}{x} {y}" for n, (x, y) in enumerate(bases))
    return {"metric": metric, "top": top, "from": first, "to": last, "dots": dots, "line": line, "second": second}


def stale(created: object, limit: int | None, now: float | None = None) -> float | None:
    """The age in days of a model created at a time in ISO 8601, if it is at least ``limit`` seconds; else None."""
    if limit is None:
        return None
    try:
        age = (time.time() if now is None else now) - datetime.fromisoformat(str(created)).timestamp()
    except (ValueError, OverflowError):
        return None
    return age / 86_400 if age >= limit else None
