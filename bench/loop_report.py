"""The section of ``docs/benchmarks.md`` about the loop: a log into a store and out again, a year, training beside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from bench.duel import RESULTS

Goals = Callable[[Iterable[dict[str, Any]]], str]
HEAD = """\
### The loop: a store as a log, a year of daily trainings, training beside the service
"""


def section(where: Callable[[dict[str, Any]], str], goals: Goals) -> str:
    """What was measured of it; empty if nothing was."""
    found = {name: _result(name) for name in ("store-import", "store-fit", "simulated-year", "train", "loop")}
    told = {name: result for name, result in found.items() if result is not None}
    if not told:
        return ""
    machines = list(dict.fromkeys(where(result["machine"]) for result in told.values()))
    commands = ", ".join(f"`{result['command']}`" for result in told.values())
    return "\n".join([HEAD, f"On {' and '.join(machines)}. Commands: {commands}\n", goals(_goals(told))])


def _result(name: str) -> dict[str, Any] | None:
    file = RESULTS / "serve" / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def _goals(told: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def goal(text: str, value: float, limit: float, *, at_least: bool = False) -> None:
        met = value >= limit if at_least else value <= limit
        found.append({"text": text, "value": value, "limit": limit, "at_least": at_least, "met": met})

    if one := told.get("store-import"):
        goal(f"events a second into an empty SQLite store, {one['events']:,}", one["events_a_second"], one["goal"],
             at_least=True)  # fmt: skip
    if one := told.get("store-fit"):
        goal(f"a fit from that store, {one['events']:,} events, over the time from Parquet", one["ratio"], one["goal"])
    if one := told.get("simulated-year"):
        days, growth = len(one["days"]), one["goals"]["growth"]
        goal(f"minutes of {days} days with daily trainings, {one['sent']:,} events", one["minutes"], 90)
        for name, what in (("store_mib", "size of the store"), ("memory_mib", "memory of the service")):
            goal(f"{what} on the last day over that on day {one['goals']['from_day']}", one[f"{name}_growth"], growth)
        goal(f"answers that failed, of {one['answers']:,}", one["failed_answers"], 0)
    if one := told.get("train"):
        goal("99th percentile of answers beside a training over that without", one["p99_ratio"], one["goal"])
    if one := told.get("loop"):
        wrong = sum(not holds for holds in one["checks"].values())
        goal(f"checks of the whole loop on a year of groceries that failed, of {len(one['checks'])}", wrong, 0)
    return found
