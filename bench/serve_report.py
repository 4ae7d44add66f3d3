"""The service section of ``docs/benchmarks.md``, from the result of ``python -m bench.serve_load``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _growth(result: dict[str, Any]) -> float | None:
    """Memory growth in MiB under mixed load, from the second minute to the last; None if not measured.

    The second minute is the baseline because by then everything has been touched once.
    """
    measured = result.get("mixed", {}).get("memory_mib", [])
    return round(float(measured[-1]) - float(measured[1]), 1) if len(measured) > 1 else None


# text, where to find the value, limit, whether higher is better
GOALS: tuple[tuple[str, Callable[[dict[str, Any]], float | None], float, bool], ...] = (
    ("answers a second, asked for 1,000", lambda r: _fastest(r)["answered_a_second"], 990.0, True),
    ("99th percentile of those answers, ms", lambda r: _fastest(r)["latency_ms"]["answer"]["p99"], 20.0, False),
    ("single events a second, 64 clients", lambda r: r["single_events"]["events_a_second"], 1_000.0, True),
    ("events a second in batches of 100", lambda r: r["batches"]["events_a_second"], 20_000.0, True),
    ("seconds from start to ready", lambda r: r["ready_seconds"], 3.0, False),
    ("seconds from start to ready after kill -9", lambda r: r.get("ready_after_kill_seconds"), 3.0, False),
    ("MiB that the process grew by in the minutes of everything together", _growth, 8.0, False),
)


def goals(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Each measured goal, with its value and whether it was met."""
    found = []
    for text, value, limit, at_least in GOALS:
        measured = value(result)
        if measured is not None:
            met = measured >= limit if at_least else measured <= limit
            found.append({"text": text, "value": measured, "limit": limit, "at_least": at_least, "met": met})
    return found


def lines(result: dict[str, Any]) -> list[tuple[str, str, dict[str, float]]]:
    """The loads: the request, the rate achieved per second, and the latencies."""
    bare = result["bare_fastapi"]
    found = [("a bare FastAPI route", _rate(bare["answered_a_second"]), bare["latency_ms"]["answer"])]
    found += [
        (
            f"answers, open loop of {one['asked_a_second']:,.0f} a second",
            _rate(one["answered_a_second"]),
            one["latency_ms"]["answer"],
        )
        for one in result["answers"]
    ]
    for name, part, kind in (("single events", "single_events", "event"), ("batches of 100", "batches", "batch")):
        one = result[part]
        label = f"{name}, {one['clients']} clients"
        found.append((label, _rate(one["events_a_second"], "events"), one["latency_ms"][kind]))
    return found


def memory(result: dict[str, Any]) -> str:
    """Memory growth of the process under mixed load."""
    mixed = result.get("mixed")
    if not mixed:
        return ""
    first, last = mixed["memory_mib"][0], mixed["memory_mib"][-1]
    minutes = len(mixed["memory_mib"])
    return f"{minutes} minutes of everything together: {first:.1f} MiB after the first, {last:.1f} after the last.\n"


def _fastest(result: dict[str, Any]) -> dict[str, Any]:
    return max(result["answers"], key=lambda one: float(one["asked_a_second"]))


def _rate(value: float, of: str = "answers") -> str:
    return f"{value:,.0f} {of}"
