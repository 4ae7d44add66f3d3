"""The automatic choice of a model: the strong models are compared on a held-out part of the log.

Candidates are listed in order of preference: simple models, which explain themselves, come first. A budget of seconds
limits the comparison: ``popular`` and ``item-knn`` always finish; the others are tried by their estimated time, the
cheapest first, until the budget is spent.
The best by the metric is chosen, or the first in the list that is within noise of it. The same seed gives the same
result, unless the budget ran out; the notes say so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.errors import DataError, ParameterError
from penchant.evaluation.bootstrap import Estimate, by_group, estimates, not_worse, resample
from penchant.evaluation.cases import asked_ratings
from penchant.evaluation.described import features_of
from penchant.evaluation.measure import Metric, parse_metric, truth_sizes
from penchant.evaluation.protocols import choose as choose_split
from penchant.evaluation.protocols import is_ordered, make_splits, training_rows
from penchant.evaluation.repeats import repeat_share, repeat_warnings
from penchant.models.registry import create, model_class
from penchant.ranking.second_stage import SecondStage
from penchant.training.attempts import Attempt, Candidate, attempt_all
from penchant.training.choice import BUDGET, METRIC, Choice, Tried

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions

CASES = 4_000  # at most, drawn with the seed
FEW = 100  # cases below which a note mentions noise
HELD_USERS = 2_000  # to hold out where rows have no order, so that differences of a few percent can be told
USER_SHARES = (0.1, 0.4)  # least and most of the users that this may take
RARE = 0.01  # share of events that return to an item below which no answer of a session is one
COMMON = 0.2  # share of events that return to an item above which both questions are asked
CLOSE = {"rmse": 0.002, "mae": 0.002}  # how far from the best, relatively, a simpler model may be
CLOSE_LISTS = 0.02  # the same for list metrics
ENOUGH = 20_000  # events below which a transformer has too little data
DEFAULT_RUN = Run()

LISTS = (
    Candidate("popular"),
    Candidate("item-knn"),
    Candidate("transitions", lambda log: log.ordered),
    Candidate("session-knn", lambda log: log.sessions),
    Candidate("rp3beta"),
    Candidate("sparse-ease"),
    Candidate("ease"),
    Candidate("graph-filter"),
    Candidate("als"),
    Candidate("content-knn", lambda log: log.described),
    Candidate("user-knn"),
    Candidate("sasrec", lambda log: log.ordered and log.events >= ENOUGH),
    Candidate("ranked", lambda log: log.contexts or log.described),
)
RATINGS = (
    *map(Candidate, ("bias", "item-knn", "svd", "slope-one", "user-knn", "svdpp", "nmf")),
    Candidate("gbm-rating", lambda log: log.contexts or log.described),
)
ALWAYS = 2  # so many candidates have no time limit


def choose(
    log: Interactions,
    *,
    catalog: Catalog | None = None,
    metric: str = METRIC,
    budget: float = BUDGET,
    repeat: bool | None = None,
    run: Run = DEFAULT_RUN,
) -> Choice:
    """Compare the candidates on a held-out part of a log, and choose one; no model is fitted on the whole log.

    The split is the default of ``evaluate``: by time, the last event, or users left out; for ratings without an order,
    a random fifth of the rows. Rows marked ``test`` are not used. With ``metric`` ``rmse`` or ``mae`` the candidates
    are the models that predict ratings.

    ``repeat`` says whether seen items may be answers. With None they may in session logs, unless sessions never
    return to an item; where at least 20 % of the
    events return to an item, both questions are asked: the choice answers the one with seen items, and its ``other``
    the one without. Raises ``ParameterError`` for a metric without a value per case, and
    ``DataError`` where no row is a positive, or the log holds no ratings.
    """
    wanted = parse_metric(metric)
    if wanted.overall:
        raise ParameterError(f"{wanted} has no value per case: choose by an accuracy metric")
    if not budget > 0:
        raise ParameterError("the budget must be more than zero seconds")
    log.need_positives()
    used = training_rows(log)[0]
    if wanted.of_ratings and used.values_are != "rating":
        raise DataError(f"{wanted}: the log holds no ratings", fix="Read it with its column of ratings")
    share = repeat_share(used)
    if repeat is None and used.sessions and share < RARE:
        repeat = False  # baskets, say: lists that may hold seen items would only waste places
    both = repeat is None and not used.sessions and not wanted.of_ratings and share >= COMMON
    questions = [True, False] if both else [repeat]
    try:
        held = [_held_out(used, wanted, run.seed, question) for question in questions]
    except DataError as wrong:
        name = (RATINGS if wanted.of_ratings else LISTS)[0].name
        why = f"{name} is chosen: no part of this log can be held out to compare models on ({wrong})"
        return Choice(create(name), wanted, "none", 0, (), why, budget)
    splits = [split for split, _ in held]
    features = features_of(catalog, log)
    if features is not None and not features.names and features.vectors is None:
        features = None
    from penchant.kernels.compiling import told_of_compiling

    shape = LogShape.of(
        splits[0].train, ordered=is_ordered(used), sessions=used.sessions, described=features is not None
    )
    candidates = [c for c in (RATINGS if wanted.of_ratings else LISTS) if c.fits is None or c.fits(shape)]
    compiled: list[bool] = []
    with told_of_compiling(lambda: compiled.append(True)):
        attempts = attempt_all(
            candidates, shape, splits, wanted, budget=budget, always=ALWAYS, features=features, run=run
        )
    found = []
    for question, (split, notes) in enumerate(held):
        if compiled and any(attempt.error is not None for attempt in attempts):
            notes.append("part of the budget went into compiling, which happens once per machine: run again for all")
        if both:
            notes.append(f"{share:.0%} of the events return to an item that their user had before")
        found.append(_decide(attempts, question, split, wanted, budget, notes, run))
    if not both:
        return found[0]
    why = f"{found[0].why}; this is for lists that may contain seen items (recommend with --repeat)"
    return replace(found[0], why=why, other=found[1])


def _held_out(log: Interactions, metric: Metric, seed: int, repeat: bool | None) -> tuple[Split, list[str]]:
    """The held-out part, at most ``CASES`` cases of it, and notes on it."""
    spec, why = choose_split(log)
    if metric.of_ratings and spec == "users":
        spec, why = "random:5", "split random:5, its first fold: rows have no order"
    elif spec == "users":
        out = float(np.clip(HELD_USERS / max(1, log.n_users), *USER_SHARES))
        spec, why = f"users:{out:.3g}", f"{why}; {out:.0%} of the users are held out"
    split = make_splits(log, spec, seed=seed, repeat=repeat)[0]
    rated = asked_ratings(split) if metric.of_ratings else None
    asked = rated.lengths > 0 if rated is not None else truth_sizes(split) > 0
    if not asked.any():
        raise DataError("no case has a true item")
    notes = [why, *split.notes, *repeat_warnings(log)]
    if log.values_are == "rating" and not metric.of_ratings and log.liked is None:
        notes.append("every rating counts as a positive; define positives with --positive 'value>=4'")
    if asked.sum() > CASES:
        few = drawn_cases(split, asked, CASES, seed)
        notes.append(f"{int(few.sum()):,} of {int(asked.sum()):,} cases are used, drawn with seed {seed}")
        asked = few
    elif asked.sum() < FEW:
        notes.append(f"{int(asked.sum())} cases are few: other cases might choose another model")
    return split.cases(np.flatnonzero(asked)), notes


def _not_worth(
    attempts: list[Attempt], there: list[int], drawn: NDArray[np.float64], *, lower_is_better: bool
) -> list[str]:
    """Which second stages do not beat a member of theirs that was tried, too."""
    column_of = {attempts[n].name: column for column, n in enumerate(there)}
    found = []
    for name in (name for name in column_of if issubclass(model_class(name), SecondStage)):
        usual = [one for one in model_class(name).usual if one in column_of]  # type: ignore[attr-defined]  # see above
        mine = drawn[:, column_of[name]]
        equal = [one for one in usual if not_worse(drawn[:, column_of[one]], mine, lower_is_better=lower_is_better)]
        if equal:
            found.append(f"{name} is not worth it: it does not beat its {many_of(equal)} beyond noise")
    return found


def many_of(names: list[str]) -> str:
    """Members in words."""
    return f"member {names[0]}" if len(names) == 1 else f"members {', '.join(names[:-1])} and {names[-1]}"


def drawn_cases(split: Split, asked: Bools, most: int, seed: int) -> Bools:
    """At most ``most`` of the cases ``asked``, drawn with the seed; all cases of a group, or none."""
    if asked.sum() <= most:
        return asked
    group = np.arange(len(split)) if split.group is None else np.unique(split.group, return_inverse=True)[1]
    place = np.random.default_rng(seed).permutation(int(group.max()) + 1)
    before = np.cumsum(np.bincount(place[group[asked]], minlength=len(place)))
    return np.asarray(asked & (before <= max(most, int(before[before > 0][0])))[place[group]])


def _decide(
    attempts: list[Attempt], question: int, split: Split, metric: Metric, budget: float, notes: list[str], run: Run
) -> Choice:
    """The best, or the first in the list that is close to it and within noise of it."""
    there = [n for n, attempt in enumerate(attempts) if attempt.measured]
    if not there:
        raise DataError(f"no model could be compared: {attempts[0].name}: {attempts[0].error}")
    measured = [attempt.measured[question] for attempt in attempts if attempt.measured]
    group = np.arange(len(split), dtype=np.int64) if split.group is None else split.group
    above, below = (by_group(np.hstack([getattr(m, of) for m in measured]), group) for of in ("sums", "counts"))
    drawn = resample(above, below, seed=run.seed)
    values = estimates(above, below, drawn, roots=[metric.name == "rmse"] * len(measured))
    sign = -1.0 if metric.lower_is_better else 1.0
    means = np.array([-np.inf if value.mean is None else sign * value.mean for value in values])
    best = int(np.argmax(means))
    nearest = CLOSE.get(metric.name, CLOSE_LISTS)
    allowed = means[best] - nearest * abs(means[best])
    column_of = {n: column for column, n in enumerate(there)}
    tried, near = [], []
    for n, attempt in enumerate(attempts):
        column = column_of.get(n)
        value, close = Estimate(None), False
        if column is not None:
            value = values[column]
            close = not_worse(drawn[:, column], drawn[:, best], lower_is_better=metric.lower_is_better)
            near += [column] if close and means[column] >= allowed else []
        tried.append(
            Tried(
                attempt.name, value, attempt.fit_seconds, attempt.answer_ms, best=column == best, close=close,
                error=attempt.error,
            )
        )  # fmt: skip
    notes = [*notes, *_not_worth(attempts, there, drawn, lower_is_better=metric.lower_is_better)]
    chosen, first = attempts[there[near[0]]].name, attempts[there[best]].name
    if chosen == first and (means == means[best]).all() and len(means) > 1:
        why = f"{chosen} is chosen: all models have the same {metric}, and it is the simplest"
    elif chosen == first:
        why = f"{chosen} is chosen: it is the best by {metric}, and no simpler model is within {nearest:.1%} of it"
    else:
        gap = abs(means[near[0]] - means[best]) / abs(means[best])
        why = (
            f"{chosen} is chosen: it is simpler than {first}, the best by {metric}, and within noise of it "
            f"({gap:.1%} from it)"
        )
    return Choice(create(chosen), metric, split.name, len(split), tried, why, budget, notes, split.repeat)
