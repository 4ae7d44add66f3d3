"""Predicted against measured: the part of ``docs/benchmarks.md`` about plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.plan import shape_of
from bench.plan_fit import log_of, results

MIB = 2**20
TIME, MEMORY = 2.0, 1.5  # goals: by how much a plan may be wrong
LEAST = 0.5  # seconds of all steps below which a factor says nothing

HEAD = """\
## Plans: predicted against measured

`penchant plan` says before a fit what it will take. Here every model was then run in a process of its own on one
thread, on logs of Zipf's law with as many rows as the column says (a person has twelve events on average, n rows have
2·n^0.6 items): processor seconds of reading, fitting, saving and a thousand answers, and the peak memory of the
process. A plain log has no ratings and no repeated items; in a dense one, people have 160 events; rows with a name are
real sets, to which nothing was fitted. Networks were trained for one pass. The seconds of each kind
of work were fitted to these measurements on this machine, so they say how well the formulas hold over sizes and models;
for another machine a calibration scales them. Goals: memory within a factor of 1.5, time of at least {least} s within a
factor of 2.
"""


@dataclass(frozen=True)
class Line:
    """One model at one size."""

    model: str
    rows: int
    plain: bool
    dense: bool
    source: str  # the real set, if it is one
    seconds: float
    took: float
    mib: float
    peak: float
    at_most: bool  # the plan is an upper bound

    @property
    def time_ratio(self) -> float:
        return max(self.seconds, LEAST) / max(self.took, LEAST)

    @property
    def memory_ratio(self) -> float:
        return self.mib / self.peak


def lines() -> list[Line]:
    """Every measurement beside what the plan says now; those of a model that has no coefficients yet are left out."""
    from penchant.planning.coefficients import coefficients

    known = coefficients().models
    return [_line(one) for one in (*results(), *results("[a-z]*-*.json")) if one["model"] in known]


def _line(one: dict[str, Any]) -> Line:
    from penchant.models.registry import parse
    from penchant.planning.estimate import estimate, scores
    from penchant.planning.look import Look
    from penchant.planning.machine import Machine
    from penchant.planning.plan import steps_of

    model, shape = parse(one["spec"]), shape_of(log_of(one))
    machine = Machine(None, 1, {"kernels": 1.0, "products": 1.0})  # the coefficients are of this machine
    took = estimate(model, shape, machine)
    if took is None:
        raise ValueError(f"{model.name} has no coefficients")
    planned = {step.name: step for step in steps_of(model, took, Look(shape, "log", "parquet", one["rows"]), machine)}
    spare = scores(shape.users, shape.items) - scores(one["answered"], shape.items)  # of people who were not asked
    planned["answer"] = replace(planned["answer"], bytes=round(planned["answer"].bytes - spare))
    answers = took.answer_seconds * one["answered"]
    seconds = sum(planned[name].seconds for name in ("read", "fit", "save")) + answers
    measured = one["steps"]
    spent = sum(measured[name]["cpu"] for name in ("start", "load", "read", "fit", "save", "answer"))
    return Line(
        one["spec"].removesuffix(":epochs=1,patience=none"), one["rows"], one.get("plain", False),
        one.get("dense", False), one.get("set", ""), seconds, spent,
        max(step.bytes for step in planned.values()) / MIB,
        max(measured[name]["peak_mib"] for name in ("read", "fit", "save", "answer")), took.at_most,
    )  # fmt: skip


def section(table: Any, where: Any) -> str:
    """The part of the page; ``table`` makes Markdown and ``where`` names a machine."""
    found = lines()
    if not found:
        return ""
    machine = next(one["machine"] for one in results() if "machine" in one)
    rows = [
        (
            line.model, _log(line), f"{line.seconds:.2f}", f"{line.took:.2f}", f"{line.time_ratio:.2f}",
            f"{line.mib:,.0f}", f"{line.peak:,.0f}", f"{line.memory_ratio:.2f}",
        )
        for line in found
    ]  # fmt: skip
    head = ("model", "rows", "planned s", "took s", "ratio", "planned MiB", "took MiB", "ratio")
    return "\n".join([
        HEAD.format(least=LEAST), f"On {where(machine)}. Command: `python -m bench plan`\n", summary(found),
        table(head, rows),
    ])  # fmt: skip


def summary(found: Sequence[Line]) -> str:
    """How many of the measurements are within the goals, and which are not."""
    late = [line for line in found if not _near(line.time_ratio, TIME, line)]
    large = [line for line in found if not _near(line.memory_ratio, MEMORY, line)]
    words = [f"{len(found)} measurements: time within the goal in {len(found) - len(late)}"]
    words += [f" (not {_named(late)})" if late else "", f", memory in {len(found) - len(large)}"]
    return "".join([*words, f" (not {_named(large)})" if large else "", ".\n"])


def _log(line: Line) -> str:
    return " ".join(
        filter(None, [line.source, f"{line.rows:,}", "dense" if line.dense else "", "plain" if line.plain else ""])
    )


def _near(ratio: float, factor: float, line: Line) -> bool:
    """Whether a ratio is within a factor; an upper bound may be far above."""
    return ratio >= 1 / factor and (line.at_most or ratio <= factor)


def _named(of: Sequence[Line]) -> str:
    return ", ".join(f"{line.model} at {line.source or format(line.rows, ',')}" for line in of)
