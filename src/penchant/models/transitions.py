"""Transitions: what people did next, as a directed item → item operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.blocks import IN_MEMORY, counted, row_blocks
from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.rank import rank_by_popularity
from penchant.core.run import Run
from penchant.models.kinds.base import AUTO, Space, Task, hyper
from penchant.models.kinds.pair_sums import Doubles, Formula, PairModel, PairTerms
from penchant.models.parts.operators import among_pairs
from penchant.models.parts.ragged import turned
from penchant.models.parts.spilled import SpilledRows
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    from penchant.core.split import Split

PAIRS_A_BLOCK = 2**21
EVENTS_AT_ONCE = 2**23  # whose places in the log are held


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

    Cost: one addition a pair within reach, divided among the threads. What is kept takes 8 bytes per pair of items that
    ever occurred together; beyond 512 MiB it goes to files in the folder for temporary files, mapped into memory.
    Besides, a fit holds 8 bytes an event and 350 MiB. An empty history scores zero everywhere.
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
        log = self.bounded(train.timeless(), self.max_history)
        if log.min_support == 1:
            self.weights = followers(self, log, run)
            return
        every = followers(replace(self, neighbours=None), log, run)
        self.weights = among_pairs(every, log, self.neighbours, run)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        pairs = log.within(self.reach, self.max_history)
        kept = log.kept(self.neighbours, reach=self.reach, most=self.max_history)
        fit = {"events": log.events, "pairs": pairs, "met": log.kept(None, reach=self.reach, most=self.max_history)}
        mapped = 8 * kept if 8 * kept > IN_MEMORY else 0
        working = 8 * log.events + 64 * min(log.events, EVENTS_AT_ONCE) + (IN_MEMORY if mapped else 0)
        return Cost(fit, 8 * kept, working, self.answer_work(log, log.length * kept / log.items), mapped=mapped)

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
    from penchant.kernels.threads import iter_blocks
    from penchant.kernels.transitions import count_pairs, transition_rows

    n, lengths = log.n_items, log.lengths
    longest = int(lengths.max(initial=1)) - 1
    reach = min(model.reach or longest, longest)
    distance = np.arange(reach + 1, dtype=np.float64)
    distance[0] = 1  # not used
    decay = (distance**-model.distance_exponent).astype(np.float32)
    x = log.weights()
    counts = counted(log.items, n)
    weighed = log.values_are == "weight"
    mass = np.bincount(log.items, weights=x, minlength=n) if weighed else counts.astype(np.float64)
    mass[mass == 0] = 1
    of_history = (mass**-model.history_exponent).astype(np.float32)
    of_candidate = (mass**-model.candidate_exponent).astype(np.float32)
    per_history = np.repeat((np.maximum(lengths, 1.0) ** -model.user_exponent).astype(np.float32), lengths)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    popularity_rank = rank_by_popularity(counts)
    forward, backward = decay * np.float32(model.forward), decay * np.float32(model.backward)
    # small blocks: popular items have most of the pairs
    size = max(1, min(512, int(n * PAIRS_A_BLOCK / max(1, 2 * reach * len(log.items)))))
    report = run.report("transitions")

    def between(first: int, last: int) -> Iterator[tuple[Longs, Ints, Floats]]:
        here, events, starts, ends = _events_of(log, first, last, indptr)

        def work(lo: int, hi: int) -> tuple[Longs, Ints, Floats]:
            lo, hi = first + lo, first + hi
            pairs = count_pairs(lo, hi, here, events, starts, ends, reach)
            room = min(pairs, (hi - lo) * min(n, model.neighbours or n))
            sizes = np.zeros(hi - lo, dtype=np.int64)
            found, scores = np.empty(room + 1, dtype=np.int32), np.empty(room + 1, dtype=np.float32)
            used = transition_rows(
                lo, hi, here, events, starts, ends, log.items, x, per_history, forward, backward, of_history,
                of_candidate, model.shrink, popularity_rank, model.neighbours or 0, sizes, found, scores,
            )  # fmt: skip
            return sizes, found[:used].copy(), scores[:used].copy()

        progress = None if report is None else lambda done, _: report(first + done, n)
        return iter_blocks(work, last - first, size=size, threads=run.threads, progress=progress)

    sizes = [np.zeros(1, np.int64)]
    with SpilledRows() as rows:
        for first, last in row_blocks(indptr, EVENTS_AT_ONCE):
            for of_rows, found, scores in between(first, last):
                sizes.append(of_rows)
                rows.append(found, scores)
        indices, data = rows.arrays()
    return Weights(np.cumsum(np.concatenate(sizes)), indices, data)


def _events_of(log: Histories, first: int, last: int, indptr: Longs) -> tuple[Longs, Longs, Longs, Longs]:
    """The events of the items ``[first, last)``, item by item: where those of each item begin, their places in the log,
    and where their histories begin and end."""
    if last - first == log.n_items:
        _, row, events = turned(log.indptr, log.items, log.n_items)
        return indptr, events, log.indptr[row], log.indptr[1:][row]
    size = int(indptr[last] - indptr[first])
    places, owners, at = np.empty(size, np.int64), np.empty(size, np.int32), 0
    for lo, hi in row_blocks(log.indptr):
        start, stop = int(log.indptr[lo]), int(log.indptr[hi])
        near = np.flatnonzero((log.items[start:stop] >= first) & (log.items[start:stop] < last))
        these = slice(at, at + len(near))
        places[these] = start + near
        owners[these] = np.searchsorted(log.indptr[lo : hi + 1], places[these], side="right") + (lo - 1)
        at += len(near)
    _, _, order = turned(np.array([0, size]), log.items[places] - np.int32(first), last - first)
    owners = owners[order]
    return indptr - indptr[first], places[order], log.indptr[owners], log.indptr[1:][owners]
