"""Run ours and theirs in turn, each in its own process; report medians and whether the goal is met."""

from __future__ import annotations

import importlib
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import child, machine, peers

WORK = peers.ROOT / "bench" / ".work"
RESULTS = peers.ROOT / "bench" / "results"

Numbers = dict[str, Any]  # what a contender reports: seconds, peak_mib and anything else it measures
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Side:
    """The result of one side: the medians of its numbers over the rounds, and the arrays of its last round."""

    numbers: Numbers
    arrays: Arrays

    def __getitem__(self, key: str) -> Any:
        return self.numbers[key]


@dataclass(frozen=True)
class Goal:
    """One line of the verdict."""

    text: str
    value: float
    limit: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Question:
    """A comparison defined by a contender module; ``peer`` names the function that runs the other side, or is None."""

    title: str
    how: str
    prepare: Callable[[Path], None]
    judge: Callable[[Side, Side], list[Goal]]  # ours, theirs; without a peer, ours twice
    peer: str | None = None
    environment: str | None = None  # of the peer; None: our own
    rounds: int = 5


def names() -> list[str]:
    """The names of the available comparisons."""
    return sorted(p.stem.replace("_", "-") for p in (peers.ROOT / "bench" / "contenders").glob("[a-z]*.py"))


def question(name: str) -> Question:
    """Load the definition of a comparison."""
    found: Question = importlib.import_module(f"bench.contenders.{name.replace('-', '_')}").QUESTION
    return found


def run(name: str, *, rounds: int | None = None, force: bool = False) -> list[Goal]:
    """Measure one comparison and return its goals with their values.

    ``bench/results/NAME.json`` is written after every round, so what was measured before an interruption is kept.
    """
    module = name.replace("-", "_")
    asked = question(name)
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    asked.prepare(folder)
    sides = {"ours": peers.python(None)}
    if asked.peer:
        sides[asked.peer] = peers.python(asked.environment)
    busy = machine.require_quiet(force=force)
    stolen = machine.stolen()
    runs: dict[str, list[Numbers]] = {who: [] for who in sides}
    for number in range(rounds or asked.rounds):
        for who in sides if number % 2 == 0 else reversed(sides):  # alternate which side goes first
            numbers = child.contender(sides[who], module, who, folder, folder / f"{who}.npz")
            print(f"{name}: round {number + 1}, {who}: {json.dumps(numbers)}", file=sys.stderr)
            runs[who].append(numbers)
        medians = {who: _medians(of) for who, of in runs.items()}
        mine, other = (Side(medians[who], _load(folder, who)) for who in ("ours", asked.peer or "ours"))
        goals = asked.judge(mine, other)
        _write(name, asked, runs, medians, goals, {"busy_before": busy, "stolen_seconds": machine.stolen() - stolen})
    return goals


def _medians(runs: list[Numbers]) -> Numbers:
    """The median of every number; other values come from the first run."""
    return {
        key: statistics.median(run[key] for run in runs) if isinstance(value, (int, float)) else value
        for key, value in runs[0].items()
    }


def _load(folder: Path, who: str) -> Arrays:
    with np.load(folder / f"{who}.npz") as arrays:
        return dict(arrays)


def _write(
    name: str,
    asked: Question,
    runs: dict[str, list[Numbers]],
    medians: dict[str, Numbers],
    goals: list[Goal],
    quiet: dict[str, float],
) -> None:
    result = {
        "name": name,
        "title": asked.title,
        "how": asked.how,
        "peer": asked.peer,
        "command": f"python -m bench {name}",
        "rounds": len(runs["ours"]),
        "medians": medians,
        "seconds": {who: [run["seconds"] for run in of] for who, of in runs.items()},
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals],
        "machine": {**machine.describe(), **{key: round(value, 3) for key, value in quiet.items()}},
        "versions": machine.versions("penchant", "numpy", "scipy", "numba", "polars"),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
