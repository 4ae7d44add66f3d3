"""Ratings with five random folds as plain arrays that every environment can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from penchant.core.histories import Histories

FOLDS = 5


def write(folder: Path, name: str) -> None:
    """Write ``NAME.npz`` and a ``NAME.tsv`` of the same rows.

    The arrays hold the user, item, rating and fold of every row. Users are in order; the folds are drawn with seed 0.
    """
    from bench.sets import table

    if (folder / f"{name}.npz").exists():
        return
    rows = table(name).sort("user", maintain_order=True)
    users = np.unique(rows["user"].to_numpy(), return_inverse=True)[1].astype(np.int32)
    items = np.unique(rows["item"].to_numpy(), return_inverse=True)[1].astype(np.int32)
    folds = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    ratings = rows["rating"].to_numpy().astype(np.float32)
    with (folder / f"{name}.tsv").open("w") as lines:
        lines.writelines(f"{u}\t{i}\t{r:g}\n" for u, i, r in zip(users, items, ratings, strict=True))
    np.savez(folder / f"{name}.npz", users=users, items=items, ratings=ratings, folds=folds.astype(np.int8))


def folds(folder: Path, name: str, many: int = FOLDS) -> Iterator[tuple[Histories, Histories]]:
    """Training and test rows of the first ``many`` folds, one history per user."""
    with np.load(folder / f"{name}.npz") as data:
        users, items, ratings, fold = data["users"], data["items"], data["ratings"], data["folds"]
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1

    def histories(mask: np.ndarray) -> Histories:
        from penchant.core.histories import Histories

        indptr = np.concatenate([[0], np.cumsum(np.bincount(users[mask], minlength=n_users))])
        return Histories(indptr, items[mask], n_items, values=ratings[mask], values_are="rating")

    for number in range(many):
        yield histories(fold != number), histories(fold == number)


class GivenFolds:
    """The folds of the file as a scikit-surprise cross-validation iterator.

    It takes the first ``many`` folds, and every ``step``-th row of each test part.
    """

    def __init__(self, folds: np.ndarray, many: int = FOLDS, step: int = 1) -> None:
        self.folds, self.many, self.step = folds, many, step

    def get_n_folds(self) -> int:
        return self.many

    def split(self, data: Any) -> Iterator[tuple[Any, Any]]:
        rows = np.arange(len(self.folds))
        for number in range(self.many):
            train = [data.raw_ratings[r] for r in rows[self.folds != number]]
            test = [data.raw_ratings[r] for r in rows[self.folds == number][:: self.step]]
            yield data.construct_trainset(train), data.construct_testset(test)
