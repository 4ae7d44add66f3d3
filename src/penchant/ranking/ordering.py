"""Candidates of several models in an order that is learned from held-out events, by any kind of sum."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.rank import BLOCK_BYTES, rank_by_popularity
from penchant.core.run import Run
from penchant.core.shown import Shown
from penchant.models.kinds.base import Explanation, Model, Space, hyper, learned
from penchant.ranking.candidates import asked_of, blocks, candidates
from penchant.ranking.features import Asked, declared
from penchant.ranking.lists import places_of
from penchant.ranking.questions import Questions, also_new, cases, earlier_lists, held, questions
from penchant.ranking.second_stage import Lesson, SecondStage, names_of
from penchant.ranking.statistics import Names, Statistics

if TYPE_CHECKING:
    from penchant.core.split import Split

FOLDS = 4  # parts of a log without an order, each held out once
MOST_ROWS = 2_000_000  # candidates that an order is learned from
FARTHEST = 50  # the last place of a list that is told from those behind it
OFTEN = 0.05  # of answers that are in the history, from which items of the history are candidates


@dataclass(kw_only=True)
class Ordering(SecondStage, ABC):
    """Orders the candidates of other models by a sum that is learned from held-out events; other items follow.

    Candidates are the best ``depth`` items of each member, popular ones, those that are popular in the context of the
    request, new items that resemble the history and, where answers often repeat, the history itself. Questions are
    held-out events: members and statistics that answer them have seen neither them nor, where there are times, anything
    later. Where cases are held out already (``valid``), these are the questions, and members are fitted once. Where
    impressions are known, the list that an answer was chosen from is a question of its own, and what a place in it is
    worth by itself is learned apart from the order. All other items follow the candidates, by the mean of the members.
    """

    usual: ClassVar[tuple[str, ...]] = ("item-knn", "transitions", "als")
    feature_bytes: ClassVar[float] = 6  # half: questions whose answer is no candidate are left out

    depth: int = hyper(50, "candidates of each member", ge=1, le=1000, space=Space(20, 200, log=True), other=1)
    each: int = hyper(2, "events asked of a history, where they have an order", ge=1, le=100, other=1)

    repeats: Bools = learned()  # () whether items of the history are candidates

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        asked = self.posed(train, valid, run)
        total = sum(len(one.answers) for one in asked)
        again = sum(int(one.repeated.sum()) for one in asked)
        self.repeats = np.array(total > 0 and again >= OFTEN * total)
        lessons: list[Lesson] = []
        found = 0
        whole: tuple[list[Model], Statistics, Names] | None = None
        for one in asked:
            if len(one.answers) and len(one.past.positives().items):
                members = self.fresh(one.past, run, tell=one.past is train)
                statistics, names = Statistics.fit(one.past, self.features)
                learnt = self._learn(one, members, statistics, total, run)
                found += learnt[1]
                lessons += learnt[0]
                whole = (members, statistics, names) if one.past is train else None
        if any(one.lists is not None for one in asked):
            for one in earlier_lists(train, each=self.each):
                if one.lists is not None and len(one.past.positives().items):
                    members, (statistics, _) = self.fresh(one.past, run), Statistics.fit(one.past, self.features)
                    lessons += self._shown(one.lists, one.given, one.answers, members, statistics)
        self.members, self.statistics, names = whole or (
            self.fresh(train, run, tell=True),
            *Statistics.fit(train, self.features),
        )
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

    def posed(self, train: Histories, valid: Split | None, run: Run) -> list[Questions]:
        """What an order is learned from: held-out cases where they are given, else events of ``train``."""
        if valid is not None and len(valid.truth.items) and valid.candidates is None:
            found = [cases(train, valid)]
        else:
            found = list(questions(train, folds=FOLDS, each=self.each, rng=run.rng()))
        return list(map(also_new, found)) if train.people else found  # attributes tell most of new people

    def _learn(
        self, one: Questions, members: list[Model], statistics: Statistics, total: int, run: Run
    ) -> tuple[list[Lesson], int]:
        """The features of the candidates of some questions, and how many of the answers are candidates."""
        rank = rank_by_popularity(one.past.positives().counts())
        width = max(1, self.depth * len(members) + 40)
        chosen = run.rng().permutation(len(one.answers))
        chosen = np.sort(chosen[: max(1, int(MOST_ROWS / width * len(one.answers) / max(1, total)))])
        given, answers, again = one.given[chosen], one.answers[chosen], one.repeated[chosen]
        also = None if one.also is None else one.also[chosen]
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
            if also is not None:
                kept &= (labels > 0) | ~held(asked.rows, asked.items, also[rows])
            if not kept.any():
                continue
            some = Asked(asked.given, asked.rows[kept], asked.items[kept], asked.scores[:, kept])
            sizes = np.bincount(some.rows, minlength=len(asked.given))
            out.append(Lesson(self.look(statistics, some), labels[kept], sizes[sizes > 0]))
        if one.lists is not None:
            out += self._shown(one.lists[chosen], given, answers, members, statistics)
        share = len(one.answers) / max(1, len(chosen))
        return out, round(found * share)

    def _shown(
        self, lists: Shown, given: Histories, answers: Ints, members: list[Model], statistics: Statistics
    ) -> list[Lesson]:
        """The lists that answers were chosen from: each item with its place in the list."""
        out = []
        several = np.diff(lists.indptr) > 1
        lists, given, answers = lists[several], given[several], answers[several]
        for rows in blocks(given, len(members), len(statistics.usual)):
            of = lists[rows]
            pairs = asked_of(members, given[rows], of.rows, of.items)
            labels = (of.items == answers[rows][of.rows]).astype(np.float32)
            if len(labels):
                seen = self.look(statistics, pairs)
                out.append(Lesson(seen, labels, np.diff(of.indptr), np.minimum(places_of(of), FARTHEST)))
        return out

    def order(self, given: Histories, lists: Histories) -> NDArray[np.float64]:
        """The sum that was learned for every item of some lists, one list for each history: ``(events of lists,)``."""
        out = np.zeros(len(lists.items))
        for rows in blocks(given, len(self.members), len(self.statistics.usual)):
            of = lists[rows]
            pairs = asked_of(self.members, given[rows], of.rows, of.items)
            span = slice(int(lists.indptr[rows.start]), int(lists.indptr[rows.stop]))
            out[span] = self.judge_list(self.look(self.statistics, pairs))
        return out

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
