"""Item neighbourhoods: items that occur in the same histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import DataError, ParameterError
from penchant.models.kinds.base import AUTO, Space, hyper, learned
from penchant.models.kinds.pair_sums import Doubles, Formula, PairModel, PairTerms
from penchant.models.kinds.private import NoisySums, Private
from penchant.models.kinds.rating import RatingModel
from penchant.models.parts.denoised import denoised
from penchant.models.parts.operators import nearest_items, normalised_rows
from penchant.models.parts.rating_baseline import Baseline
from penchant.models.parts.similarity import CORATED, SIMILARITIES, Keys, Measure, Vectors, exponents, weigh
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    from penchant.core.split import Split


SHAPED = ("cosine", "tf-idf")  # the similarities that the exponents apply to
REACH = 25  # neighbours kept per neighbour that a prediction may use


@dataclass(kw_only=True)
class ItemKNN(Private, PairModel, RatingModel):
    """Score = the sum of the similarities between the items of a history and the candidate.

    w(i → j) = n_ij / (n_ij + shrink) · Σ_u x_ui·x_uj·|u|^(−user_exponent)
               / (n_i^history_exponent · n_j^candidate_exponent)

    over the training histories u; for each history item i the ``neighbours`` largest are kept. With the exponents
    0, ½, ½ this is the cosine (Sarwar et al. 2001), with 0, 1, 0 the conditional probability (Deshpande and Karypis
    2004), with 0, α, 1 − α the asymmetric cosine (Aiolli 2013). The exponents apply to cosine and tf-idf only, and
    to lists only: predicted ratings use the plain cosine. By default, the more events items have, the more popularity
    counts against a candidate; ``notes`` report the exponent.

    Cost: one addition a pair of events of one history, divided among the threads; memory is what is kept, 8 bytes a
    neighbour. An empty history scores zero everywhere. Raises ``DataError`` when there are no positives.
    """

    name: ClassVar[str] = "item-knn"
    uses_negatives: ClassVar[bool] = True
    private_shares: ClassVar[dict[str, float]] = {"counts": 0.15, "gram": 0.85}
    private_defaults: ClassVar[dict[str, Any]] = {"shrink": 0.0, "user_exponent": 1.0, "candidate_exponent": 0.3}
    private_items: ClassVar[int] = 4_000

    similarity: str = hyper(
        "cosine", "similarity of two items", choices=SIMILARITIES, space=Space(choices=SIMILARITIES), other="jaccard"
    )
    neighbours: int | None = hyper(
        100, "similar items kept for each history item; none: all", ge=1, optional=True, was={0: None},
        space=Space(20, 1000, log=True), other=2,
    )  # fmt: skip
    user_exponent: float = hyper(
        0.3, "exponent of the history's length, by which its events are divided", ge=0, space=Space(0, 1), other=1.0
    )
    history_exponent: float = hyper(
        0.7, "exponent of the history item's popularity, which counts against a pair", space=Space(0, 1.2), other=0.1
    )
    candidate_exponent: float | str = hyper(
        AUTO, "exponent of the candidate's popularity, which counts against a pair; auto: by the events per item",
        number=float, gt=-1, auto=True, was={-1: AUTO}, space=Space(0, 1), other=0.1,
    )  # fmt: skip
    shrink: float = hyper(
        3.0,
        "pairs with n common histories are multiplied by n / (n + shrink)",
        ge=0,
        space=Space(0.5, 200, log=True),
        other=30.0,
    )
    min_overlap: int = hyper(1, "fewest common histories a pair must have", ge=1, other=3)
    aggregation: str = hyper(
        "sum", "normalised: the similarities of each history item sum to one", choices=("sum", "normalised"),
        space=Space(choices=("sum", "normalised")), other="normalised",
    )  # fmt: skip
    max_history: int | None = hyper(
        500, "newest events of a history that are counted in pairs; none: all", ge=1, optional=True, was={0: None},
        other=3,
    )  # fmt: skip

    rating_neighbours: int = hyper(
        40, "items of the history that predict a rating, at most", ge=1, space=Space(10, 100, log=True), other=1
    )
    rating_shrink: float = hyper(
        100.0, "like shrink, for predicted ratings", ge=0, space=Space(1, 3000, log=True), other=1.0
    )
    rating_damping: float = hyper(
        0.1, "added to the sum of similarities, so that few or weak neighbours leave a rating near its baseline", ge=0,
        space=Space(0.02, 1, log=True), other=5.0,
    )  # fmt: skip
    user_damping: float = hyper(5.0, "as in bias, for predicted ratings", ge=0, space=Space(0, 30), other=30.0)
    item_damping: float = hyper(2.0, "as in bias, for predicted ratings", ge=0, space=Space(0, 30), other=30.0)

    baseline: Baseline | None = learned()  # of ratings
    rated: Weights | None = learned()  # the nearest of each item by deviations from the baseline, best first

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        liked = self.bounded(train.timeless().positives().distinct(), self.max_history)
        if len(liked.items) == 0:
            raise DataError(f"{self.name}: nothing to learn from: the training histories hold no positive event")
        self.weights = self._operator(liked, run)
        if train.values_are == "rating":
            ratings = train.distinct()
            self.baseline = Baseline.fit(ratings, user_damping=self.user_damping, item_damping=self.item_damping)
            self.rated = self._rated_items(ratings, run)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        kept = log.kept(self.neighbours, most=self.max_history)
        pairs, met = log.pairs(self.max_history), log.kept(None, most=self.max_history)
        fit = {"events": log.distinct, "pairs": pairs, "met": met}
        if log.ratings:
            rated = log.kept(REACH * self.rating_neighbours, most=self.max_history)
            fit |= {"rated pairs": pairs, "rated met": met}
            kept += rated
        return Cost(fit, 8 * kept, 64 * log.events + 8 * kept, self.answer_work(log, log.length * kept / log.items))

    def _measure(self, events: Histories | None = None) -> Measure:
        candidate = self.against_popularity("candidate_exponent", events) if self.similarity in SHAPED else 0.5
        overlap = self.min_overlap if events is None else max(self.min_overlap, events.min_support)
        return Measure(self.similarity, self.user_exponent, self.history_exponent, candidate, self.shrink, overlap)

    def _operator(self, liked: Histories, run: Run) -> Weights:
        measure = self._measure(liked)
        values = liked.values if measure.similarity in CORATED else liked.weights()
        if values is None:
            raise DataError(
                f"{self.name}: {self.similarity} compares the values of events, and there are none",
                fix="Use a log with ratings or weights, or another similarity, such as cosine.",
            )
        near = nearest_items(measure, liked, values, self.neighbours, run)
        return normalised_rows(near) if self.aggregation == "normalised" else near

    def _rated_items(self, ratings: Histories, run: Run) -> Weights:
        assert self.baseline is not None and ratings.values is not None  # fit on ratings
        overlap = max(self.min_overlap, ratings.min_support)
        measure = Measure(self.similarity, shrink=self.rating_shrink, min_overlap=overlap, centred=True)
        values = ratings.values if self.similarity in CORATED else self.baseline.deviations(ratings)
        newest = ratings.ages() < (self.max_history or np.inf)
        if cut := int((~newest).sum()):
            self.notes.append(
                f"{cut:,} ratings are not among the newest {self.max_history:,} of their histories: "
                "they are not in the pairs that predict ratings"
            )
        counted, values = ratings.where(newest), values[newest]
        return nearest_items(measure, counted, values, REACH * self.rating_neighbours, run, by_score=True)

    def check_private(self) -> None:
        """As in ``Private``: what needs exact pairs cannot be had."""
        odd = {"similarity": "cosine", "user_exponent": 1.0, "shrink": 0.0, "min_overlap": 1}
        if other := [name for name, value in odd.items() if getattr(self, name) != value]:
            name = other[0]
            raise ParameterError(f"{self.name} with a promise of privacy takes no {name}: use {name}={odd[name]}")
        if self.candidate_exponent == AUTO:
            raise ParameterError(f"{self.name} with a promise of privacy needs a candidate_exponent, such as 0.3")

    def fit_private(self, sums: NoisySums, run: Run) -> None:
        """As in ``Private``: cosines of the part of the noised co-counts that stands out from their noise.

        A pair counts 1 / m in a history of m items (``user_exponent`` 1); nothing is known of single pairs, so there is
        no ``shrink`` and no ``min_overlap``. Lists only. Costs n³ for n items.
        """
        pairs, deviation = sums.gram()
        values, vectors = denoised(pairs, deviation)
        left = vectors * values
        own = np.einsum("ij,ij->i", left, vectors)
        typical = max(float(own.mean()), 1e-12)
        size = np.maximum(own / typical, 1e-3)  # in typical items, so that the exponents move no score far
        of_history, of_candidate = size**-self.history_exponent, size ** -float(self.candidate_exponent)
        n, k = len(pairs), min(self.neighbours or len(pairs), len(pairs) - 1)
        lengths, indices, data = np.zeros(n, np.int64), [], []
        for item in range(n):
            near = (left[item] @ vectors.T) * (of_history[item] * of_candidate / typical)
            near[item] = 0
            best = np.sort(np.argpartition(-near, k - 1)[:k]) if k else np.empty(0, np.int64)
            best = best[near[best] > 0]
            lengths[item] = len(best)
            indices.append(best.astype(np.int32))
            data.append(near[best].astype(np.float32))
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        near_items = Weights(indptr, np.concatenate(indices), np.concatenate(data))
        self.weights = normalised_rows(near_items) if self.aggregation == "normalised" else near_items

    def recent(self, given: Histories) -> Histories:
        return super().recent(given.positives())

    # -- exact updates --------------------------------------------------------------------------------------------

    def _inexact(self, train: Histories) -> str:
        if train.values_are == "rating":
            return (
                "from a log of ratings, whose baselines depend on all of them; for lists only, read them as weights "
                '(values="weight")'
            )
        if self.similarity in (*CORATED, "bm25"):
            return f"under {self.similarity}, which compares with means over all histories"
        return ""

    def _terms(self, log: Histories) -> PairTerms:
        events = log.distinct().newest(self.max_history)
        # the values of a history depend only on itself: they are weighted as vectors over the histories
        counts = np.zeros(max(len(events), 1), dtype=np.int64)
        counts[: len(events)] = events.lengths
        keys = Keys(counts, np.zeros(len(counts), np.float32), events.n_items, 1.0)
        alone = Vectors(np.arange(len(events.items) + 1), events.rows.astype(np.int32), events.weights())
        x = weigh(self._measure(), alone, keys)[0].astype(np.float64)
        of_history = np.maximum(events.lengths, 1.0)[events.rows] ** -self.user_exponent
        any_distance = np.empty(0)
        return PairTerms(events, x, of_history, x**2, any_distance, any_distance)

    def _formula(self, mass: Doubles, histories: int) -> Formula:
        measure = self._measure()
        of_history, of_candidate = (np.where(mass > 0, mass, 1) ** -e for e in exponents(measure))
        if self.similarity == "lift":
            of_history = of_history * histories
        return Formula(
            of_history, of_candidate, self.neighbours, measure.form, self.shrink, min_overlap=self.min_overlap,
            normalised=self.aggregation == "normalised", everywhere=self.similarity == "lift",
        )  # fmt: skip

    def _predict(self, given: Histories, items: Histories) -> Floats:
        from penchant.kernels.rated import by_rated_items
        from penchant.kernels.threads import over_blocks

        if self.baseline is None or self.rated is None:
            raise DataError(f"{self.name} was fitted on a log without ratings, so it cannot predict ratings")
        known, near = given.distinct().newest(self.window), self.rated
        indptr, indices, data = near.indptr, near.indices, near.data
        assert indptr is not None and indices is not None and data is not None  # it is sparse
        deviations, out = self.baseline.deviations(known), np.zeros(len(items.items), dtype=np.float32)

        def work(lo: int, hi: int) -> None:
            by_rated_items(
                lo, hi, known.indptr, known.items, deviations, items.indptr, items.items, indptr, indices,
                data, self.rating_neighbours, self.rating_damping, out,
            )  # fmt: skip

        over_blocks(work, len(known), size=256)
        return self.baseline.clip(self.baseline.of(known, items) + out)
