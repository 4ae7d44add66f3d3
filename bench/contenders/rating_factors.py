"""Five-fold cross-validation of rating factorisations, as a whole: Penchant and scikit-surprise."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from bench.contenders import _ratings
from bench.duel import Goal, Numbers, Question, Side

SETS = ("ml-100k", "ml-1m")
MODELS = ("svd", "svdpp")
TIMES = {"svd": 10.0, "svdpp": 20.0}  # how much faster ours is to be
PUBLISHED = 0.862  # of SVDpp on ml-1m, by the README of scikit-surprise
LONG = ("svdpp", "ml-1m")  # of which the peer does one of its twenty epochs: all would take the better part of an hour


def prepare(folder: Path) -> None:
    """The same folds for both sides, and the parameters our side was tuned to."""
    from bench.accuracy import Entry

    for name in SETS:
        _ratings.write(folder, name)
        params = {model: Entry(name, model, 0).choice()["params"] for model in MODELS}
        (folder / f"{name}.json").write_text(json.dumps(params))


def ours(folder: Path) -> Numbers:
    """Both models with their committed parameters; the compiled kernels are loaded by first, small fits."""
    from penchant import registry

    numbers: Numbers = {"seconds": 0.0}
    warm, asked = next(_ratings.folds(folder, SETS[0]))
    for model in MODELS:
        registry.create(model, {"epochs": 2}).fit(warm[:50]).predict(warm[:2], asked[:2])
        for name in SETS:
            params = json.loads((folder / f"{name}.json").read_text())[model]
            start = time.perf_counter()
            errors = []
            for train, test in _ratings.folds(folder, name):
                predicted = registry.create(model, params).fit(train).predict(train, test)
                errors.append(np.sqrt(np.mean((predicted - test.values) ** 2)))
            numbers[f"{model} on {name}: seconds"] = time.perf_counter() - start
            numbers[f"{model} on {name}: rmse"] = float(np.mean(errors))
            numbers["seconds"] += numbers[f"{model} on {name}: seconds"]
    return numbers


def surprise(folder: Path) -> Numbers:
    """``SVD`` and ``SVDpp`` as they stand, on two processes; of ``LONG`` one epoch, the epochs' time times twenty."""
    from surprise import SVD, Dataset, Reader, SVDpp
    from surprise.model_selection import cross_validate

    numbers: Numbers = {"seconds": 0.0}
    reader = Reader(line_format="user item rating", sep="\t", rating_scale=(1, 5))
    for model, kind in zip(MODELS, (SVD, SVDpp), strict=True):
        for name in SETS:
            epochs = 1 if (model, name) == LONG else 20
            with np.load(folder / f"{name}.npz") as file:
                folds = file["folds"]
            data = Dataset.load_from_file(str(folder / f"{name}.tsv"), reader)
            start = time.perf_counter()
            given = _ratings.GivenFolds(folds)
            found = cross_validate(kind(n_epochs=epochs), data, measures=["RMSE"], cv=given, n_jobs=2, verbose=False)
            more = (20 - epochs) * float(sum(found["fit_time"])) / 2 if epochs < 20 else 0.0
            numbers[f"{model} on {name}: seconds"] = time.perf_counter() - start + more
            numbers[f"{model} on {name}: rmse"] = PUBLISHED if epochs < 20 else float(found["test_rmse"].mean())
            numbers["seconds"] += numbers[f"{model} on {name}: seconds"]
    return numbers


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Ten and twenty times as fast, no worse on either set."""
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
    title="Five-fold cross-validation of svd and svdpp, ml-100k and ml-1m",
    how="the same folds; fitting and predicting of all folds; ours folds histories in; SVD and SVDpp as they stand, "
    "n_jobs=2; of SVDpp on ml-1m one epoch was run, and counts twenty times; its rmse is the published one",
    prepare=prepare,
    judge=judge,
    peer="surprise",
    environment="surprise",
    rounds=1,
)
