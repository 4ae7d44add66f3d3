"""The whole five-fold cross-validation of rating neighbourhoods: Penchant and scikit-surprise."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from bench.contenders import _ratings
from bench.duel import Goal, Numbers, Question, Side

SETS = ("ml-100k", "ml-1m")


def prepare(folder: Path) -> None:
    """Write the same folds for both sides, and the tuned parameters of our side."""
    from bench.accuracy import Entry

    for name in SETS:
        _ratings.write(folder, name)
        params = Entry(name, "item-knn", 0).choice()["params"]
        (folder / f"{name}.json").write_text(json.dumps(params))


def ours(folder: Path) -> Numbers:
    """item-knn with its committed parameters; a small first fit loads the compiled kernels."""
    from penchant import ItemKNN

    warm, asked = next(_ratings.folds(folder, SETS[0]))
    ItemKNN().fit(warm[:50]).predict(warm[:2], asked[:2])
    numbers: Numbers = {"seconds": 0.0}
    for name in SETS:
        params = json.loads((folder / f"{name}.json").read_text())
        start = time.perf_counter()
        errors = []
        for train, test in _ratings.folds(folder, name):
            predicted = ItemKNN(**params).fit(train).predict(train, test)
            errors.append(np.sqrt(np.mean((predicted - test.values) ** 2)))
        numbers[f"{name} seconds"] = time.perf_counter() - start
        numbers[f"{name} rmse"] = float(np.mean(errors))
        numbers["seconds"] += numbers[f"{name} seconds"]
    return numbers


def surprise(folder: Path) -> Numbers:
    """Its best neighbourhood model: KNNBaseline over items with ``pearson_baseline``, on two processes."""
    from surprise import Dataset, KNNBaseline, Reader
    from surprise.model_selection import cross_validate

    numbers: Numbers = {"seconds": 0.0}
    for name in SETS:
        with np.load(folder / f"{name}.npz") as file:
            folds = file["folds"]
        reader = Reader(line_format="user item rating", sep="\t", rating_scale=(1, 5))
        data = Dataset.load_from_file(str(folder / f"{name}.tsv"), reader)
        model = KNNBaseline(sim_options={"name": "pearson_baseline", "user_based": False}, verbose=False)
        start = time.perf_counter()
        found = cross_validate(model, data, measures=["RMSE"], cv=_ratings.GivenFolds(folds), n_jobs=2, verbose=False)
        numbers[f"{name} seconds"] = time.perf_counter() - start
        numbers[f"{name} rmse"] = float(found["test_rmse"].mean())
        numbers["seconds"] += numbers[f"{name} seconds"]
    return numbers


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: twenty times as fast, no worse on either set."""
    return [
        Goal("times faster than scikit-surprise", theirs["seconds"] / mine["seconds"], 20.0, at_least=True),
        *(Goal(f"rmse on {name}", mine[f"{name} rmse"], theirs[f"{name} rmse"], at_least=False) for name in SETS),
    ]


QUESTION = Question(
    title="Five-fold cross-validation of item neighbourhoods that predict ratings, ml-100k and ml-1m",
    how="the same folds; fitting and predicting of all folds; KNNBaseline with pearson_baseline over items, n_jobs=2",
    prepare=prepare,
    judge=judge,
    peer="surprise",
    environment="surprise",
    rounds=1,  # theirs takes minutes, and both sides are far from the limit
)
