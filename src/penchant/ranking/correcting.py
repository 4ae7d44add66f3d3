"""Ratings from another model, corrected by a sum over everything that is known."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import DataError
from penchant.models.kinds.base import Explanation, Model, hyper
from penchant.models.kinds.rating import RatingModel
from penchant.ranking.candidates import blocks
from penchant.ranking.features import Asked, declared
from penchant.ranking.second_stage import Lesson, SecondStage, names_of
from penchant.ranking.statistics import Statistics

if TYPE_CHECKING:
    from penchant.core.split import Split


@dataclass(kw_only=True)
class Correcting(SecondStage, RatingModel, ABC):
    """Predicted rating = that of the first member + a sum that is learned from the errors of members and statistics
    that did not see the rating: each of ``folds`` parts of the ratings is held out once."""

    usual: ClassVar[tuple[str, ...]] = ("bias", "item-knn")
    ranks: ClassVar[bool] = False

    members: list[Model] = hyper((), "models of ratings to correct; empty: bias and item-knn", other=("slope-one",))
    folds: int = hyper(4, "parts of the ratings, each held out once", ge=2, le=20, other=2)

    rounds: int = hyper(1, "times that all ratings are held out, in other parts each time", ge=1, le=100, other=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        for member in self.members:
            if not isinstance(member, RatingModel):
                raise DataError(f"{self.name}: {member.name} predicts no ratings")

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        if train.values_are != "rating" or train.values is None:
            raise DataError(
                f"predicting ratings needs ratings, the events have {train.values_are}",
                fix="Use a log with a rating column, or a model that ranks.",
            )
        rng = run.rng()
        lessons: list[Lesson] = []
        for _ in range(self.rounds):
            part = rng.permutation(len(train.items)) % self.folds
            for fold in range(self.folds):
                held = part == fold
                past = train.where(~held)
                if not held.any() or not len(past.items):
                    continue
                members = self.fresh(past[past.lengths > 0], run)
                statistics, _ = Statistics.fit(past, self.features)
                asked, first = self._pairs(members, statistics, past, train.where(held))
                sizes = np.bincount(asked.rows, minlength=len(asked.given))
                lessons.append(Lesson(self.look(statistics, asked), train.values[held] - first, sizes[sizes > 0]))
        self.members = self.fresh(train, run, tell=True)
        self.statistics, names = Statistics.fit(train, self.features)
        columns = names_of(declared(self.statistics, len(self.members), names, ranked=self.ranks))
        self.learn(lessons, columns, run)

    def looked_at(self, log: LogShape) -> tuple[float, float]:
        """As in ``SecondStage``."""
        return float(log.events), float(log.items)

    def _pairs(
        self, members: list[Model], statistics: Statistics, given: Histories, items: Histories
    ) -> tuple[Asked, Floats]:
        """Every event of ``items`` as a pair, asked in its context, with what the members predict; then the first."""
        scale = statistics.scale
        assert scale is not None  # there are ratings
        if items.context is None:
            said = np.stack([self._of(member, given, items) for member in members])
            return Asked(given, items.rows, items.items, said - scale[0], ranked=False), said[0]
        # a row for every event: contexts belong to requests
        each = replace(given[items.rows], asked=items.context)
        alone = Histories(np.arange(len(items.items) + 1), items.items, items.n_items)
        said = np.stack([self._of(one, *((each, alone) if one.uses_context else (given, items))) for one in members])
        return Asked(each, np.arange(len(items.items)), items.items, said - scale[0], ranked=False), said[0]

    @staticmethod
    def _of(member: Model, given: Histories, items: Histories) -> Floats:
        assert isinstance(member, RatingModel)  # checked when it was named
        return member.predict(given, items)

    def _predict(self, given: Histories, items: Histories) -> Floats:
        out = np.empty(len(items.items), dtype=np.float32)
        scale = self.statistics.scale
        assert scale is not None  # it was fitted on ratings
        for lo, hi in _parts(items):
            some, of = given[lo:hi], items[lo:hi]
            plain = Histories(of.indptr, of.items, of.n_items)
            span = slice(int(items.indptr[lo]), int(items.indptr[hi]))
            out[span] = np.clip(self._raw(some, plain), scale[1], scale[2])
        return out

    def _raw(self, given: Histories, items: Histories) -> Floats:
        asked, first = self._pairs(self.members, self.statistics, given, items)
        added = self.judge(self.look(self.statistics, asked))
        return np.asarray(first + added, dtype=np.float32)

    def _score(self, given: Histories) -> Floats:
        out = np.empty((len(given), given.n_items), dtype=np.float32)
        for rows in blocks(given, 50):  # a row of features for every item
            some = given[rows]
            first = self.members[0].score(some)
            every = _all_items(len(some), given.n_items)
            asked, _ = self._pairs(self.members, self.statistics, some, every)
            added = self.judge(self.look(self.statistics, asked))
            out[rows] = first + added.reshape(first.shape)
        return out

    def _explain(self, given: Histories, items: Longs) -> list[Explanation]:
        wanted = Histories(np.array([0, len(items)]), items.astype(np.int32), given.n_items)
        asked, _ = self._pairs(self.members, self.statistics, given, wanted)
        seen = self.look(self.statistics, asked)
        added = self.judge(seen)
        firsts = self.members[0].explain_items(given, items.tolist())
        return [
            Explanation(first.method, first.score + float(more), first.base + self.base, first.parts, features)
            for first, more, features in zip(firsts, added, self.said(seen, given), strict=True)
        ]


def _parts(items: Histories, most: int = 100_000) -> list[tuple[int, int]]:
    """Rows ``[lo, hi)`` of a bounded number of events."""
    found, lo = [], 0
    while lo < len(items):
        hi = max(lo + 1, int(np.searchsorted(items.indptr, items.indptr[lo] + most, side="right")) - 1)
        found.append((lo, min(hi, len(items))))
        lo = found[-1][1]
    return found


def _all_items(rows: int, n_items: int) -> Histories:
    every: Ints = np.tile(np.arange(n_items, dtype=np.int32), rows)
    return Histories(np.arange(rows + 1, dtype=np.int64) * n_items, every, n_items)
