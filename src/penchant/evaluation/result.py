"""What an evaluation found about one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from penchant.evaluation.bootstrap import Estimate


@dataclass(frozen=True)
class Result:
    """One model: its estimates over all cases and, where both occur, over warm and new people separately."""

    label: str
    name: str
    params: dict[str, Any]
    metrics: dict[str, Estimate]
    segments: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    fallback_share: float = 0.0
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    compile_seconds: float = 0.0  # compiling and loading kernels, which is in neither of the two above
    peak_mib: float = 0.0
    answer_ms: float | None = None  # median of single answers; None where only ratings are predicted
    size_mib: float = 0.0  # of the saved model
    best: bool = False
    not_worse_than_best: bool = False
    notes: Sequence[str] = ()  # what fit reports
    error: str | None = None  # why the model has no numbers

    def to_json(self) -> dict[str, Any]:
        metrics = {}
        for name, estimate in self.metrics.items():
            metrics[name] = estimate.to_json() | {
                segment: found[name].to_json() for segment, found in self.segments.items() if name in found
            }
        document = {
            "label": self.label,
            "name": self.name,
            "params": self.params,
            "metrics": metrics,
            "fallback_share": self.fallback_share,
            "fit_seconds": round(self.fit_seconds, 4),
            "score_seconds": round(self.score_seconds, 4),
            "compile_seconds": round(self.compile_seconds, 4),
            "peak_mib": round(self.peak_mib, 2),
            "answer_ms": None if self.answer_ms is None else round(self.answer_ms, 3),
            "size_mib": round(self.size_mib, 3),
            "best": self.best,
            "not_worse_than_best": self.not_worse_than_best,
        }
        return document if self.error is None else {**document, "error": self.error}
