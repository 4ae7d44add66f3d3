"""What the automatic choice of a model answers; ``choose`` makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from penchant.evaluation.bootstrap import Estimate
    from penchant.evaluation.measure import Metric
    from penchant.models.kinds.base import Model

BUDGET = 60.0  # seconds
METRIC = "ndcg@10"
LEGEND = (
    "★ chosen; ≈ not worse than the best: the 95 % interval of the paired difference includes 0; simpler models come "
    "first"
)


@dataclass(frozen=True)
class Tried:
    """A candidate with its value on the cases; ``error`` says why there is none."""

    name: str
    value: Estimate
    fit_seconds: float
    answer_ms: float  # the median of single answers
    best: bool = False
    close: bool = False  # not worse than the best beyond noise
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        if self.error is not None:
            return {"name": self.name, "error": self.error}
        return {
            "name": self.name, **self.value.to_json(), "fit_seconds": round(self.fit_seconds, 3),
            "answer_ms": round(self.answer_ms, 2), "best": self.best, "not_worse_than_best": self.close,
        }  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """The chosen model, the candidates it was compared with, and the reason."""

    model: Model
    metric: Metric
    split: str
    cases: int
    tried: Sequence[Tried]
    why: str
    budget: float
    notes: Sequence[str] = ()
    repeat: bool = False  # seen items could be answers
    other: Choice | None = None  # the choice for the opposite ``repeat``, where repeats are common

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model.name, "why": self.why, "metric": str(self.metric), "split": self.split,
            "cases": self.cases, "repeat": self.repeat, "budget": self.budget,
            "models": [tried.to_json() for tried in self.tried], "notes": list(self.notes),
            "other": None if self.other is None else self.other.to_json(),
        }  # fmt: skip

    def table(self) -> RenderableType:
        """A table for ``rich``: every candidate with its interval and times, or its error; then the reason."""
        from penchant.evaluation.table import Wide, plain_group

        compared = [tried for tried in self.tried if tried.error is None]
        if not compared:
            return self.why
        rows = [
            [
                "★" if tried.name == self.model.name else "≈" if tried.close else "", tried.name,
                f"{tried.value.mean:.4f} [{tried.value.low:.4f}, {tried.value.high:.4f}]", f"{tried.fit_seconds:.2f}",
                f"{tried.answer_ms:.1f}",
            ]
            for tried in compared
        ]  # fmt: skip
        return plain_group([
            f"{self.split}: {self.cases:,} cases",
            *(f"  {note}" for note in self.notes),
            Wide(["", "model"], [str(self.metric), "fit s", "answer ms"], rows),
            *(f"– {tried.name}: {tried.error}" for tried in self.tried if tried.error is not None),
            LEGEND,
            self.why,
            *([] if self.other is None else [f"For lists without seen items: {self.other.why}"]),
        ])  # fmt: skip
