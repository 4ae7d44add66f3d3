"""User neighbourhoods: what else the most similar training histories contain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.rank import Ranked, empty_lists
from penchant.core.run import Run
from penchant.errors import DataError, ParameterError
from penchant.models.kinds.base import Explanation, Space, events_used, hyper, learned
from penchant.models.kinds.neighbours import NeighbourModel
from penchant.models.kinds.rating import RatingModel
from penchant.models.parts.rating_baseline import Baseline
from penchant.models.parts.similarity import CORATED, SIMILARITIES, Found, Measure, Vectors, weigh
from penchant.models.parts.stored_histories import Side, StoredHistories

if TYPE_CHECKING:
    from penchant.core.split import Split

Sparse = tuple[Longs, Ints, Floats]  # indptr, indices, data
ROWS_AT_ONCE = 8192  # histories whose neighbours are in memory at once


@dataclass(kw_only=True)
class UserKNN(RatingModel, NeighbourModel):
    """Score = the sum over the most similar training histories v of their similarity · their weight of the item.

    s(u, v) = n_uv / (n_uv + shrink) · Σ_i x_ui·x_vi·n_i^(−item_exponent) / (|u|^history_exponent · |v|^stored_exponent)
    score(j) = Σ_v s(u, v)·x_vj / n_j^candidate_exponent

    (Herlocker et al. 1999; the exponents as in Verstrepen and Goethals 2014; they apply to cosine and tf-idf only,
    and to lists only.) One stored history that is identical to the given one is left out: it is most likely the same
    person.
    Predictions are the baseline plus the weighted mean of the neighbours' deviations from theirs.

    It stores the training histories, without names: ``remembers_users``. Cost: 16 bytes per event, with the index over
    items; an answer visits the training events of the history's items. An empty history scores zero.
    """

    name: ClassVar[str] = "user-knn"
    remembers_users: ClassVar[bool] = True
    uses_negatives: ClassVar[bool] = True

    similarity: str = hyper(
        "cosine", "similarity of two histories", choices=SIMILARITIES, space=Space(choices=SIMILARITIES),
        other="jaccard",
    )  # fmt: skip
    neighbourhood: int | None = hyper(
        200, "how many similar histories are used; none: all", ge=1, optional=True, was={0: None},
        space=Space(20, 1000, log=True), other=2,
    )  # fmt: skip
    item_exponent: float = hyper(
        0.3, "exponent of a common item's popularity, which counts against it", ge=0, space=Space(0, 1), other=1.0
    )
    history_exponent: float = hyper(
        0.5, "exponent of the history's length, by which similarities are divided", space=Space(0, 1), other=0.1
    )
    stored_exponent: float = hyper(
        0.4, "exponent of a training history's length, which counts against it", space=Space(0, 1), other=0.1
    )
    candidate_exponent: float = hyper(
        0.2, "exponent of the candidate's popularity, which counts against it", space=Space(0, 0.6), other=0.5
    )
    shrink: float = hyper(
        0.0,
        "similarities with n common items are multiplied by n / (n + shrink)",
        ge=0,
        space=Space(0.5, 200, log=True),
        other=5.0,
    )
    min_overlap: int = hyper(1, "fewest common items a neighbour must have", ge=1, other=3)
    aggregation: str = hyper(
        "sum", "normalised: divided by the sum of the similarities", choices=("sum", "normalised"),
        other="normalised",
    )  # fmt: skip
    window: int | None = hyper(
        None, "newest events of a history that count; none: all", number=int, ge=1, optional=True, was={0: None},
        other=2,
    )  # fmt: skip
    rating_neighbours: int = hyper(
        60,
        "neighbours who rated the item that predict a rating, at most",
        ge=1,
        space=Space(10, 200, log=True),
        other=1,
    )
    rating_shrink: float = hyper(
        50.0, "like shrink, for predicted ratings", ge=0, space=Space(1, 1000, log=True), other=1.0
    )
    rating_damping: float = hyper(
        0.2, "added to the sum of similarities, so that few or weak neighbours leave a rating near its baseline", ge=0,
        space=Space(0.02, 1, log=True), other=5.0,
    )  # fmt: skip
    user_damping: float = hyper(5.0, "as in bias, for predicted ratings", ge=0, space=Space(0, 30), other=30.0)
    item_damping: float = hyper(2.0, "as in bias, for predicted ratings", ge=0, space=Space(0, 30), other=30.0)

    stored: StoredHistories = learned()
    baseline: Baseline | None = learned()  # of ratings

    # computed on first use
    _liked: Side | None = field(init=False, default=None, repr=False, compare=False)
    _rated: Side | None = field(init=False, default=None, repr=False, compare=False)
    _data: Floats | None = field(init=False, default=None, repr=False, compare=False)
    _deviations: Vectors | None = field(init=False, default=None, repr=False, compare=False)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self._liked, self._rated, self._data, self._deviations = None, None, None, None
        if len(train.positives().items) == 0:
            raise DataError(f"{self.name}: nothing to learn from: the training histories hold no positive event")
        self.stored = StoredHistories.of(train)
        if train.values_are == "rating":
            self.baseline = Baseline.fit(
                train.distinct(), user_damping=self.user_damping, item_damping=self.item_damping
            )
        self._side(rated=False)  # so that the first answer is fast

    # -- neighbours -----------------------------------------------------------------------------------------------

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        fit = {"events": log.events}
        answer = {"histories": 1.0, "met": log.met, "items": log.items, "users": log.users}
        return Cost(fit, 10 * log.events + 8 * log.users, 55 * log.events, answer, answering=20 * log.events)

    def _side(self, *, rated: bool) -> Side:
        """The stored histories by item: positives for ranking, all ratings for predicting; computed once."""
        made = self._rated if rated else self._liked
        if made is None:
            events = self.stored.histories(len(self.item_counts))
            events = events if rated else events.positives()
            measure = Measure(
                self.similarity, self.item_exponent, self.history_exponent, self.stored_exponent, self.shrink,
                self.min_overlap,
            )  # fmt: skip
            if rated:
                measure = Measure(
                    self.similarity, shrink=self.rating_shrink, min_overlap=self.min_overlap, centred=True
                )
            made = Side.of(measure, events, self._values(events, rated=rated))
            if rated:
                self._rated = made
            else:
                self._liked = made
        return made

    def _values(self, events: Histories, *, rated: bool) -> Floats:
        """The values that the similarity compares."""
        if self.similarity not in CORATED:
            return self.baseline.deviations(events) if rated and self.baseline is not None else events.weights()
        if events.values is None and len(events.items):
            raise DataError(
                f"{self.name}: {self.similarity} compares the values of events, and there are none",
                fix="Use a log with ratings or weights, or another similarity, such as cosine.",
            )
        if events.values is None:
            return np.empty(0, np.float32)
        if self.baseline is None or events.values_are != "rating":
            return events.values
        return self.baseline.rated(events)

    def _near(self, given: Histories, k: int | None, *, rated: bool = False, threads: int = 0) -> Iterator[Found]:
        side = self._side(rated=rated)
        queries = Vectors(given.indptr, given.items, self._values(given, rated=rated))
        return side.index.near(queries, k, myself=side.twins(given), by_score=not rated, threads=threads)

    def recent(self, given: Histories) -> Histories:
        """The events that count: distinct positives, the newest ``window`` of them."""
        return given.positives().distinct().newest(self.window)

    def neighbours(self, given: Histories, k: int = 10) -> tuple[Histories, Floats]:
        """The k stored histories most similar to the one given, the most similar first, and their similarities.

        Histories are anonymous. Raises ``ParameterError`` unless ``given`` is one history and k at least 1.
        """
        self._check_given(given)
        if len(given) != 1 or k < 1:
            raise ParameterError(f"neighbours needs one history and k ≥ 1, got {len(given)} and {k}")
        found = next(self._near(self.recent(given), k, threads=1))
        return self._side(rated=False).events[found.points.astype(np.int64)], found.scores

    # -- ranking --------------------------------------------------------------------------------------------------

    def _votes(self, given: Histories, threads: int) -> Sparse:
        """The neighbours of each (recent) history, and the weight of each, as a sparse matrix."""
        found = list(self._near(given, self.neighbourhood, threads=threads))
        sizes = np.concatenate([np.empty(0, np.int64), *(f.sizes for f in found)])
        rows = np.concatenate([np.empty(0, np.int32), *(f.points for f in found)])
        scores = np.concatenate([np.empty(0, np.float32), *(f.scores for f in found)])
        if self.aggregation == "normalised":
            row = np.repeat(np.arange(len(sizes)), sizes)
            scores = (scores / np.bincount(row, weights=scores, minlength=len(sizes))[row]).astype(np.float32)
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), rows, scores

    def _operator(self) -> Sparse:
        """Stored history → weights of its items: the operator that multiplies the weights of neighbours."""
        events = self._side(rated=False).events
        if self._data is None:
            popularity = np.maximum(self.item_counts, 1).astype(np.float64) ** -self.candidate_exponent
            self._data = (events.weights() * popularity[events.items]).astype(np.float32)
        return events.indptr, events.items, self._data

    def _score(self, given: Histories) -> Floats:
        from penchant.kernels.select import sparse_scores
        from penchant.kernels.threads import over_blocks

        indptr, rows, scores = self._votes(self.recent(given), 1)
        operator, out = self._operator(), np.zeros((len(given), given.n_items), dtype=np.float32)
        over_blocks(
            lambda lo, hi: sparse_scores(lo, hi, indptr, rows, scores, *operator, out), len(given), size=64, threads=1
        )
        return out

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked:
        """As in ``Model``; visits only the items of the neighbours."""
        from penchant.kernels.threads import over_blocks

        self._check_given(given)
        items, scores = empty_lists(len(given), k)
        by_popularity = np.argsort(popularity_rank).astype(np.int32)
        mask = np.empty(0, np.bool_) if allow is None else allow
        operator = self._operator()
        for start in range(0, len(given), ROWS_AT_ONCE):
            part = slice(start, min(start + ROWS_AT_ONCE, len(given)))
            votes = self._votes(self.recent(given[part]), threads)
            banned = exclude[part]
            rest = (popularity_rank, by_popularity, banned.indptr, banned.items, mask, items[part], scores[part])
            over_blocks(partial(_top_of_votes, votes, operator, rest), len(banned), size=64, threads=threads)
        return Ranked(items, scores)

    def _explain(self, given: Histories, items: Longs) -> list[Explanation]:
        """Exact: the contribution of each neighbour is divided among the events it has in common with the history.

        Each event gets its part of their similarity; where a similarity is not a sum, all get the same.
        """
        recent = self.recent(given)
        event = events_used(given, recent)
        _, rows, votes = self._votes(recent, 1)
        indptr, stored, data = self._operator()
        parts = np.zeros((len(items), len(given.items)), dtype=np.float64)
        for row, vote in zip(rows, votes, strict=True):
            of = slice(indptr[row], indptr[row + 1])
            wanted = np.flatnonzero(np.isin(items, stored[of]))
            gave = [float(data[of][stored[of] == items[n]].sum()) * float(vote) for n in wanted.tolist()]
            common = np.flatnonzero(np.isin(recent.items, stored[of])) if any(gave) else wanted[:0]
            if not len(common):
                continue
            share = self._share(recent, int(row), common)
            share, at = share / share.sum(), event[common]
            for n, amount in zip(wanted.tolist(), gave, strict=True):
                parts[n, at] += amount * share
        return [Explanation("exact", float(one.sum()), 0.0, one.astype(np.float32)) for one in parts]

    def _share(self, recent: Histories, row: int, common: Longs) -> Floats:
        """The parts of the common events in the similarity with one stored history."""
        index = self._side(rated=False).index
        out = np.ones(len(common), dtype=np.float32)
        if not index.measure.corated:
            x, _ = weigh(index.measure, Vectors(recent.indptr, recent.items, recent.weights()), index.keys)
            for n, event in enumerate(common):
                of = slice(index.by_key.indptr[recent.items[event]], index.by_key.indptr[recent.items[event] + 1])
                out[n] = x[event] * index.by_key.values[of][np.searchsorted(index.by_key.keys[of], row)]
        return out

    # -- ratings --------------------------------------------------------------------------------------------------

    def _predict(self, given: Histories, items: Histories) -> Floats:
        from penchant.kernels.rated import by_users_who_rated

        if self.baseline is None:
            raise DataError(f"{self.name} was fitted on a log without ratings, so it cannot predict ratings")
        known = given.distinct().newest(self.window)
        side, out = self._side(rated=True), np.zeros(len(items.items), dtype=np.float32)
        if self._deviations is None:
            points = Vectors(side.events.indptr, side.events.items, self.baseline.deviations(side.events))
            self._deviations = points.turned(given.n_items)
        by_item = self._deviations
        for found in self._near(known, None, rated=True):
            by_users_who_rated(
                found.lo, found.sizes, found.points, found.scores, items.indptr, items.items, by_item.indptr,
                by_item.keys, by_item.values, len(side.events), self.rating_neighbours, self.rating_damping, out,
            )  # fmt: skip
        return self.baseline.clip(self.baseline.of(known, items) + out)


def _top_of_votes(votes: Sparse, operator: Sparse, rest: tuple[Any, ...], lo: int, hi: int) -> None:
    from penchant.kernels.select import sparse_top

    sparse_top(lo, hi, *votes, *operator, *rest)
