"""Models so small that what they must score is plain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.core.run import Run
from penchant.errors import TrainingError
from penchant.models.kinds.base import Model, Space, hyper, learned
from penchant.models.kinds.rating import RatingModel

if TYPE_CHECKING:
    from penchant.core.split import Split

TRIED: list[dict[str, float]] = []  # what Knob was fitted with, in order


@dataclass(kw_only=True)
class Follows(Model):
    """Score = how often an item came right after the last one of the history."""

    name: ClassVar[str] = "follows"
    task: ClassVar = "sequence"
    counts: Floats = learned()

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        counts = np.zeros((train.n_items, train.n_items), np.float32)
        inner = np.flatnonzero(train.ages() > 0)
        np.add.at(counts, (train.items[inner], train.items[inner + 1]), 1)
        self.counts = counts

    def _score(self, given: Histories) -> Floats:
        out = np.zeros((len(given), given.n_items), np.float32)
        for r in range(len(given)):
            if len(given.row(r)):
                out[r] = self.counts[given.row(r)[-1]]
        return out


@dataclass(kw_only=True)
class Knob(Model):
    """Popularity, times a knob's quality: at ``turn`` 0.5 it is popularity, farther away it is noise."""

    name: ClassVar[str] = "knob"
    turn: float = hyper(0.0, "best at a half", ge=0, le=1, space=Space(0, 1))
    size: int = hyper(4, "changes nothing", ge=1, space=Space(2, 64, log=True))
    decay: float = hyper(0.0, "0: off", ge=0, space=Space(1, 10, log=True))
    kind: str = hyper("a", "changes nothing", choices=["a", "b"], space=Space(choices=("a", "b")))
    fails: bool = hyper(False, "training goes wrong away from the default", choices=[False, True])

    scores: Floats = learned()

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        TRIED.append({"turn": self.turn, "seed": run.seed})
        if self.fails and self.turn > 0.5:
            raise TrainingError("the loss is not a number")
        counts = train.counts().astype(np.float32)
        noise = np.random.default_rng(0).random(len(counts)) * counts.max()
        away = abs(self.turn - 0.5) * 2
        self.scores = ((1 - away) * counts + away * noise).astype(np.float32) + 1

    def _score(self, given: Histories) -> Floats:
        return np.tile(self.scores, (len(given), 1))


@dataclass(kw_only=True)
class Broken(RatingModel):
    """Popularity, but NaN for histories whose last item is ``at``, and NaN as every prediction."""

    name: ClassVar[str] = "broken"
    task: ClassVar = "rating"
    at: int = hyper(-1, "the item, -1: any", ge=-1)
    scores: Floats = learned()

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self.scores = train.counts().astype(np.float32)

    def _score(self, given: Histories) -> Floats:
        out = np.tile(self.scores, (len(given), 1))
        for r in range(len(given)):
            if len(given.row(r)) and self.at in (-1, given.row(r)[-1]):
                out[r, 3] = np.nan
        return out

    def _predict(self, given: Histories, items: Histories) -> Floats:
        return np.full(len(items.items), np.nan, np.float32)


@dataclass(kw_only=True)
class CompilesFirst(Model):
    """Popularity; every fit compiles a new function."""

    name: ClassVar[str] = "compiles-first"
    scores: Floats = learned()

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        from penchant.kernels.compiling import numba

        self.scores = numba().njit(lambda counts: counts.astype(np.float32) * 2)(train.counts())

    def _score(self, given: Histories) -> Floats:
        return np.tile(self.scores, (len(given), 1))


@dataclass(kw_only=True)
class Constant(RatingModel):
    """Predicts one number for everything."""

    name: ClassVar[str] = "constant"
    task: ClassVar = "rating"
    guess: float = hyper(3.0, "the number", space=Space(1, 5))

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        pass

    def _score(self, given: Histories) -> Floats:
        return np.full((len(given), given.n_items), self.guess, np.float32)

    def _predict(self, given: Histories, items: Histories) -> Floats:
        return np.full(len(items.items), self.guess, np.float32)
