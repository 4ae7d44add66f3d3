"""The whole cross-validation of rating factorisations: Penchant and scikit-surprise."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.contenders import _ratings
from bench.duel import Goal, Numbers, Question, Side

SETS = ("ml-100k", "ml-1m")
MODELS = ("svd", "svdpp")
TIMES = {"svd": 10.0, "svdpp": 20.0}  # how many times faster ours must be
FOLDS = {"svd": 5, "svdpp": 2}  # of five: the peer's SVDpp takes over a minute per fold
LONG = ("svdpp", "ml-1m")  # the peer runs one of PART parts, since all would take most of an hour
PART = EPOCHS = 20
PUBLISHED = 0.862  # rmse of SVDpp on ml-1m, from the README of scikit-surprise


def prepare(folder: Path) -> None:
    """Write the same folds for both sides."""
    for name in SETS:
        _ratings.write(folder, name)


def ours(folder: Path) -> Numbers:
    """Both models with their defaults; small first fits load the compiled kernels."""
    from penchant.models import registry

    numbers: Numbers = {"seconds": 0.0}
    warm, asked = next(_ratings.folds(folder, SETS[0]))
    for model in MODELS:
        registry.create(model, {"epochs": 2}).fit(warm[:50]).predict(warm[:2], asked[:2])
        for name in SETS:
            start = time.perf_counter()
            errors = []
            for train, test in _ratings.folds(folder, name, FOLDS[model]):
                predicted = registry.create(model).fit(train).predict(train, test)
                errors.append(np.sqrt(np.mean((predicted - test.values) ** 2)))
            numbers[f"{model} on {name}: seconds"] = time.perf_counter() - start
            numbers[f"{model} on {name}: rmse"] = float(np.mean(errors))
            numbers["seconds"] += numbers[f"{model} on {name}: seconds"]
    return numbers


def surprise(folder: Path) -> Numbers:
    """``SVD`` and ``SVDpp`` with their defaults, on two processes.

    ``LONG`` runs one part only; its fit and test times are multiplied by the number of parts.
    """
    from surprise import SVD, Dataset, Reader, SVDpp
    from surprise.model_selection import cross_validate

    numbers: Numbers = {"seconds": 0.0}
    reader = Reader(line_format="user item rating", sep="\t", rating_scale=(1, 5))
    for model, kind in zip(MODELS, (SVD, SVDpp), strict=True):
        for name in SETS:
            parts = PART if (model, name) == LONG else 1
            with np.load(folder / f"{name}.npz") as file:
                given = _ratings.GivenFolds(file["folds"], FOLDS[model], parts)
            data = Dataset.load_from_file(str(folder / f"{name}.tsv"), reader)
            peer = kind(n_epochs=EPOCHS // parts)
            start = time.perf_counter()
            found = cross_validate(peer, data, measures=["RMSE"], cv=given, n_jobs=2, verbose=False)
            seconds = time.perf_counter() - start
            if parts > 1:
                seconds = parts * float(sum(found["fit_time"]) + sum(found["test_time"])) / 2
            numbers[f"{model} on {name}: seconds"] = seconds
            numbers[f"{model} on {name}: rmse"] = PUBLISHED if parts > 1 else float(found["test_rmse"].mean())
            numbers["seconds"] += seconds
    return numbers


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goals: svd ten times and svdpp twenty times as fast, no worse on either set."""
    goals = []
    for model in MODELS:
        for name in SETS:
            what = f"{model} on {name}"
            faster = theirs[f"{what}: seconds"] / mine[f"{what}: seconds"]
            goals.append(Goal(f"{what}: times faster than scikit-surprise", faster, TIMES[model], at_least=True))
            theirs_rmse = theirs[f"{what}: rmse"]
            goals.append(Goal(f"{what}: rmse", mine[f"{what}: rmse"], theirs_rmse, at_least=False))
    return goals


QUESTION = Question(
    title="Cross-validation of svd, five folds, and svdpp, two of five, ml-100k and ml-1m",
    how="the same folds; fitting and predicting of all folds, both sides with their defaults; ours folds histories in; "
    "theirs with n_jobs=2; of SVDpp on ml-1m one of the 20 epochs was run and a 20th of the test ratings predicted, "
    "and counts 20 times, nothing else of it counts; its rmse is the published one",
    prepare=prepare,
    judge=judge,
    peer="surprise",
    environment="surprise",
    rounds=1,
)
