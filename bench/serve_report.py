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


# parts of python -m bench serve-hostile
HOSTILE = {
    "alone": "alone",
    "heavy": "twelve clients with counts over everybody and reasons of long histories",
    "endless": "heads without an end",
    "idle": "more idle connections than are taken",
    "alone again": "alone again",
}


def hostile_goals(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The goals of light answers beside hostile callers."""
    parts = result["parts"]
    alone = (_p99(parts["alone"]) + _p99(parts["alone again"])) / 2
    ready = [part["ready_ms"] for name, part in parts.items() if name != "idle"]  # which leaves no connection for it
    values = [
        ("99th percentile of light answers beside heavy clients, over that alone", _p99(parts["heavy"]) / alone, 3.0),
        ("the same beside heads without an end", _p99(parts["endless"]) / alone, 3.0),
        ("the same beside idle connections", _p99(parts["idle"]) / alone, 3.0),
        ("slowest /readyz, ms", max(part["max"] for part in ready), 1000.0),
        ("/readyz that failed", float(sum(part["failed"] for part in ready)), 0.0),
        ("light answers that were not given", float(sum(_missing(part) for part in parts.values())), 0.0),
    ]
    return [
        {"text": text, "value": round(value, 3), "limit": limit, "at_least": False, "met": value <= limit}
        for text, value, limit in values
    ]


def hostile_lines(result: dict[str, Any]) -> list[tuple[str, dict[str, float], float, str]]:
    """Each part: what was beside, the latencies of light answers, the slowest /readyz, what the others got."""
    return [
        (
            HOSTILE[name],
            part["latency_ms"]["answer"],
            part["ready_ms"]["max"],
            ", ".join(f"{count:,} × {status}" for status, count in sorted(part["beside"].items())) or "-",
        )
        for name, part in result["parts"].items()
    ]


def workers_goals(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The goals of several workers: memory over a large model, and the rate that two of them answer."""
    asked, speed = result["goals"], result["speed"]
    wrong = sum(_wrong(one["most"]) + _missing(one["steady"]) for one in speed["rounds"] if one["workers"] > 1)
    values = [
        ("memory of four workers over that of one, a model of 2 GiB", result["memory_mib"]["ratio"], asked["memory"]),
        (f"99th percentile of two workers at {asked['rate']:,.0f} a second, ms", speed["p99_ms"][1], asked["p99_ms"]),
        ("answers that were not given, or not of ten items", wrong, 0),
    ]
    found = [
        {"text": text, "value": value, "limit": limit, "at_least": False, "met": value <= limit}
        for text, value, limit in values
    ]
    rate, least = speed["answered_a_second"][1], 0.99 * asked["rate"]
    text = f"answers a second of two workers, asked for {asked['rate']:,.0f}"
    return [{"text": text, "value": rate, "limit": least, "at_least": True, "met": rate >= least}, *found]


def workers_lines(result: dict[str, Any]) -> list[tuple[str, float, float, float, float]]:
    """By number of workers: most answers a second, those of the stated rate with their 99th percentile, and the
    processor time of an answer, ms."""
    speed = result["speed"]
    names = ("answers_a_second", "answered_a_second", "p99_ms", "cpu_ms_an_answer")
    counts = list(dict.fromkeys(one["workers"] for one in speed["rounds"]))
    return [(str(workers), *(float(speed[name][at]) for name in names)) for at, workers in enumerate(counts)]  # type: ignore[misc]  # four names


def _p99(part: dict[str, Any]) -> float:
    return float(part["latency_ms"]["answer"]["p99"])


def _missing(part: dict[str, Any]) -> int:
    return int(part["unanswered"]) + _wrong(part)


def _wrong(part: dict[str, Any]) -> int:
    return sum(count for status, count in part["statuses"].items() if not status.endswith(" 200"))


def _fastest(result: dict[str, Any]) -> dict[str, Any]:
    return max(result["answers"], key=lambda one: float(one["asked_a_second"]))


def _rate(value: float, of: str = "answers") -> str:
    return f"{value:,.0f} {of}"
