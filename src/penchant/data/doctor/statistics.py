"""The figures of a log: sizes, lengths of histories, popularity, times, cold items under a time split."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from penchant.core.histories import Longs
from penchant.data.interactions import Interactions

COLD_QUANTILE = 0.8


def describe(log: Interactions) -> dict[str, Any]:
    """Everything ``inspect`` prints about a log, as plain JSON values."""
    lengths = np.diff(log.indptr)
    key = np.unique(log.users * np.int64(max(1, log.n_items)) + log.items)
    popularity = np.bincount(key % max(1, log.n_items), minlength=log.n_items)
    seen = popularity[popularity > 0]
    cells = log.n_users * len(seen)
    return {
        "rows": log.report.rows,
        "events": len(log),
        "rejected": log.report.n_rejected,
        "users": log.n_users,
        "items": len(seen),
        "items_without_events": int(log.n_items - len(seen)),
        "pairs": len(key),
        "density_percent": round(100 * len(key) / cells, 4) if cells else 0.0,
        "sessions": log.sessions,
        "history": _spread(lengths),
        "popularity": {**_spread(seen), "gini": _gini(seen), "top_percent_share": _top_share(seen)},
        "values_are": log.values_are,
        "values": _values(log),
        "positives": len(log.histories().positives().items),
        "times": _times(log),
        "parts": {} if log.parts is None else _counts(log.parts),
        "cold": cold_share(log),
        "histograms": {"history": histogram(lengths), "popularity": histogram(seen)},
    }


def histogram(counts: Longs) -> list[dict[str, int]]:
    """How many of ``counts`` are 1, 2–3, 4–7, 8–15, ...: a list of ``{"from", "to", "count"}``."""
    counts = counts[counts > 0]
    if not len(counts):
        return []
    power = np.floor(np.log2(counts)).astype(np.int64)
    return [{"from": 2**p, "to": 2 ** (p + 1) - 1, "count": int(n)} for p, n in enumerate(np.bincount(power).tolist())]


def cold_share(log: Interactions, q: float = COLD_QUANTILE) -> dict[str, float] | None:
    """What a model trained on the first share ``q`` of the times would not know; None without times."""
    if log.times is None or not len(log):
        return None
    late = log.times >= np.quantile(log.times, q, method="higher")
    if late.all() or not late.any():
        return None
    known_items = np.zeros(log.n_items, dtype=np.bool_)
    known_items[log.items[~late]] = True
    known_users = np.zeros(log.n_users, dtype=np.bool_)
    known_users[log.users[~late]] = True
    test_users = np.unique(log.users[late])
    return {
        "quantile": q,
        "events": int(late.sum()),
        "events_of_cold_items": float(round((~known_items[log.items[late]]).mean(), 4)),
        "new_users": float(round((~known_users[test_users]).mean(), 4)),
    }


def _spread(counts: Longs) -> dict[str, float]:
    if not len(counts):
        return {}
    low, q1, middle, q3, p99, high = np.percentile(counts, [0, 25, 50, 75, 99, 100]).tolist()
    return {
        "min": low,
        "quarter": q1,
        "median": middle,
        "three_quarters": q3,
        "p99": round(p99, 1),
        "max": high,
        "mean": round(float(counts.mean()), 2),
    }


def _gini(counts: Longs) -> float:
    if not len(counts):
        return 0.0
    ordered = np.sort(counts).astype(np.float64)
    size = len(ordered)
    return round(float((2 * np.arange(1, size + 1) - size - 1) @ ordered / (size * ordered.sum())), 4)


def _top_share(counts: Longs) -> float:
    top = max(1, len(counts) // 100)
    return round(float(np.sort(counts)[-top:].sum() / max(1, counts.sum())), 4)


def _values(log: Interactions) -> dict[str, Any]:
    if log.values is None or not len(log):
        return {}
    out: dict[str, Any] = {
        "min": float(log.values.min()),
        "mean": round(float(log.values.mean(dtype=np.float64)), 4),
        "max": float(log.values.max()),
    }
    distinct, counts = np.unique(log.values, return_counts=True)
    if len(distinct) <= 21:
        out["counts"] = {f"{value:g}": int(count) for value, count in zip(distinct, counts, strict=True)}
    if log.values_are == "weight":
        out["dislikes"] = int((log.values < 0).sum())
    return out


def _times(log: Interactions) -> dict[str, Any]:
    if log.times is None or not len(log):
        return {}
    low, high = int(log.times.min()), int(log.times.max())
    return {"first": moment(low), "last": moment(high), "days": round((high - low) / 86_400, 1)}


def moment(seconds: int) -> str:
    """Unix seconds as ISO-8601 in UTC, or the number itself outside the calendar."""
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return str(seconds)


def _counts(parts: Any) -> dict[str, int]:
    names, counts = np.unique(parts, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
