"""The judgement: every candidate and the active recipe on the same cases, the winner, and whether it may go live."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.evaluation.bootstrap import Estimate, by_group, ends, estimates, not_worse, resample
from penchant.evaluation.described import features_of
from penchant.evaluation.measure import Metric
from penchant.evaluation.protocols import is_ordered
from penchant.evaluation.result import Result
from penchant.models.kinds.base import Model
from penchant.models.registry import create, parse, to_json
from penchant.training.attempts import Attempt, Candidate, attempt_all
from penchant.training.choose import CLOSE, CLOSE_LISTS, LISTS, RATINGS
from penchant.training.loop.data import TrainingData
from penchant.training.loop.settings import AUTO, Gate, TrainSettings
from penchant.training.loop.stages import Stages

BASELINE, RATING_BASELINE = "popular", "bias"  # what a first model must not be worse than


@dataclass(frozen=True)
class Contender:
    """A recipe that is judged: a model with its parameters. ``excluded`` says why it cannot be chosen."""

    label: str
    model: Model
    reference: bool = False  # the active recipe, or the baseline where none is active
    unlimited: bool = False  # judged even if the budget is spent
    excluded: str = ""

    @property
    def recipe(self) -> str:
        """The model and its parameters as JSON."""
        return recipe_of(self.model)


@dataclass(frozen=True, eq=False)
class Standing:
    """A contender on the cases; ``error`` says why it has no value. ``difference`` is to the reference."""

    contender: Contender
    value: Estimate
    difference: Estimate
    fit_seconds: float = 0.0
    answer_ms: float = 0.0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        one = self.contender
        told: dict[str, Any] = {"label": one.label, **to_json(one.model), "reference": one.reference}
        if self.error is not None:
            return told | {"error": self.error}
        return told | {
            "value": self.value.to_json(), "difference": self.difference.to_json(),
            "fit_seconds": round(self.fit_seconds, 3), "answer_ms": round(self.answer_ms, 3),
            "excluded": one.excluded or None,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Judgement:
    """The standings, the winner (None: nobody can be chosen), and whether it may be fitted again and checked.

    ``passed`` is None where that cannot be told.
    """

    standings: Sequence[Standing]
    winner: Standing | None
    passed: bool | None
    why: str

    @property
    def reference(self) -> Standing:
        """The active recipe, or the baseline."""
        return next(one for one in self.standings if one.contender.reference)


def recipe_of(model: Model) -> str:
    """The model and its parameters as JSON; equal texts are equal recipes."""
    return json.dumps(to_json(model), sort_keys=True)


def contenders(settings: TrainSettings, data: TrainingData, metric: Metric, active: Model | None) -> list[Contender]:
    """The active recipe or the baseline first, then the models of the settings; each recipe once."""
    from penchant.evaluation.evaluate import label_of

    base = active or create(RATING_BASELINE if metric.of_ratings else BASELINE)
    found = [Contender(label_of(base), base, reference=True, unlimited=True)]
    for name in settings.models:
        if name != AUTO:
            model = parse(name)
            found.append(Contender(label_of(model), model, unlimited=True))
            continue
        shape = shape_of(data)
        listed = [one for one in (RATINGS if metric.of_ratings else LISTS) if one.fits is None or one.fits(shape)]
        found += [Contender(one.name, create(one.name)) for one in listed if _creatable(one.name)]
    once: dict[str, Contender] = {}
    for one in found:
        once.setdefault(one.recipe, one)
    return list(once.values())


def _creatable(name: str) -> bool:
    from penchant.errors import MissingExtraError

    try:
        create(name)
    except MissingExtraError:
        return False
    return True


def shape_of(data: TrainingData) -> LogShape:
    """What decides which models apply, and what they cost."""
    return LogShape.of(
        data.split.train, ordered=is_ordered(data.log), sessions=data.log.sessions, described=data.catalog is not None
    )


def judge(
    settings: TrainSettings,
    data: TrainingData,
    found: Sequence[Contender],
    metric: Metric,
    stages: Stages,
    *,
    run: Run,
    tell: Callable[[str], None],
) -> Judgement:
    """Fit every contender on what lies before the held-out part, and judge all on the same cases.

    The best by the metric wins, of those that are not worse than the active recipe by the margin. Among those within
    noise of it, the active recipe wins, so that the recipe does not change without a reason, else the first in the
    order of the settings.
    """
    attempts = _attempt(settings, data, found, metric, stages, run, tell)
    split = data.split
    there = [n for n, attempt in enumerate(attempts) if attempt.measured]
    if 0 not in there:
        empty = [
            Standing(one, Estimate(None), Estimate(None), error=a.error) for one, a in zip(found, attempts, strict=True)
        ]
        return Judgement(empty, None, None, f"{found[0].label} could not be judged: {attempts[0].error}")
    group = np.arange(len(split), dtype=np.int64) if split.group is None else split.group
    above, below = (
        by_group(np.hstack([getattr(attempts[n].measured[0], of) for n in there]), group) for of in ("sums", "counts")
    )
    drawn = resample(above, below, seed=settings.seed)
    root = metric.name == "rmse"
    values = estimates(above, below, drawn, roots=[root] * len(there))
    drawn = np.sqrt(drawn) if root else drawn
    sign = -1.0 if metric.lower_is_better else 1.0
    standings = []
    for n, (one, attempt) in enumerate(zip(found, attempts, strict=True)):
        if n not in there:
            standings.append(Standing(one, Estimate(None), Estimate(None), error=attempt.error))
            continue
        at = there.index(n)
        mean, base = values[at].mean, values[0].mean
        mean = None if mean is None or base is None else sign * (mean - base)
        difference = Estimate(mean, *ends(sign * (drawn[:, at] - drawn[:, 0])))
        standings.append(Standing(one, values[at], difference, attempt.fit_seconds, attempt.answer_ms))
    winner = _winner([standings[n] for n in there], drawn, metric, settings.gate.margin)
    return _passes(settings.gate, data, standings, winner, metric)


def _attempt(
    settings: TrainSettings,
    data: TrainingData,
    found: Sequence[Contender],
    metric: Metric,
    stages: Stages,
    run: Run,
    tell: Callable[[str], None],
) -> list[Attempt]:
    """The result of each contender: of an earlier run where it was kept; those of ``auto`` within the budget."""
    shape, features, start = shape_of(data), features_of(data.catalog, data.log), time.perf_counter()
    done: dict[int, Attempt] = {}
    order = sorted(
        range(len(found)), key=lambda n: (not found[n].unlimited, _estimate(found[n], shape, len(data.split)), n)
    )
    for n in order:
        one = found[n]
        kept = stages.attempt(one.recipe, one.label, len(data.split))
        if kept is not None:
            tell(f"{one.label}: judged before")
            done[n] = kept
            continue
        tell(f"{one.label}: fitting")
        left = settings.budget - (time.perf_counter() - start)
        if left <= 0 and not one.unlimited:
            done[n] = Attempt(one.label, error=f"not tried: the budget of {settings.budget:g} s is spent")
            continue
        candidate = Candidate(type(one.model).name, model=one.model)
        (done[n],) = attempt_all(
            [candidate], shape, [data.split], metric, budget=left, always=int(one.unlimited), features=features, run=run
        )
        if done[n].measured:
            stages.keep(one.recipe, done[n])
    return [done[n] for n in range(len(found))]


def _estimate(one: Contender, shape: LogShape, cases: int) -> float:
    return Candidate(type(one.model).name, model=one.model).estimate(shape, cases)


def _winner(there: Sequence[Standing], drawn: Any, metric: Metric, margin: float) -> Standing | None:
    """The best of those that pass the gate, or the first that is close to it; where nobody passes, the best."""
    sign = -1.0 if metric.lower_is_better else 1.0
    means = [-np.inf if one.contender.excluded or one.value.mean is None else sign * one.value.mean for one in there]
    limit = _limit(there[0], margin)
    passing = [n for n, one in enumerate(there) if means[n] > -np.inf and _low(one) >= limit]
    among = passing or [n for n in range(len(there)) if means[n] > -np.inf]
    if not among:
        return None
    best = max(among, key=lambda n: (means[n], -n))
    allowed = means[best] - CLOSE.get(metric.name, CLOSE_LISTS) * abs(means[best])
    for n in among:  # the reference is the first
        if means[n] >= allowed and not_worse(drawn[:, n], drawn[:, best], lower_is_better=metric.lower_is_better):
            return there[n]
    return there[best]


def _limit(reference: Standing, margin: float) -> float:
    """The least that the low end of a difference to the reference may be."""
    return -margin * abs(reference.value.mean or 0.0)


def _low(one: Standing) -> float:
    return -np.inf if one.difference.low is None else one.difference.low


def _passes(
    gate: Gate, data: TrainingData, standings: Sequence[Standing], winner: Standing | None, metric: Metric
) -> Judgement:
    reference = standings[0]
    if winner is None:
        why = "no candidate may be chosen: each was rolled back on this data, or may not be served"
        return Judgement(standings, None, False, why)
    if len(data.split) < gate.min_cases:
        why = f"the held-out part has {len(data.split):,} cases, {gate.min_cases:,} are needed (min_cases)"
        return Judgement(standings, winner, None, why)
    if reference.value.mean is None or winner.difference.mean is None:
        return Judgement(standings, winner, None, f"{metric} has no value on these cases")
    limit, label = _limit(reference, gate.margin), winner.contender.label
    if _low(winner) < limit:
        why = (
            f"{label} may be worse than {reference.contender.label} by more than {gate.margin:.1%}: {metric} differs "
            f"by {_told(winner.difference)}, the low end must be at least {limit:+.4f}"
        )
        return Judgement(standings, winner, False, why)
    if winner is not reference:
        why = (
            f"{label}: {metric} {winner.value.mean:.4f}, {_told(winner.difference)} against {reference.contender.label}"
        )
        return Judgement(standings, winner, True, why)
    return Judgement(standings, winner, True, _stays(standings, limit, metric))


def _stays(standings: Sequence[Standing], limit: float, metric: Metric) -> str:
    """Why the reference is the best of those that may be chosen."""
    label, others = standings[0].contender.label, standings[1:]
    if others and all(one.difference.mean is None for one in others):
        return f"none of {len(others)} candidates was judged (what stopped each stands beside it): {label} stays"
    why = f"no candidate beats {label} by {metric} beyond noise"
    unsure = [one for one in standings[1:] if (one.difference.mean or 0.0) > 0 and _low(one) < limit]
    if unsure:
        best = max(unsure, key=lambda one: one.difference.mean or 0.0)
        why += f"; {best.contender.label} may be better or worse: {_told(best.difference)}"
    return why


def _told(difference: Estimate) -> str:
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def results(judgement: Judgement, metric: Metric) -> list[Result]:
    """The standings as results of an evaluation, for the document beside the saved model."""
    best = judgement.winner
    return [
        Result(
            one.contender.label, type(one.contender.model).name, to_json(one.contender.model)["params"],
            {str(metric): one.value}, fit_seconds=one.fit_seconds, answer_ms=one.answer_ms, best=one is best,
            error=one.error,
        )
        for one in judgement.standings
    ]  # fmt: skip
