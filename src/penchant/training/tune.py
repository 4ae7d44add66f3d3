"""Random search for hyper-parameters, with median stopping, on the validation part of a split.

Trial 0 is the model as given; trial t draws from the spaces declared with the fields, with a random stream that depends
only on (seed, t). An interrupted search therefore continues where it stopped, with the same result.

A trial is fitted on the training part of the validation split and scored step by step: on 10 %, 30 % and all of the
first fold's cases, then on each further fold. After every step but the last it is dropped where its mean so far is
worse than the median of the earlier trials at that step (Golovin et al., Google Vizier, 2017).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.errors import DataError, ParameterError, PenchantError
from penchant.evaluation.candidates import read_candidates
from penchant.evaluation.described import features_of
from penchant.evaluation.measure import Metric, measure, parse_metric, truth_sizes
from penchant.evaluation.protocols import make_splits, with_candidates
from penchant.models.kinds.base import Model, Space
from penchant.models.registry import parse, to_json
from penchant.planning.check import check_memory
from penchant.training.trials import Trial, Tuned, earlier_trials, write

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions

STEPS = (0.1, 0.3, 1.0)  # shares of the first fold's cases
FEWEST_CASES = 30  # of a step before the last
EARLIER = 4  # trials that must have reached a step before one is dropped there
OFF_SHARE = 0.5  # how often a default outside its own range (such as "auto", none or 0 for off) is kept
DEFAULT_RUN = Run()


def tune(
    log: Interactions | Split | Sequence[Split],
    model: Model | str,
    *,
    split: str | None = None,
    metric: str = "ndcg@10",
    trials: int = 30,
    minutes: float | None = None,
    seed: int = 0,
    repeat: bool | None = None,
    candidates: Histories | str | Path | None = None,
    file: str | Path | None = None,
    command: str = "",
    catalog: Catalog | None = None,
    on_trial: Callable[[Trial, Tuned], None] | None = None,
    run: Run = DEFAULT_RUN,
) -> Tuned:
    """Search hyper-parameters of a model on the validation part of a split, within a budget of trials and minutes.

    ``model`` is a name, or a name with parameters to keep (``"item-knn:similarity=cosine"``); of a model object, every
    field that differs from its default is kept. ``minutes`` limits the time of all trials together; the trial that is
    running is finished. ``repeat``, ``candidates`` and ``catalog`` are those of
    ``evaluate``. With ``file`` the
    parameter file is written after every trial, and a search found there is continued. ``run.seed`` is the seed of
    every model. Raises ``ParameterError`` where there is nothing to search, and ``DataError`` without validation cases
    and for the file of another search.
    """
    start = parse(model) if isinstance(model, str) else model
    wanted = parse_metric(metric)
    if wanted.name in {"coverage", "gini"}:
        raise ParameterError(f"tune: {wanted} has no value per case: choose an accuracy metric")
    if trials < 1 or (minutes is not None and minutes <= 0):
        raise ParameterError("tune: the budget must be at least one trial and more than zero minutes")
    fixed = _fixed(model, start)
    spaces = {name: space for name, space in search_spaces(type(start)).items() if name not in fixed}
    if not spaces and trials > 1:
        raise ParameterError(f"{type(start).name}: there is nothing to tune: no free field declares a space")
    splits = _validation(log, split, seed, repeat, candidates)
    found = Tuned(type(start).name, wanted, splits[0].name, seed, [], _fingerprint(splits), fixed, command)
    if file is not None and Path(file).exists():
        found = replace(found, trials=earlier_trials(Path(file), found))
    parts, features = _steps(splits, seed), features_of(catalog, log)
    report = run.report(f"tuning {found.model}")
    while len(found.trials) < trials:
        if minutes is not None and sum(trial.seconds for trial in found.trials) >= 60 * minutes and found.trials:
            break
        params = draw(start, spaces, seed, len(found.trials))
        trial = _try(start, params, parts, found, features, run)
        found = replace(found, trials=[*found.trials, trial])
        if file is not None:
            write(Path(file), found)
        if on_trial is not None:
            on_trial(trial, found)
        if report is not None:
            report(len(found.trials), trials)
    assert found.best is not None  # raises where no trial finished
    return found


def search_spaces(cls: type[Model]) -> dict[str, Space]:
    """The search spaces declared with the fields of a model."""
    return {
        f.name: meta["space"]
        for f in cls.hyper_parameters()
        if (meta := f.metadata.get("hyper")) is not None and meta["space"] is not None
    }


def draw(start: Model, spaces: Mapping[str, Space], seed: int, number: int) -> dict[str, Any]:
    """The hyper-parameters of trial ``number``: those of ``start`` for trial 0, later ones drawn from the spaces."""
    params = start.params()
    if number == 0:
        return params
    rng = np.random.default_rng([seed, number])
    types = start.number_types()
    for name, space in spaces.items():
        off, value = rng.random() < OFF_SHARE, _draw_one(space, types.get(name), rng)
        params[name] = params[name] if off and _is_off(space, params[name]) else value
    return params


def _draw_one(space: Space, number: type[Any] | None, rng: np.random.Generator) -> Any:
    if space.choices:
        return space.choices[int(rng.integers(len(space.choices)))]
    low, high = float(space.low), float(space.high)
    value = float(np.exp(rng.uniform(np.log(low), np.log(high)))) if space.log else float(rng.uniform(low, high))
    if number is int:
        return round(value)
    return float(f"{value:.4g}")  # a random search cannot tell more than four digits apart


def _is_off(space: Space, default: Any) -> bool:
    """Whether a default is not a value of its own space: "auto", None, or a number outside."""
    if space.choices:
        return False
    return not isinstance(default, (int, float)) or not space.low <= default <= space.high


def _fixed(given: Model | str, start: Model) -> dict[str, Any]:
    params = to_json(start)["params"]
    if isinstance(given, str) and not given.startswith("@"):
        names = {part.partition("=")[0].strip() for part in given.partition(":")[2].split(",")}
    else:
        names = {f.name for f in start.hyper_parameters() if getattr(start, f.name) != f.default}
    return {name: value for name, value in params.items() if name in names}


# -- trying -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Step:
    """The cases of one step; ``fold`` says whose training rows were used."""

    fold: int
    train: Split
    cases: Split


def _validation(
    log: Interactions | Split | Sequence[Split],
    spec: str | None,
    seed: int,
    repeat: bool | None,
    candidates: Histories | str | Path | None,
) -> list[Split]:
    from penchant.data.interactions import Interactions

    if isinstance(log, Interactions):
        if isinstance(candidates, (str, Path)):
            candidates = read_candidates(candidates, log)
        splits = make_splits(log, spec, seed=seed, repeat=repeat)
    elif spec is not None or repeat is not None or candidates is not None:
        raise ParameterError("split, repeat and candidates belong to a log, not to a finished split")
    else:
        splits = [log] if isinstance(log, Split) else list(log)
    valid = [split.valid for split in splits if split.valid is not None and len(split.valid)]
    if isinstance(candidates, Histories):
        valid = [with_candidates(part, candidates) for part in valid]
    if not valid or not any(truth_sizes(part).any() for part in valid):
        raise DataError("tune: the split has no validation cases", fix="Use another split.")
    return valid


def _steps(splits: list[Split], seed: int) -> list[_Step]:
    """The first fold's cases in growing shares, whole users at a time, then fold by fold."""
    first = splits[0]
    group = np.arange(len(first)) if first.group is None else np.unique(first.group, return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(int(group.max()) + 1)
    place = order[group] / len(order)
    steps, below = [], 0.0
    for share in STEPS:
        chosen = (place >= below) & (place < share)
        if share < 1 and (chosen.sum() < FEWEST_CASES or not truth_sizes(first)[chosen].any()):
            continue
        steps.append(_Step(0, first, first.cases(chosen)))
        below = share
    return steps + [_Step(fold, split, split) for fold, split in enumerate(splits) if fold > 0]


def _try(
    start: Model, params: dict[str, Any], steps: list[_Step], found: Tuned, features: ItemFeatures | None, run: Run
) -> Trial:
    number, metric = len(found.trials), found.metric
    began = time.perf_counter()
    trial = Trial(number, params)
    fitted, model = -1, start
    above = below = 0.0
    seen: list[tuple[int, float]] = []
    try:
        model = replace(start, **params)
        trial = replace(trial, params=to_json(model)["params"])
        for n, step in enumerate(steps):
            if step.fold != fitted:
                model = replace(model)
                check_memory(model, step.train.train, run)
                model.fit(step.train.train, valid=step.train, run=run, features=features)
                fitted = step.fold
            measured = measure(model, step.cases, [metric], run=run, progress=False)
            above, below = above + float(measured.sums.sum()), below + float(measured.counts.sum())
            mean = above / below if below else float("nan")
            mean = mean**0.5 if metric.name == "rmse" else mean
            _refuse_nothing(mean, model, metric)
            seen.append((len(step.cases) + (seen[-1][0] if seen else 0), mean))
            if n + 1 < len(steps) and _worse_than_median(mean, n, found):
                return replace(trial, steps=seen, seconds=time.perf_counter() - began)
    except PenchantError as failed:
        if number == 0:
            raise  # the model does not work as given: neither will the search
        return replace(trial, steps=seen, seconds=time.perf_counter() - began, error=str(failed))
    return replace(trial, steps=seen, value=seen[-1][1], seconds=time.perf_counter() - began)


def _refuse_nothing(mean: float, model: Model, metric: Metric) -> None:
    if not np.isfinite(mean):
        raise ParameterError(f"{model.name} has no {metric} on these cases: choose another metric")


def _worse_than_median(mean: float, step: int, found: Tuned) -> bool:
    earlier = [trial.steps[step][1] for trial in found.trials if len(trial.steps) > step]
    if len(earlier) < EARLIER:
        return False
    median = float(np.median(earlier))
    return mean > median if found.metric.lower_is_better else mean < median


def _fingerprint(splits: list[Split]) -> str:
    digest = hashlib.sha256()
    for split in splits:
        for part in (split.train, split.given, split.truth, split.candidates):
            if part is None:
                continue
            digest.update(part.indptr.tobytes())
            digest.update(part.items.tobytes())
            digest.update(b"" if part.values is None else part.values.tobytes())
    return digest.hexdigest()[:16]


__all__ = ["Trial", "Tuned", "draw", "search_spaces", "tune"]
