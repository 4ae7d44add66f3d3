"""The baseline gate: which models beat the strong classical ones, at what cost, and which are not worth it.

A model beats another where the 95 % interval of the paired difference (bootstrap over users, the same draws for all)
lies above zero. A deep model that does not beat every baseline is not worth its cost: the field's record (Ferrari
Dacrema, Cremonesi and Jannach 2019) makes that the null hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.core.metrics import Doubles
from penchant.evaluation.result import Result
from penchant.models.registry import MODELS, model_class

BASELINES = ("popular", "item-knn", "transitions", "ease", "als")
OF_ORDER = "transitions"  # nothing that a log without order could be asked for
RULE = "one model beats another where the 95 % interval of the paired difference lies above 0"


@dataclass(frozen=True)
class Difference:
    """A model's mean minus a baseline's (of errors the other way round), with its 95 % interval."""

    baseline: str  # its label
    mean: float
    low: float
    high: float

    @property
    def beats(self) -> bool:
        """Whether the model is above the baseline beyond noise."""
        return self.low > 0

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True)
class Judged:
    """A model that is no baseline; ``worth_it`` is None where it beats all that were compared, but some are missing."""

    label: str
    deep: bool
    against: Sequence[Difference]  # the strongest baseline first
    worth_it: bool | None
    cost: str

    @property
    def beaten(self) -> list[str]:
        return [one.baseline for one in self.against if one.beats]

    @property
    def not_beaten(self) -> list[str]:
        return [one.baseline for one in self.against if not one.beats]

    def __str__(self) -> str:
        if not self.against:
            return f"{self.label}: no baseline to hold it against. {self.cost}"
        if self.not_beaten:
            said = f"{self.label} {'is not worth it: it ' if self.deep else ''}does not beat "
            said += _listed(f"{d.baseline} ({d})" for d in self.against if not d.beats)
            return f"{said}. {self.cost}"
        first = self.against[0]
        return f"{self.label} beats {_listed(self.beaten)}: {first} over {first.baseline}. {self.cost}"


@dataclass(frozen=True)
class Verdict:
    """What the evaluation says about every model that is no baseline."""

    metric: str
    baselines: Sequence[str]  # labels, the best first; of several of one name the best
    models: Sequence[Judged]
    missing: Sequence[str] = ()  # names of baselines that nobody asked for
    refused: Sequence[str] = ()  # labels of those that were, and could not be fitted
    untuned: Sequence[str] = ()  # labels of baselines that stand at their defaults

    def __getitem__(self, label: str) -> Judged:
        """What is said of one model, by its label."""
        for model in self.models:
            if model.label == label:
                return model
        raise KeyError(f"{label!r}: the verdict is about " + (", ".join(one.label for one in self.models) or "nobody"))

    def to_json(self) -> dict[str, Any]:
        """The ``verdict`` of the evaluation's JSON."""
        return {
            "metric": self.metric,
            "baselines": list(self.baselines),
            "missing": list(self.missing),
            "refused": list(self.refused),
            "untuned": list(self.untuned),
            "models": [
                {
                    "label": model.label,
                    "deep": model.deep,
                    "worth_it": model.worth_it,
                    "beats": model.beaten,
                    "does_not_beat": model.not_beaten,
                    "against": [
                        {"label": d.baseline, "difference": {"mean": d.mean, "low": d.low, "high": d.high}}
                        for d in model.against
                    ],
                    "says": str(model),
                }
                for model in self.models
            ],
        }

    def lines(self) -> list[str]:
        """The verdict as it stands below the table."""
        head = f"verdict by {self.metric}: {RULE}"
        if self.baselines:
            head += f"; the baselines, best first: {', '.join(self.baselines)}"
        out = [head, *(f"  {model}" for model in self.models)]
        if self.missing:
            asked = " ".join(f"-m {name}" for name in self.missing)
            out.append(f"  not compared with {_listed(self.missing)}: add {asked} before you believe in a model")
        if self.refused:
            out.append(f"  could not be fitted here, so nothing had to beat it: {_listed(self.refused)}")
        if self.untuned and self.models:
            out.append(
                f"  at its defaults: {_listed(self.untuned)}; a baseline is fair when it is tuned (penchant tune "
                "NAME -o FILE.json, then -m @FILE.json)"
            )
        return out


def judge(
    results: Sequence[Result],
    drawn: Doubles,
    metric: str,
    *,
    lower_is_better: bool = False,
    ordered: bool = True,
    refused: Mapping[str, str] | None = None,
) -> Verdict:
    """The verdict on ``results``, whose bootstrap means of the metric are the columns of ``drawn`` (draws, models).

    ``ordered`` says whether the log has an order: without one ``transitions`` is no baseline that is missed.
    ``refused`` are the models that could not be fitted, their names by their labels.
    """
    sign = -1.0 if lower_is_better else 1.0
    values = {n: sign * mean for n, one in enumerate(results) if (mean := one.metrics[metric].mean) is not None}
    best: dict[str, int] = {}
    for n in sorted(values, key=lambda n: -values[n]):  # equal ones stay in the order they were asked in
        if results[n].name in BASELINES:
            best.setdefault(results[n].name, n)
    gone = {label: name for label, name in (refused or {}).items() if name in BASELINES and name not in best}
    asked = {*best, *gone.values()}
    missing = [name for name in BASELINES if name not in asked and (ordered or name != OF_ORDER)]
    judged = []
    for n, value in values.items():
        if results[n].name in BASELINES:
            continue
        against = [
            _difference(results[b].label, value - values[b], sign * (drawn[:, n] - drawn[:, b])) for b in best.values()
        ]
        beats_all = all(one.beats for one in against)
        worth = None if beats_all and (missing or not against) else beats_all
        rival = results[next(iter(best.values()))] if best else None
        deep = is_deep(results[n].name, results[n].params)
        judged.append(Judged(results[n].label, deep, against, worth, _cost(results[n], rival)))
    at_defaults = [results[n].label for n in best.values() if _stands_at_defaults(results[n])]
    return Verdict(metric, [results[n].label for n in best.values()], judged, missing, list(gone), at_defaults)


def _difference(label: str, mean: float, drawn: Doubles) -> Difference:
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (0.0, 0.0)
    return Difference(label, float(mean), float(low), float(high))


def is_deep(name: str, params: dict[str, Any]) -> bool:
    """Whether a model, or one inside it, is a neural one."""
    inner = params.get("members") or ()
    return MODELS.get(name, ("", "", ""))[2] == "neural" or any(
        is_deep(one["model"], one.get("params", {})) for one in inner if isinstance(one, dict) and "model" in one
    )


def _stands_at_defaults(result: Result) -> bool:
    """Whether nothing that the tuner looks at differs from its default."""
    if result.name not in MODELS:
        return False
    fields = [f for f in model_class(result.name).hyper_parameters() if f.metadata["hyper"]["space"] is not None]
    return bool(fields) and all(result.params.get(f.name) == f.default for f in fields)


def _cost(result: Result, rival: Result | None) -> str:
    """Fit, answer and size in words, with those of the strongest baseline beside them."""
    said = f"It costs {_price(result)}"
    return said + (f"; {rival.label} {_price(rival)}" if rival is not None else "")


def _price(result: Result) -> str:
    answer = "" if result.answer_ms is None else f"{result.answer_ms:.1f} ms an answer, "
    return f"{result.fit_seconds:.1f} s to fit, {answer}{result.size_mib:.1f} MiB"


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
