"""Measure one fitted model on one split: what every case adds to every metric."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Bools, Longs
from penchant.core.metrics import ACCURACY, LOWER_IS_BETTER, OVERALL, Doubles, judge
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.errors import ParameterError, ScoreError
from penchant.evaluation.beyond import auc, diversity, novelty, rating_errors
from penchant.models.kinds.base import Model
from penchant.recommender.fallback import Lists, rank_or_popular

CASES_AT_ONCE = 4_096
WITHOUT_K = ("auc", "rmse", "mae")
BY_CASE = (*ACCURACY, "novelty", "diversity")
NAMES = (*BY_CASE, *OVERALL, *WITHOUT_K)
USUAL = ("hit", "recall", "precision", "ndcg", "mrr", "map", "coverage")


@dataclass(frozen=True)
class Metric:
    """A metric by name, with its cut: ``ndcg@10``; auc, rmse and mae have none (``k`` 0)."""

    name: str
    k: int = 0

    def __str__(self) -> str:
        return f"{self.name}@{self.k}" if self.k else self.name

    @property
    def overall(self) -> bool:
        """Whether it is one number over all lists, without an interval."""
        return self.name in OVERALL

    @property
    def of_ratings(self) -> bool:
        return self.name in {"rmse", "mae"}

    @property
    def lower_is_better(self) -> bool:
        return self.name in LOWER_IS_BETTER


def parse_metric(text: str, k: int = 10) -> Metric:
    """``ndcg@20``, ``ndcg`` (cut at ``k``) or ``rmse``; raises ``ParameterError`` that lists the metrics."""
    found = re.fullmatch(r"\s*([a-z]+)(?:@(\d+))?\s*", text.lower())
    if found is None or found[1] not in NAMES:
        raise ParameterError(f"unknown metric {text.strip()!r}: use {', '.join(NAMES)}, with a cut such as ndcg@10")
    name, cut = found[1], found[2]
    if name in WITHOUT_K:
        if cut:
            raise ParameterError(f"{name} has no cut: write {name}")
        return Metric(name)
    at = int(cut) if cut else k
    if at < 1:
        raise ParameterError(f"{name}@{at}: k must be at least 1")
    return Metric(name, at)


def parse_metrics(metrics: str | Iterable[str] | None, k: int = 10, *, ratings: bool = False) -> list[Metric]:
    """Metrics from text with commas, or from names; None: the usual ones, with rmse and mae for ``ratings``."""
    if metrics is None:
        metrics = [*USUAL, *(("rmse", "mae") if ratings else ())]
    names = metrics.split(",") if isinstance(metrics, str) else list(metrics)
    found = [parse_metric(name, k) for name in names if name.strip()]
    if not found:
        raise ParameterError("name at least one metric")
    return list(dict.fromkeys(found))


@dataclass(frozen=True, eq=False)
class Measured:
    """What the cases of a split add to each metric. The mean is Σ sums / Σ counts; for rmse, its root."""

    sums: Doubles  # (cases, metrics)
    counts: Doubles  # (cases, metrics)
    overall: dict[Metric, float]  # metrics that are one number over all lists
    fallback: Bools  # (cases with truth,) whose list is the popularity list

    def mean(self, metric: Metric, metrics: list[Metric]) -> float:
        """The mean of one of the measured metrics; NaN where no case counts."""
        if metric.overall:
            return self.overall.get(metric, float("nan"))
        column = metrics.index(metric)
        total = self.counts[:, column].sum()
        mean = self.sums[:, column].sum() / total if total else float("nan")
        return float(np.sqrt(mean)) if metric.name == "rmse" else float(mean)


def truth_sizes(split: Split) -> Longs:
    """How many distinct true items each case has, including those outside the vocabulary."""
    sizes = split.truth.distinct().lengths
    return sizes if split.unknown_truth is None else sizes + split.unknown_truth


def ranked_lists(
    model: Model, split: Split, k: int, *, threads: int = 0, progress: Callable[[int, int], None] | None = None
) -> Lists:
    """Rank all cases by the split's rules about seen items and candidates, in blocks of bounded memory."""
    found = []
    for lo in range(0, len(split), CASES_AT_ONCE):
        part = slice(lo, min(lo + CASES_AT_ONCE, len(split)))
        seen = None if split.repeat or split.seen is None else split.seen[part]
        candidates = None if split.candidates is None else split.candidates[part]
        try:
            best = rank_or_popular(
                model, split.given[part], k, exclude=seen, repeat=split.repeat, candidates=candidates, threads=threads
            )
        except ScoreError as wrong:
            raise wrong.at(lo + wrong.row) from None
        found.append(best)
        if progress is not None:
            progress(part.stop, len(split))
    if not found:
        return Lists(np.empty((0, k), np.int32), np.empty((0, k), np.float32), np.empty(0, np.bool_))
    return Lists(
        np.concatenate([part.items for part in found]),
        np.concatenate([part.scores for part in found]),
        np.concatenate([part.fallback for part in found]),
    )


def measure(
    model: Model, split: Split, metrics: list[Metric], *, run: Run, progress: bool = True, label: str = ""
) -> Measured:
    """Rank every case with a truth, and predict the held-out ratings; cases without truth add nothing."""
    sums, counts = np.zeros((len(split), len(metrics))), np.zeros((len(split), len(metrics)))
    overall: dict[Metric, float] = {}
    answerable = np.flatnonzero(truth_sizes(split) > 0)
    fallback = np.zeros(0, dtype=np.bool_)
    if any(not metric.of_ratings for metric in metrics) and len(answerable):
        cases = split if len(answerable) == len(split) else split.cases(answerable)
        k = max([metric.k for metric in metrics] + [1])
        listen = run.report(f"{label or model.name}: ranking") if progress else None
        try:
            ranked = ranked_lists(model, cases, k, threads=run.threads, progress=listen)
        except ScoreError as wrong:
            raise wrong.at(int(answerable[wrong.row])) from None
        fallback = ranked.fallback
        judged = judge(ranked.items, cases.truth, unknown=cases.unknown_truth)
        for column, metric in enumerate(metrics):
            if metric.overall:
                overall[metric] = OVERALL[metric.name](ranked.items, cases.truth.n_items, metric.k)
                continue
            if metric.name in ACCURACY:
                values = ACCURACY[metric.name](judged, metric.k)
            elif metric.name == "novelty":
                values = novelty(ranked.items, model.item_counts, len(split.train), metric.k)
            elif metric.name == "diversity":
                values = diversity(ranked.items, split.train, metric.k)
            elif metric.name == "auc":
                values = auc(model, cases)
            else:
                continue
            there = ~np.isnan(values)
            sums[answerable[there], column] = values[there]
            counts[answerable[there], column] = 1.0
    if any(metric.of_ratings for metric in metrics):
        errors = rating_errors(model, split)
        for column, metric in enumerate(metrics):
            if metric.of_ratings and errors is not None:
                sums[:, column] = errors[0] if metric.name == "rmse" else errors[1]
                counts[:, column] = errors[2]
    return Measured(sums, counts, overall, fallback)
