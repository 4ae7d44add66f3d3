"""What a plan says, as plain data, and as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penchant.planning.look import Look
from penchant.planning.machine import Machine

if TYPE_CHECKING:
    from rich.console import RenderableType

STEPS = ("read", "fit", "save", "answer")
HEAD = ("model", "read", "fit", "save", "answer all", "in all", "memory", "")
SEEN = {
    "log": "the log that was read",
    "file": "the whole log was read",
    "sample": "estimated from a sample of the log",
    "numbers": "planned by numbers alone: popularity by Zipf's law, log-normal histories",
}
MIB, GIB = 2**20, 2**30


@dataclass(frozen=True)
class Step:
    """One step of the work: its seconds, and the memory of the process while it lasts."""

    name: str
    seconds: float
    bytes: int

    def to_json(self) -> dict[str, Any]:
        return {"step": self.name, "seconds": round(self.seconds, 3), "bytes": self.bytes}


@dataclass(frozen=True)
class ModelPlan:
    """What one model takes; ``steps`` is empty where that is not known, and ``notes`` say why."""

    label: str
    name: str
    steps: Sequence[Step]
    fits: bool
    at_most: bool = False  # training may stop by itself before
    extrapolated: bool = False  # the log is larger than what was measured
    saved: int = 0  # bytes of the folder
    advice: Sequence[str] = ()  # what would fit, where this does not
    notes: Sequence[str] = ()

    @property
    def seconds(self) -> float:
        """All steps together."""
        return sum(step.seconds for step in self.steps)

    @property
    def bytes(self) -> int:
        """The most memory of any step."""
        return max((step.bytes for step in self.steps), default=0)

    def __getitem__(self, name: str) -> Step:
        """A step by its name: read, fit, save or answer."""
        return next(step for step in self.steps if step.name == name)

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label, "model": self.name, "steps": [step.to_json() for step in self.steps],
            "seconds": round(self.seconds, 3), "bytes": self.bytes, "saved_bytes": self.saved, "fits": self.fits,
            "at_most": self.at_most, "extrapolated": self.extrapolated, "advice": list(self.advice),
            "notes": list(self.notes),
        }  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The plans of some models for one log on one machine."""

    log: Look
    machine: Machine
    models: Sequence[ModelPlan] = field(default_factory=list)

    def __getitem__(self, label: str) -> ModelPlan:
        """The plan of one model, by its label."""
        for model in self.models:
            if model.label == label:
                return model
        raise KeyError(f"{label!r}: the models are " + ", ".join(one.label for one in self.models))

    def to_json(self) -> dict[str, Any]:
        return {
            "log": self.log.to_json(),
            "machine": self.machine.to_json(),
            "models": [model.to_json() for model in self.models],
        }

    def table(self) -> RenderableType:
        """What ``rich`` prints: the log, a row per model, and what does not fit."""
        return _table(self)


def _table(plan: Plan) -> RenderableType:
    """What ``rich`` prints."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for number, name in enumerate(HEAD):
        rows.add_column(name, justify="right" if 0 < number < len(HEAD) - 1 else "left", overflow="fold")
    for model in plan.models:
        rows.add_row(*map(Text, _row(model)))
    lines = [Text(line) for line in (*_log(plan), *_machine(plan))]
    return Group(*lines, rows, *(Text(line) for line in _remarks(plan)))


def _log(plan: Plan) -> list[str]:
    shape = plan.log.shape
    who = "sessions" if shape.sessions else "users"
    size = f"{shape.events:,} events of {shape.users:,} {who} and {shape.items:,} items"
    return [f"{size}: {SEEN[plan.log.seen]}"]


def _machine(plan: Plan) -> list[str]:
    on = plan.machine
    memory = "unknown memory" if on.memory is None else f"{size_in_words(on.memory)} free"
    cores = f"{on.cores} core{'' if on.cores == 1 else 's'}"
    as_fast = ", each as fast as here" if on.given else ""
    return [f"{memory}, {cores}{as_fast}; times are of a machine that does nothing else, without compiling"]


def _row(model: ModelPlan) -> list[str]:
    if not model.steps:
        return [model.label, "", "", "", "", "", "", "; ".join(model.notes)]
    sign = "≤ " if model.at_most else ""
    times = [time_in_words(step.seconds) for step in model.steps]
    times[1] = sign + times[1]
    words = [] if model.fits else ["does not fit"]
    words += ["extrapolated"] if model.extrapolated else []
    total = sign + time_in_words(model.seconds)
    return [model.label, *times, total, size_in_words(model.bytes), ", ".join(words)]


def _remarks(plan: Plan) -> list[str]:
    out = []
    if any(model.at_most for model in plan.models):
        out.append("≤: at most; training may stop by itself before")
    usable = plan.machine.usable
    for model in plan.models:
        if not model.fits and usable is not None:
            needs = f"{model.label} needs {size_in_words(model.bytes)}, and {size_in_words(usable)} may be taken"
            out.append(f"{needs}. What would fit: {'; '.join(model.advice)}")
    return out


def time_in_words(seconds: float) -> str:
    """Seconds with a unit that people read at once."""
    if seconds < 0.05:
        return "0 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 100 * 3600 else f"{seconds / 86400:,.0f} days"


def size_in_words(size: float) -> str:
    """Bytes in MiB or GiB."""
    return f"{size / MIB:,.0f} MiB" if size < GIB else f"{size / GIB:,.1f} GiB"
