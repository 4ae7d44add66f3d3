"""Candidates of several models in an order that is learned from held-out events, by any kind of sum."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.core.rank import BLOCK_BYTES, rank_by_popularity
from penchant.core.run import Run
from penchant.models.kinds.base import Explanation, Space, hyper, learned
from penchant.ranking.candidates import blocks, candidates
from penchant.ranking.features import Asked, declared
from penchant.ranking.questions import Questions, questions
from penchant.ranking.second_stage import Lesson, SecondStage, names_of
from penchant.ranking.statistics import Statistics

if TYPE_CHECKING:
    from penchant.core.split import Split

FOLDS = 4  # parts of a log without an order, each held out once
MOST_ROWS = 2_000_000  # candidates that an order is learned from
OFTEN = 0.05  # of answers that are in the history, from which items of the history are candidates


@dataclass(kw_only=True)
class Ordering(SecondStage, ABC):
    """Orders the candidates of other models by a sum that is learned from held-out events; other items follow.

    Candidates are the best ``depth`` items of each member, popular ones, those that are popular in the context of the
    request, new items that resemble the history and, where answers often repeat, the history itself. Questions are
    held-out events: members and statistics that answer them have seen neither them nor, where there are times, anything
    later. All other items follow the candidates, by the mean of the members.
    """

    usual: ClassVar[tuple[str, ...]] = ("item-knn", "transitions", "als")

    depth: int = hyper(50, "candidates of each member", ge=1, le=1000, space=Space(20, 200, log=True), other=1)
    each: int = hyper(2, "events asked of a history, where they have an order", ge=1, le=100, other=1)

    repeats: Bools = learned()  # () whether items of the history are candidates

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        asked = list(questions(train, folds=FOLDS, each=self.each, rng=run.rng()))
        total = sum(len(one.answers) for one in asked)
        again = sum(int(one.repeated.sum()) for one in asked)
        self.repeats = np.array(total > 0 and again >= OFTEN * total)
        lessons: list[Lesson] = []
        found = 0
        for one in asked:
            if len(one.answers) and len(one.past.positives().items):
                learnt = self._learn(one, total, run)
                found += learnt[1]
                lessons += learnt[0]
        self.members = self.fresh(train, run, tell=True)
        self.statistics, names = Statistics.fit(train, self.features)
        columns = names_of(declared(self.statistics, len(self.members), names))
        if total:
            self.notes.append(f"the candidates hold {found / total:.1%} of {total:,} held-out events")
        if not lessons:
            self.notes.append("there is nothing to learn an order from: this is the mean of the members")
        self.learn(lessons, columns, run)

    def looked_at(self, log: LogShape) -> tuple[float, float]:
        """As in ``SecondStage``."""
        one = min(float(log.items), self.depth * (len(self.members) or len(self.usual)) + 40.0)
        return min(float(MOST_ROWS), one * min(log.users * self.each, log.events)), one

    def _learn(self, one: Questions, total: int, run: Run) -> tuple[list[Lesson], int]:
        """The features of the candidates of some questions, and how many of the answers are candidates."""
        members = self.fresh(one.past, run)
        statistics, _ = Statistics.fit(one.past, self.features)
        rank = rank_by_popularity(one.past.positives().counts())
        width = max(1, self.depth * len(members) + 40)
        chosen = run.rng().permutation(len(one.answers))
        chosen = np.sort(chosen[: max(1, int(MOST_ROWS / width * len(one.answers) / max(1, total)))])
        given, answers, again = one.given[chosen], one.answers[chosen], one.repeated[chosen]
        out, found = [], 0
        for rows in blocks(given, len(members), len(statistics.usual)):
            asked, _ = candidates(
                members, statistics, given[rows], depth=self.depth, repeats=bool(self.repeats), popularity_rank=rank
            )
            labels = (asked.items == answers[rows][asked.rows]).astype(np.float32)
            usable = np.bincount(asked.rows, labels, len(asked.given)) > 0
            usable &= self.repeats | ~again[rows]
            found += int(usable.sum())
            kept = usable[asked.rows]
            if not kept.any():
                continue
            some = Asked(asked.given, asked.rows[kept], asked.items[kept], asked.scores[:, kept])
            sizes = np.bincount(some.rows, minlength=len(asked.given))
            out.append(Lesson(self.look(statistics, some), labels[kept], sizes[sizes > 0]))
        share = len(one.answers) / max(1, len(chosen))
        return out, round(found * share)

    def _score(self, given: Histories) -> Floats:
        out = np.empty((len(given), given.n_items), dtype=np.float32)
        rank = rank_by_popularity(self.item_counts)
        for rows in blocks(given, len(self.members), len(self.statistics.usual)):
            asked, rest = self._asked(given[rows], rank)
            out[rows] = self._combined(asked, rest, self.judge(self.look(self.statistics, asked)))
        return out

    def _asked(self, given: Histories, rank: np.ndarray) -> tuple[Asked, Floats]:
        return candidates(
            self.members, self.statistics, given, depth=self.depth, repeats=bool(self.repeats), popularity_rank=rank
        )

    def _combined(self, asked: Asked, rest: Floats, predicted: np.ndarray) -> Floats:
        """The candidates by their sums, and below the last of them all other items by ``rest``."""
        if self.is_blank:
            return rest
        lowest = np.zeros(len(rest))
        np.minimum.at(lowest, asked.rows, predicted)
        best = rest.max(axis=1, initial=-np.inf)
        out: Floats = ((lowest - best)[:, None] - 1 + rest).astype(np.float32)
        out[asked.rows, asked.items] = predicted
        return out

    def _explain(self, given: Histories, items: Longs) -> list[Explanation]:
        rank = rank_by_popularity(self.item_counts)
        asked, rest = self._asked(given, rank)
        seen = self.look(self.statistics, asked)
        scores = self._combined(asked, rest, self.judge(seen))[0]
        at = {int(item): number for number, item in enumerate(asked.items)}
        known = [int(item) for item in items if int(item) in at]
        said = dict(zip(known, self.said(seen.some([at[item] for item in known]), given), strict=True))
        nothing = np.zeros(len(given.items), dtype=np.float32)
        return [
            Explanation("exact", float(scores[item]), self.base, nothing, said[item])
            if item in said and not self.is_blank
            else Explanation("exact", float(scores[item]), float(scores[item]), nothing)
            for item in map(int, items)
        ]

    def score_bytes(self, given: Histories) -> int:
        """As in ``Model``: the dense scores of every member beside one's own."""
        return min(BLOCK_BYTES, 16 * self.n_items * (len(self.members) + 2))
