"""Try models one after the other on the same cases, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.errors import MissingExtraError, PenchantError
from penchant.evaluation.costs import answer_ms
from penchant.evaluation.measure import Measured, Metric, measure
from penchant.models.registry import create

AT_ONCE = 500  # cases between two checks of the clock


@dataclass(frozen=True)
class LogShape:
    """What decides which candidates apply, and what they cost."""

    events: int
    items: int
    ordered: bool
    sessions: bool
    described: bool  # items have attributes or vectors


@dataclass(frozen=True)
class Candidate:
    """A model that may be tried: for which logs, and the seconds it needs where that can be estimated."""

    name: str
    fits: Callable[[LogShape], bool] | None = None
    seconds: Callable[[LogShape], float] | None = None


@dataclass(frozen=True, eq=False)
class Attempt:
    """The result of a model on the cases; ``error`` says why there is none."""

    name: str
    measured: Measured | None = None
    fit_seconds: float = 0.0
    answer_ms: float = 0.0
    error: str | None = None


class _LateError(Exception):
    """Raised from the progress callback of a model that has no time left."""


@dataclass
class _Clock:
    """The deadline; without ``strict`` there is none."""

    budget: float
    strict: bool = False
    start: float = field(default_factory=time.perf_counter)

    def left(self) -> float:
        return self.budget - (time.perf_counter() - self.start) if self.strict else np.inf

    def look(self) -> None:
        if self.left() <= 0:
            raise _LateError


def attempt_all(
    candidates: Sequence[Candidate],
    shape: LogShape,
    split: Split,
    metric: Metric,
    *,
    budget: float,
    always: int,
    features: ItemFeatures | None,
    run: Run,
) -> list[Attempt]:
    """Every candidate on the cases of the split; after ``budget`` seconds all but the first ``always`` are cut off."""
    clock, attempts = _Clock(budget), []
    for number, one in enumerate(candidates):
        clock.strict = number >= always
        with _watched(run, f"comparing models · {one.name}", number, len(candidates), clock) as watched:
            attempts.append(_attempt(one, shape, split, metric, clock, features, watched))
    return attempts


@contextmanager
def _watched(run: Run, stage: str, number: int, total: int, clock: _Clock) -> Iterator[Run]:
    """The run of one candidate: its progress goes to one bar for all, and each call checks the clock."""

    def tell(news: str, done: int) -> None:
        if run.progress is not None:
            run.progress(stage + news, done, total)

    def progress(inner: str, done: int, of: int) -> None:
        tell(f": {inner} {done / max(of, 1):.0%}", number)
        clock.look()

    tell("", number)
    yield Run(run.seed, run.threads, run.device, progress)
    tell("", number + 1)


def _attempt(
    one: Candidate,
    shape: LogShape,
    split: Split,
    metric: Metric,
    clock: _Clock,
    features: ItemFeatures | None,
    run: Run,
) -> Attempt:
    start, parts = time.perf_counter(), []
    try:
        clock.look()
        model = create(one.name)
        needs = 0.0 if one.seconds is None else one.seconds(shape)
        if needs > clock.left():
            return Attempt(one.name, error=f"not tried: it needs about {_lasting(needs)}, more than the budget leaves")
        model.fit(split.train, run=run, features=features)
        fit_seconds = time.perf_counter() - start
        for lo in range(0, len(split), AT_ONCE):
            clock.look()
            parts.append(measure(model, split.cases(np.arange(lo, min(lo + AT_ONCE, len(split)))), [metric], run=run))
        answered = answer_ms(model, split, run)
    except _LateError:
        spent = time.perf_counter() - start
        said = f"cut off after {spent:.0f} s" if spent >= 1 else "not tried"
        return Attempt(one.name, error=f"{said}: the budget of {clock.budget:g} s was spent")
    except MissingExtraError as missing:
        return Attempt(one.name, error=f"not tried: {missing}")
    except (PenchantError, MemoryError) as wrong:
        return Attempt(one.name, error=str(wrong) or "there is not enough memory for it")
    sums, counts = (np.concatenate([getattr(part, of) for part in parts]) for of in ("sums", "counts"))
    return Attempt(one.name, Measured(sums, counts, {}, np.zeros(0, np.bool_)), fit_seconds, answered)


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
