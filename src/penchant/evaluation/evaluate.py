"""Fit models and compare their lists with the truth, on the same cases, with intervals and paired differences."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Bools, Histories, Longs
from penchant.core.item_features import ItemFeatures
from penchant.core.metrics import Doubles
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.errors import DataError, ParameterError, PenchantError
from penchant.evaluation.bootstrap import DRAWS, Estimate, by_group, estimates, not_worse, resample
from penchant.evaluation.candidates import read_candidates
from penchant.evaluation.cases import asked_ratings
from penchant.evaluation.costs import answer_ms, size_bytes
from penchant.evaluation.described import features_of
from penchant.evaluation.measure import Measured, Metric, measure, parse_metric, parse_metrics, truth_sizes
from penchant.evaluation.peak_memory import PeakMemory
from penchant.evaluation.protocols import is_ordered, make_splits
from penchant.evaluation.repeats import repeat_warnings
from penchant.evaluation.report import SEGMENTS, Evaluation
from penchant.evaluation.result import Result
from penchant.evaluation.verdict import BASELINES, RATING_BASELINES, judge
from penchant.kernels.compiling import CompileClock
from penchant.models.kinds.base import Model
from penchant.models.kinds.rating import RatingModel
from penchant.models.registry import parse, to_json
from penchant.planning.check import check_memory

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions

DEFAULT_RUN = Run()
NO_RATINGS = "predicts no ratings"
_NUMBER = re.compile(r"\d[\d,.]*")


def evaluate(
    log: Interactions | Split | Sequence[Split],
    models: Model | str | Iterable[Model | str],
    *,
    split: str | None = None,
    k: int = 10,
    metrics: str | Sequence[str] | None = None,
    seed: int = 0,
    repeat: bool | None = None,
    refit: bool = False,
    known_only: bool = False,
    candidates: Histories | str | Path | None = None,
    catalog: Catalog | None = None,
    draws: int = DRAWS,
    run: Run = DEFAULT_RUN,
) -> Evaluation:
    """Fit every model on the training part and measure it on the same cases.

    ``log`` is a log, split by ``split`` (``leave-last``, ``next-basket``, ``time:.8``, ``users:.1``, ``random:5``,
    ``column:NAME``; with None one is chosen, and the notes say why). It may also be one finished split, or several
    whose cases are pooled (folds). Models are objects, which stay unfitted, or text (``"item-knn:neighbours=100"``).
    ``metrics`` are names, cut at ``k`` unless they have a cut (``"ndcg@20,recall@20"``). Only ``candidates``, a file or
    one row per user, are ranked where given.
    ``catalog`` describes the items for models that use attributes or vectors.
    ``seed`` draws the folds and the bootstrap, ``run.seed`` is the models'.

    Means are over cases, errors of ratings over rows; intervals are 95 % percentile bootstraps over users (in session
    logs: sessions). The primary metric is NDCG where asked for, else the first metric. It decides which model is best,
    and the ``verdict`` uses it to say which model beats which. A model that fails on this log only loses its own row,
    which says why; where all fail, the first error is raised. Raises ``ParameterError`` for unknown names and for
    models that have none of the metrics, and ``DataError`` where no case has an answer.
    """
    from penchant.data.interactions import Interactions

    chosen = [models] if isinstance(models, (Model, str)) else list(models)
    if not chosen:
        raise ParameterError("name at least one model")
    built = [parse(model) if isinstance(model, str) else model for model in chosen]
    labels = _labels(chosen, built)
    features = features_of(catalog, log)
    splits = _splits(log, split, repeat, refit, known_only, seed, candidates)
    rated, predicts = any(_has_ratings(part) for part in splits), [isinstance(model, RatingModel) for model in built]
    wanted = parse_metrics(metrics, k, ratings=rated and any(predicts))
    of_ratings = [metric for metric in wanted if metric.of_ratings]
    if len(of_ratings) == len(wanted):
        _need_ratings(wanted, labels, rated, predicts)
    sizes = [truth_sizes(part) for part in splits]
    if all(not metric.of_ratings for metric in wanted) and not any((size > 0).any() for size in sizes):
        raise DataError(
            f"split {splits[0].name}: no case has a true item", fix="Use another split, or allow repeats (--repeat)."
        )
    trials: list[_Trial] = []
    refused: dict[int, PenchantError | MemoryError] = {}
    for number, (model, label) in enumerate(zip(built, labels, strict=True)):
        silent = bool(of_ratings) and metrics is not None and not predicts[number]
        try:
            if silent and len(of_ratings) == len(wanted):
                raise ParameterError(NO_RATINGS)
            trials.append(_try(model, label, splits, wanted, features, run, notes=[NO_RATINGS] if silent else []))
        except (PenchantError, MemoryError) as wrong:
            refused[number] = wrong
    if not trials:
        raise refused[0]
    ordered = not isinstance(log, Interactions) or is_ordered(log)
    gone = {labels[number]: built[number].name for number in refused}
    found = _compare(trials, splits, sizes, wanted, seed, draws, ordered=ordered, refused=gone)
    if of_ratings and not rated:
        found = replace(found, notes=[*found.notes, f"{_listed(of_ratings)}: the log holds no ratings"])
    for number, refusal in refused.items():
        error = str(refusal) or "there is not enough memory for it"
        nothing = {str(metric): Estimate(None) for metric in wanted}
        params = to_json(built[number])["params"]
        found.models.insert(number, Result(labels[number], built[number].name, params, nothing, error=error))
    return found


def _need_ratings(metrics: list[Metric], labels: list[str], rated: bool, predicts: list[bool]) -> None:
    """Raise where no model can have any of these metrics of ratings."""
    if not rated:
        raise DataError(f"{_listed(metrics)}: the log holds no ratings", fix="Read it with its column of ratings")
    if not any(predicts):
        raise ParameterError(f"{', '.join(labels)}: {NO_RATINGS}; {_listed(metrics)} needs a model that does")


def _listed(metrics: list[Metric]) -> str:
    return " and ".join(map(str, metrics))


@dataclass(frozen=True, eq=False)
class _Trial:
    """A model on all splits."""

    result: Result
    measured: list[Measured]


def _try(
    model: Model,
    label: str,
    splits: list[Split],
    metrics: list[Metric],
    features: ItemFeatures | None,
    run: Run,
    *,
    notes: list[str],
) -> _Trial:
    fit_seconds = score_seconds = compile_seconds = 0.0
    answer: float | None = None
    peak = size = 0
    measured, of_fits = [], list[str]()
    for number, split in enumerate(splits):
        fresh = replace(model)
        check_memory(fresh, split.train, run)
        with PeakMemory() as memory:
            start = time.perf_counter()
            with CompileClock() as compiling:
                fresh.fit(split.train, valid=split.held_out, run=run, features=features)
            fit_seconds += time.perf_counter() - start - compiling.seconds
            compile_seconds += compiling.seconds
        peak = max(peak, memory.bytes)
        start = time.perf_counter()
        part = f"{label} ({number + 1}/{len(splits)})" if len(splits) > 1 else label
        with CompileClock() as compiling:
            measured.append(measure(fresh, split, metrics, run=run, label=part))
        score_seconds += time.perf_counter() - start - compiling.seconds
        compile_seconds += compiling.seconds
        if number == 0:
            answer = answer_ms(fresh, split, run) if any(not metric.of_ratings for metric in metrics) else None
            size = size_bytes(fresh)
        of_fits += fresh.notes
    shares = np.concatenate([one.fallback for one in measured])
    result = Result(
        label,
        type(model).name,
        to_json(model)["params"],
        {},
        fallback_share=float(shares.mean()) if len(shares) else 0.0,
        fit_seconds=fit_seconds,
        score_seconds=score_seconds,
        compile_seconds=compile_seconds,
        peak_mib=peak / 2**20,
        answer_ms=answer,
        size_mib=size / 2**20,
        notes=(*notes, *_once(of_fits)),
    )
    return _Trial(result, measured)


def _once(notes: list[str]) -> list[str]:
    """Each note once: of notes that differ only in their numbers, from fold to fold, the first."""
    alike: dict[str, list[str]] = {}
    for note in notes:
        alike.setdefault(_NUMBER.sub("", note), []).append(note)
    so_on = " (first fold; similar in the others)"
    return [same[0] + (so_on if len(set(same)) > 1 else "") for same in alike.values()]


def _compare(
    trials: list[_Trial],
    splits: list[Split],
    sizes: list[Longs],
    metrics: list[Metric],
    seed: int,
    draws: int,
    *,
    ordered: bool,
    refused: Mapping[str, str],
) -> Evaluation:
    primary = next((metric for metric in metrics if metric.name == "ndcg"), metrics[0])
    of_case = [metric for metric in metrics if not metric.overall]
    columns = [metrics.index(metric) for metric in of_case]
    roots = [metric.name == "rmse" for metric in of_case]
    group = _groups(splits)
    sums = [np.concatenate([m.sums[:, columns] for m in trial.measured]) for trial in trials]
    counts = [np.concatenate([m.counts[:, columns] for m in trial.measured]) for trial in trials]
    warm = np.concatenate([np.ones(len(s), np.bool_) if s.warm is None else s.warm for s in splits])
    answered = np.concatenate([size > 0 for size in sizes])
    if all(metric.of_ratings for metric in metrics):
        answered = np.concatenate([_rated_cases(split) for split in splits])
    everybody, drawn = _estimate(sums, counts, group, np.ones(len(warm), np.bool_), of_case, roots, seed, draws)
    segments: dict[str, list[dict[str, Estimate]]] = {}
    for segment, members in zip(SEGMENTS, (warm & answered, ~warm & answered), strict=True):
        if members.any() and not members[answered].all():
            segments[segment] = _estimate(sums, counts, group, members, of_case, roots, seed, draws)[0]
    results = []
    for number, trial in enumerate(trials):
        found = dict(everybody[number])
        for metric in metrics:
            if metric.overall:
                values = [m.overall[metric] for m in trial.measured if metric in m.overall]
                found[str(metric)] = Estimate(float(np.mean(values)) if values and not np.isnan(values).all() else None)
        in_order = {str(metric): found[str(metric)] for metric in metrics}
        apart = {segment: of_models[number] for segment, of_models in segments.items()}
        results.append(replace(trial.result, metrics=in_order, segments=apart))
    results = _mark_best(results, primary, of_case, drawn)
    verdict = None
    if primary in of_case:
        means = drawn[:, :, of_case.index(primary)]
        verdict = judge(
            results, np.sqrt(means) if primary.name == "rmse" else means, str(primary),
            lower_is_better=primary.lower_is_better, baselines=RATING_BASELINES if primary.of_ratings else BASELINES,
            ordered=ordered, n_items=splits[0].train.n_items, refused=refused,
        )  # fmt: skip
    unknown = sum(int(s.unknown_truth.sum()) for s in splits if s.unknown_truth is not None)
    cold, total = _cold(splits)
    notes = list(dict.fromkeys(note for split in splits for note in split.notes))
    return Evaluation(
        splits[0].name, int(answered.sum()), int((warm & answered).sum()), int((~warm & answered).sum()),
        (cold + unknown) / max(1, total + unknown), splits[0].repeat, results, primary,
        left_out=int((~answered).sum()), notes=notes, seed=seed, verdict=verdict,
    )  # fmt: skip


def _estimate(
    sums: list[Doubles], counts: list[Doubles], group: Longs, members: Bools, metrics: list[Metric],
    roots: list[bool], seed: int, draws: int,
) -> tuple[list[dict[str, Estimate]], Doubles]:  # fmt: skip
    """Estimates of every model over the cases ``members``, and the bootstrap means ``(draws, models, metrics)``."""
    width = len(metrics)
    above = by_group(np.hstack(sums)[members], group[members])
    below = by_group(np.hstack(counts)[members], group[members])
    means = resample(above, below, draws=draws, seed=seed)
    found = estimates(above, below, means, roots=roots * len(sums))
    names = [str(metric) for metric in metrics]
    of_models = [dict(zip(names, found[n * width : (n + 1) * width], strict=True)) for n in range(len(sums))]
    return of_models, means.reshape(len(means), len(sums), width)


def _mark_best(results: list[Result], primary: Metric, of_case: list[Metric], drawn: Doubles) -> list[Result]:
    """Mark the best by the primary metric, and the models that are not worse on the same draws."""
    known = [(n, result.metrics[str(primary)].mean) for n, result in enumerate(results)]
    sign = -1.0 if primary.lower_is_better else 1.0
    values = [(sign * mean, -n) for n, mean in known if mean is not None]
    if not values:
        return results
    best = -max(values)[1]
    out = []
    for n, result in enumerate(results):
        mean = result.metrics[str(primary)].mean
        if mean is None or primary.overall:
            close = n == best or (mean is not None and mean == results[best].metrics[str(primary)].mean)
        else:
            column = of_case.index(primary)
            close = not_worse(drawn[:, n, column], drawn[:, best, column], lower_is_better=primary.lower_is_better)
        out.append(replace(result, best=n == best, not_worse_than_best=close))
    return out


def _groups(splits: list[Split]) -> Longs:
    """Which cases are drawn together: those of one user, across all folds."""
    if all(split.group is not None for split in splits):
        return np.concatenate([split.group for split in splits if split.group is not None])
    return np.arange(sum(len(split) for split in splits), dtype=np.int64)


def _cold(splits: list[Split]) -> tuple[int, int]:
    """The number of true items without a training event, and of all true items."""
    cold = total = 0
    for split in splits:
        known = split.train.positives().counts() > 0
        truth = split.truth.distinct().items
        cold += int((~known[truth]).sum())
        total += len(truth)
    return cold, total


def _has_ratings(split: Split) -> bool:
    return asked_ratings(split) is not None


def _rated_cases(split: Split) -> Bools:
    asked = asked_ratings(split)
    return np.zeros(len(split), np.bool_) if asked is None else asked.lengths > 0


def _splits(
    log: Interactions | Split | Sequence[Split],
    spec: str | None,
    repeat: bool | None,
    refit: bool,
    known_only: bool,
    seed: int,
    candidates: Histories | str | Path | None,
) -> list[Split]:
    from penchant.data.interactions import Interactions

    if isinstance(log, Interactions):
        ignored: list[str] = []
        if isinstance(candidates, (str, Path)):
            candidates = read_candidates(candidates, log, ignored.append)
        splits = make_splits(
            log, spec, repeat=repeat, known_only=known_only, seed=seed, refit=refit, candidates=candidates
        )
        return [replace(part, notes=[*part.notes, *ignored, *repeat_warnings(log)]) for part in splits]
    if spec is not None or repeat is not None or refit or known_only or candidates is not None:
        raise ParameterError("split, repeat, refit, known_only and candidates belong to a log, not to a finished split")
    splits = [log] if isinstance(log, Split) else list(log)
    if not splits or not all(isinstance(part, Split) for part in splits):
        raise ParameterError("evaluate takes a log, a Split or a list of them")
    return splits


def _labels(given: list[Model | str], built: list[Model]) -> list[str]:
    """The label of each model: as it was written, or its name and the parameters that are not defaults."""
    labels: list[str] = []
    for as_given, model in zip(given, built, strict=True):
        label = as_given if isinstance(as_given, str) else label_of(model)
        number, unique = 2, label
        while unique in labels:
            unique, number = f"{label} #{number}", number + 1
        labels.append(unique)
    return labels


def label_of(model: Model) -> str:
    """The name of a model and its hyper-parameters that are not defaults, as on the command line."""
    params = to_json(model)["params"]
    words = {name: "none" if value is None else value for name, value in params.items()}
    changed = [f"{f.name}={words[f.name]}" for f in model.hyper_parameters() if getattr(model, f.name) != f.default]
    return type(model).name + (":" + ",".join(changed) if changed else "")


__all__ = ["Evaluation", "evaluate", "label_of", "parse_metric"]
