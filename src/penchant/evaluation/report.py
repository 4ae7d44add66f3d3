"""The result of an evaluation: numbers with their intervals, as a JSON document and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penchant.evaluation.bootstrap import Estimate
from penchant.evaluation.measure import Metric
from penchant.evaluation.result import Result
from penchant.evaluation.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

SEGMENTS = ("warm", "new")
WIDTH = 100  # characters per line where there is no terminal
COSTS = ("fallback", "fit s", "score s", "MiB")
COMPILED = 1.0  # seconds of compiling from which a column shows them


@dataclass(frozen=True)
class Evaluation:
    """Models compared on the same cases; ``primary`` is the metric that decides which is best."""

    split: str
    cases: int
    warm: int
    new: int
    cold_truth_share: float
    repeat: bool
    models: list[Result]
    primary: Metric
    left_out: int = 0  # cases without any true item
    notes: Sequence[str] = ()
    seed: int = 0
    verdict: Verdict | None = None  # None where the primary metric has no value per case

    def to_json(self) -> dict[str, Any]:
        """The JSON object of ``penchant evaluate --json``."""
        return {
            "split": {
                "name": self.split,
                "cases": self.cases,
                "warm": self.warm,
                "new": self.new,
                "cold_truth_share": self.cold_truth_share,
                "repeat": self.repeat,
            },
            "models": [model.to_json() for model in self.models],
            "verdict": None if self.verdict is None else self.verdict.to_json(),
        }

    def __getitem__(self, label: str) -> Result:
        """The result of one model by its label, or by its name where only one model has it."""
        found = [model for model in self.models if label == model.label]
        found = found or [model for model in self.models if label == model.name]
        if len(found) != 1:
            raise KeyError(f"{label!r}: the models are " + ", ".join(model.label for model in self.models))
        return found[0]

    def headline(self) -> str:
        """The split and its cases, in one line."""
        parts = [f"{self.split}: {self.cases:,} cases"]
        if self.warm and self.new:
            parts[0] += f" ({self.warm:,} warm, {self.new:,} new)"
        if self.left_out:
            parts.append(f"{self.left_out:,} without a true item left out")
        parts.append("seen items may be answers" if self.repeat else "seen items are not answers")
        parts.append(f"{self.cold_truth_share:.1%} of true items not in training")
        return ", ".join(parts)

    def table(self) -> RenderableType:
        """A table for ``rich``: means, the interval of the primary metric, times; warm and new people below."""
        from penchant.evaluation.table import Wide, plain_group

        rows = [(model, model.metrics) for model in self.models]
        names = [*self.models[0].metrics, *COSTS, *(["compiling s"] if self._compiled else [])]
        parts: list[RenderableType] = [self.headline(), *(f"  {note}" for note in self.notes)]
        parts.append(Wide(["", "model"], names, [self._row(model, metrics, costs=True) for model, metrics in rows]))
        parts += [f"– {model.label}: {model.error}" for model in self.models if model.error is not None]
        for segment in SEGMENTS:
            apart = [(model, model.segments[segment]) for model in self.models if segment in model.segments]
            if apart:
                cells = [self._row(model, metrics, costs=False) for model, metrics in apart]
                parts += [f"{segment} people only", Wide(["", "model"], list(apart[0][1]), cells)]
        parts.append(
            f"★ best by {self.primary}; ≈ not worse: the 95 % interval of the paired difference includes 0; "
            f"[low, high]: 95 % bootstrap interval over users or sessions, seed {self.seed}"
        )
        if self.verdict is not None:
            parts += ["", *self.verdict.parts()]
        return plain_group(parts)

    @property
    def _compiled(self) -> bool:
        """Whether kernels were compiled, as in the first run on a machine."""
        return any(model.compile_seconds >= COMPILED for model in self.models)

    def _row(self, model: Result, metrics: dict[str, Estimate], *, costs: bool) -> list[str]:
        cells = ["", model.label]
        cells += [self._cell(estimate, interval=name == str(self.primary)) for name, estimate in metrics.items()]
        if costs and model.error is None:
            cells[0] = "★" if model.best else "≈" if model.not_worse_than_best else ""
            cells += [f"{model.fallback_share:.1%}", f"{model.fit_seconds:.2f}", f"{model.score_seconds:.2f}"]
            cells.append(f"{model.peak_mib:.0f}")
            cells += [f"{model.compile_seconds:.1f}"] if self._compiled else []
        elif costs:
            cells += [""] * (len(COSTS) + self._compiled)
        return cells

    @staticmethod
    def _cell(estimate: Estimate, *, interval: bool) -> str:
        if estimate.mean is None:
            return "–"
        if interval and estimate.low is not None and estimate.high is not None:
            return f"{estimate.mean:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"
        return f"{estimate.mean:.4f}"

    def __str__(self) -> str:
        from io import StringIO
        from shutil import get_terminal_size

        from rich.console import Console

        out = StringIO()
        width = get_terminal_size((WIDTH, 0)).columns
        Console(file=out, width=width, no_color=True, markup=False, emoji=False).print(self.table())
        return out.getvalue().rstrip()
