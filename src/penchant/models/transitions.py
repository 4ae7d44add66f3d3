"""Transitions: what people did next, as a directed item → item operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.rank import rank_by_popularity
from penchant.core.run import Run
from penchant.models.kinds.base import AUTO, Space, Task, hyper
from penchant.models.kinds.pair_sums import Doubles, Formula, PairModel, PairTerms
from penchant.models.parts.ragged import turned
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    from penchant.core.split import Split

PAIRS_A_BLOCK = 2**21


@dataclass(kw_only=True)
class Transitions(PairModel):
    """Sequential collaborative filtering: an item leads to the items that followed it, close ones most.

    w(i → j) = c_ij² / (c_ij + shrink) / (n_i^history_exponent · n_j^candidate_exponent)
    c_ij = Σ over histories u, and positions p of i and q of j in them with 0 < |q − p| ≤ reach, of
           x_up · x_uq · |u|^(−user_exponent) · |q − p|^(−distance_exponent) · (forward if q > p else backward)

    n is the weight of an item's events. The score of a candidate is the sum of w over the history, the newest event
    counting most (``half_life``). With reach 1, backward 0 and a window of one event this is a Markov chain; sequential
    rules (Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", 2018) are the case backward
    0 and distance exponent 1. Repeated items count: an item may follow itself.

    Cost: one addition a pair within reach, divided among the threads; memory is what is kept, 8 bytes per pair of items
    that ever occurred together. An empty history scores zero everywhere.
    """

    name: ClassVar[str] = "transitions"
    task: ClassVar[Task] = "sequence"
    usual_half_life: ClassVar[float | None] = 1.5

    reach: int | None = hyper(
        20, "events apart that still count as a transition; none: any", ge=1, optional=True, was={0: None},
        space=Space(1, 50, log=True), other=1,
    )  # fmt: skip
    distance_exponent: float = hyper(
        0.5, "exponent of the distance, which counts against a transition", ge=0, space=Space(0, 2), other=2.0
    )
    forward: float = hyper(1.0, "weight of items that came later", ge=0, other=0.2)
    backward: float = hyper(0.6, "weight of items that came earlier", ge=0, space=Space(0, 1), other=2.0)
    user_exponent: float = hyper(
        0.0, "exponent of the history's length, by which its pairs are divided", ge=0, space=Space(0, 1), other=1.0
    )
    history_exponent: float = hyper(
        0.25, "exponent of the history item's popularity, which counts against a pair", space=Space(0, 1), other=1.0
    )
    candidate_exponent: float = hyper(
        0.1, "exponent of the candidate's popularity, which counts against a pair", space=Space(-0.2, 0.6), other=0.6
    )
    shrink: float = hyper(
        0.0, "rare pairs count less: c becomes c² / (c + shrink)", ge=0, space=Space(0, 10), other=5.0
    )
    neighbours: int | None = hyper(
        None, "items kept for each history item; none: all", number=int, ge=1, optional=True, was={0: None}, other=2
    )
    half_life: float | str | None = hyper(
        AUTO, "events after which an event counts half; none: no decay, auto: estimated from training histories",
        number=float, gt=0, auto=True, optional=True, was={-1: AUTO, 0: None}, space=Space(0.5, 20, log=True),
        other=10.0,
    )  # fmt: skip
    max_history: int | None = hyper(
        500, "newest events of a history that are counted in pairs; none: all", ge=1, optional=True, was={0: None},
        other=3,
    )  # fmt: skip

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self.weights = followers(self, self.bounded(train.timeless(), self.max_history), run)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        pairs = log.within(self.reach, self.max_history)
        kept = log.kept(self.neighbours, reach=self.reach, most=self.max_history)
        fit = {"events": log.events, "pairs": pairs, "met": log.kept(None, reach=self.reach, most=self.max_history)}
        return Cost(fit, 8 * kept, 72 * log.events + 8 * kept, self.answer_work(log, log.length * kept / log.items))

    def _terms(self, log: Histories) -> PairTerms:
        events = log.newest(self.max_history)
        longest = max(int(events.lengths.max(initial=1)) - 1, 0)
        distance = np.arange(min(self.reach or longest, longest) + 1, dtype=np.float64)
        distance[0] = 1  # not used
        decay = distance**-self.distance_exponent
        of_history = np.maximum(events.lengths, 1.0)[events.rows] ** -self.user_exponent
        x = events.weights().astype(np.float64)
        return PairTerms(events, x, of_history, x, decay * self.forward, decay * self.backward)

    def _formula(self, mass: Doubles, histories: int) -> Formula:
        mass = np.where(mass > 0, mass, 1)
        return Formula(
            mass**-self.history_exponent, mass**-self.candidate_exponent, self.neighbours, shrink=self.shrink,
            by_sum=True,
        )  # fmt: skip


def followers(model: Transitions, log: Histories, run: Run) -> Weights:
    """The sparse item → item operator of a log."""
    from penchant.kernels.threads import over_blocks
    from penchant.kernels.transitions import count_pairs, transition_rows

    n, lengths = log.n_items, log.lengths
    longest = int(lengths.max(initial=1)) - 1
    reach = min(model.reach or longest, longest)
    distance = np.arange(reach + 1, dtype=np.float64)
    distance[0] = 1  # not used
    decay = (distance**-model.distance_exponent).astype(np.float32)
    x = log.weights()
    mass = np.bincount(log.items, weights=x, minlength=n)
    mass[mass == 0] = 1
    of_history = (mass**-model.history_exponent).astype(np.float32)
    of_candidate = (mass**-model.candidate_exponent).astype(np.float32)
    per_history = np.repeat(np.maximum(lengths, 1.0) ** -model.user_exponent, lengths).astype(np.float32)
    indptr, row, events = turned(log.indptr, log.items, n)
    starts, ends = log.indptr[row], log.indptr[1:][row]
    del row
    popularity_rank = rank_by_popularity(np.diff(indptr))
    forward, backward = decay * np.float32(model.forward), decay * np.float32(model.backward)
    # small blocks: popular items have most of the pairs
    size = max(1, min(512, int(n * PAIRS_A_BLOCK / max(1, 2 * reach * len(log.items)))))

    def work(lo: int, hi: int) -> tuple[Longs, Ints, Floats]:
        pairs = count_pairs(lo, hi, indptr, events, starts, ends, reach)
        room = min(pairs, (hi - lo) * min(n, model.neighbours or n))
        sizes = np.zeros(hi - lo, dtype=np.int64)
        found, scores = np.empty(room + 1, dtype=np.int32), np.empty(room + 1, dtype=np.float32)
        used = transition_rows(
            lo, hi, indptr, events, starts, ends, log.items, x, per_history, forward, backward, of_history,
            of_candidate, model.shrink, popularity_rank, model.neighbours or 0, sizes, found, scores,
        )  # fmt: skip
        return sizes, found[:used].copy(), scores[:used].copy()

    parts = over_blocks(work, n, size=size, threads=run.threads, progress=run.report("transitions"))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate([part[0] for part in parts]))]).astype(np.int64)
    indices, data = np.empty(int(indptr[-1]), np.int32), np.empty(int(indptr[-1]), np.float32)
    at = 0
    for _, found, scores in _taken(parts):  # each part is freed once it is copied
        indices[at : at + len(found)], data[at : at + len(found)] = found, scores
        at += len(found)
    return Weights(indptr=indptr, indices=indices, data=data)


def _taken(parts: list[tuple[Longs, Ints, Floats]]) -> Iterator[tuple[Longs, Ints, Floats]]:
    parts.reverse()
    while parts:
        yield parts.pop()
