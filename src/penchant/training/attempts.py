"""Try models one after the other on the same cases, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from penchant.core.item_features import ItemFeatures
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.errors import MissingExtraError, PenchantError
from penchant.evaluation.costs import answer_ms
from penchant.evaluation.measure import Measured, Metric, measure
from penchant.kernels.compiling import CompileClock
from penchant.models.kinds.base import Model
from penchant.models.registry import create
from penchant.planning.check import too_large
from penchant.training.estimates import seconds

FIRST_CASES, MOST_CASES = 50, 2_000  # between two checks of the clock
STEP = 1.0  # seconds that a step should take
SPEEDS = (0.5, 3.0)  # bounds of the factor by which the work here differs from the estimates
SURE = 0.2  # least estimated seconds of a model that measures the speed of the machine


@dataclass(frozen=True)
class Candidate:
    """A model that may be tried: for which logs, and the seconds it needs where the usual estimate is wrong.

    ``model`` are its hyper-parameters; None: the defaults.
    """

    name: str
    fits: Callable[[LogShape], bool] | None = None
    seconds: Callable[[LogShape], float] | None = None
    model: Model | None = None

    def estimate(self, shape: LogShape, cases: int) -> float:
        """About how many seconds it takes here, by the plan: to fit, and to answer so many cases."""
        return self.seconds(shape) if self.seconds is not None else seconds(self.model or self.name, shape, cases)


@dataclass(frozen=True, eq=False)
class Attempt:
    """The result of a model on the cases, one ``Measured`` per split; ``error`` says why there is none."""

    name: str
    measured: Sequence[Measured] = ()
    fit_seconds: float = 0.0
    answer_ms: float = 0.0
    error: str | None = None


class _LateError(Exception):
    """Raised from the progress callback of a model that has no time left."""


@dataclass
class _Clock:
    """The deadline of the budget, and how fast this machine is against the estimates."""

    budget: float
    strict: bool = False  # without it there is no deadline
    speed: float = 1.0  # seconds needed per second estimated
    start: float = field(default_factory=time.perf_counter)

    def left(self) -> float:
        return self.budget - (time.perf_counter() - self.start) if self.strict else np.inf

    def look(self, needed: float = 0.0) -> None:
        """Raise where the time is over, or where ``needed`` more seconds do not fit."""
        if self.left() <= needed:
            raise _LateError

    def learn(self, estimated: float, took: float) -> None:
        """Adjust the speed to a model that finished."""
        if estimated >= SURE:
            self.speed = float(np.clip(took / estimated, *SPEEDS))


def attempt_all(
    candidates: Sequence[Candidate],
    shape: LogShape,
    splits: Sequence[Split],
    metric: Metric,
    *,
    budget: float,
    always: int,
    features: ItemFeatures | None,
    run: Run,
) -> list[Attempt]:
    """Every candidate on the cases of the splits, which share their training part; in the order of ``candidates``.

    The first ``always`` candidates have no deadline and come first. The others follow by their estimated time, the
    cheapest first, and stop when ``budget`` seconds are over. One that is estimated not to fit is not started.
    """
    clock, attempts = _Clock(budget), dict[int, Attempt]()
    planned = [one.estimate(shape, sum(map(len, splits))) for one in candidates]
    last = sorted(range(always, len(candidates)), key=planned.__getitem__)
    order = [*range(min(always, len(candidates))), *last]
    for done, number in enumerate(order):
        one = candidates[number]
        clock.strict = number >= always
        with _watched(run, f"comparing models · {one.name}", done, len(candidates), clock) as watched:
            attempts[number] = _attempt(one, planned[number], splits, metric, clock, features, watched)
    return [attempts[number] for number in range(len(candidates))]


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
    yield Run(run.seed, run.threads, run.device, progress, ignore_plan=run.ignore_plan)
    tell("", number + 1)


def _attempt(
    one: Candidate,
    estimated: float,
    splits: Sequence[Split],
    metric: Metric,
    clock: _Clock,
    features: ItemFeatures | None,
    run: Run,
) -> Attempt:
    start = time.perf_counter()
    needs = estimated * clock.speed
    if clock.left() <= 0:
        return Attempt(one.name, error=_not_tried(clock, needs))
    if needs > clock.left():
        return Attempt(one.name, error=f"not tried: it needs about {_lasting(needs)}, more than the budget leaves")
    try:
        model = create(one.name) if one.model is None else replace(one.model)
        if not run.ignore_plan and (why := too_large(model, splits[0].train)) is not None:
            return Attempt(one.name, error=f"not tried: {why}")
        with CompileClock() as compiling:
            model.fit(splits[0].train, run=run, features=features)
            fit_seconds = time.perf_counter() - start - compiling.seconds
            measured = [_measure(model, split, metric, clock, run) for split in splits]
            answered = answer_ms(model, splits[0], run)
    except Exception as wrong:  # noqa: BLE001  # whatever goes wrong in one candidate, the others are compared
        return Attempt(one.name, error=_reason(wrong, clock, time.perf_counter() - start))
    clock.learn(estimated, time.perf_counter() - start - compiling.seconds)
    return Attempt(one.name, measured, fit_seconds, answered)


def _reason(wrong: Exception, clock: _Clock, spent: float) -> str:
    """Why a candidate has no result, in words."""
    if isinstance(wrong, _LateError):
        said = f"stopped after {_lasting(spent)}" if spent >= 1 else "not tried"
        return f"{said}: the budget of {clock.budget:g} s is spent"
    if isinstance(wrong, MissingExtraError):
        return f"not tried: {wrong}"
    if isinstance(wrong, MemoryError):
        return str(wrong) or "there is not enough memory for it"
    return str(wrong) if isinstance(wrong, PenchantError) else f"failed ({type(wrong).__name__}: {wrong})"


def _measure(model: Model, split: Split, metric: Metric, clock: _Clock, run: Run) -> Measured:
    """Measure in steps of about a second, and stop as soon as the rest of the cases does not fit into the budget."""
    parts, lo, step = [], 0, FIRST_CASES
    while lo < len(split):
        began, hi = time.perf_counter(), min(lo + step, len(split))
        parts.append(measure(model, split.cases(np.arange(lo, hi)), [metric], run=run))
        took = time.perf_counter() - began
        # the first step may include loading kernels, so it decides nothing
        clock.look(0.0 if lo == 0 else took / (hi - lo) * (len(split) - hi))
        step = int(np.clip((hi - lo) * STEP / max(took, 1e-6), FIRST_CASES, MOST_CASES))
        lo = hi
    sums, counts = (np.concatenate([getattr(part, of) for part in parts]) for of in ("sums", "counts"))
    return Measured(sums, counts, {}, np.zeros(0, np.bool_))


def _not_tried(clock: _Clock, needs: float) -> str:
    said = f"not tried: the budget of {clock.budget:g} s is spent"
    return f"{said}; it needs about {_lasting(needs)}" if needs >= 1 else said


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
