"""The trials of a search, and the parameter file that stores them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from penchant.core.outputs import replacing_file
from penchant.errors import DataError, PenchantError
from penchant.evaluation.measure import Metric
from penchant.models.registry import renewed


@dataclass(frozen=True)
class Trial:
    """One set of hyper-parameters: its mean after each step, and its outcome."""

    number: int
    params: dict[str, Any]
    steps: list[tuple[int, float]] = field(default_factory=list)  # (cases so far, mean so far)
    value: float | None = None  # over all cases; None: dropped or failed
    seconds: float = 0.0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        state = "failed" if self.error else "dropped" if self.value is None else "finished"
        return {
            "trial": self.number,
            "params": self.params,
            "state": state,
            "value": self.value,
            "steps": [list(step) for step in self.steps],
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        steps = [(int(cases), float(mean)) for cases, mean in data["steps"]]
        return cls(data["trial"], data["params"], steps, data["value"], float(data["seconds"]), data["error"])


@dataclass(frozen=True)
class Tuned:
    """The result of a search; ``to_json`` is the parameter file that ``-m @FILE.json`` reads."""

    model: str
    metric: Metric
    split: str
    seed: int
    trials: list[Trial]
    data: str  # fingerprint of the training data and the cases
    fixed: dict[str, Any]
    command: str = ""

    @property
    def best(self) -> Trial:
        """The finished trial with the best value, the earliest of equals; ``PenchantError`` where none finished."""
        finished = [trial for trial in self.trials if trial.value is not None]
        if not finished:
            failed = next((trial.error for trial in self.trials if trial.error), "no trial was made")
            raise PenchantError(f"tune {self.model}: no trial finished: {failed}")
        sign = -1 if self.metric.lower_is_better else 1
        return max(finished, key=lambda trial: (sign * (trial.value or 0.0), -trial.number))

    def to_json(self) -> dict[str, Any]:
        finished = any(trial.value is not None for trial in self.trials)
        best = self.best if finished else None
        return {
            "model": self.model,
            "params": best.params if best else self.fixed,
            "metric": str(self.metric),
            "value": best.value if best else None,
            "split": self.split,
            "command": self.command,
            "seed": self.seed,
            "trials": len(self.trials),
            "best_trial": best.number if best else None,
            "fixed": self.fixed,
            "data": self.data,
            "curve": [trial.to_json() for trial in self.trials],
        }


def earlier_trials(file: Path, now: Tuned) -> list[Trial]:
    """The trials of the same search in an existing file."""
    try:
        held = json.loads(file.read_bytes())
        trials = [Trial.from_json(trial) for trial in held["curve"]]
        trials = [replace(trial, params=renewed(now.model, trial.params)) for trial in trials]
        held["fixed"] = renewed(now.model, held["fixed"])
        asked = {"model": now.model, "metric": str(now.metric), "split": now.split, "seed": now.seed}
        asked |= {"fixed": now.fixed, "data": now.data}
        differs = [key for key, value in asked.items() if held.get(key) != json.loads(json.dumps(value))]
    except OSError as wrong:
        raise DataError(f"exists but cannot be read ({wrong.strerror})", file=str(file)) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError("exists but is not a parameter file", file=str(file), fix="Name another file.") from None
    if differs:
        words = {"data": "other data or another split", "fixed": "other fixed parameters"}
        said = ", ".join(words.get(key, f"{key} {held.get(key)!r}") for key in differs)
        raise DataError(f"holds another search: {said}", file=str(file), fix="Name another file, or remove this one.")
    return trials


def write(file: Path, found: Tuned) -> None:
    """Replace the file atomically; an interruption leaves the previous one. Raises ``OSError`` with the file's name."""
    with replacing_file(file) as fresh:
        fresh.write_text(json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
