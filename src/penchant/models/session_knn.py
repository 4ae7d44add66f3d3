"""Session neighbours: what came next in the most similar sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Model, Space, Task, hyper, learned
from penchant.models.kinds.linear import SECONDS_A_DAY
from penchant.models.parts.ragged import turned

if TYPE_CHECKING:
    from penchant.core.split import Split

Doubles = NDArray[np.float64]
ROWS = 64  # a block


@dataclass(frozen=True, eq=False)
class Sessions:
    """Anonymous training sessions, oldest first: distinct items in order, and the end of each."""

    indptr: Longs
    items: Ints
    ended: Longs | None  # (sessions,) unix seconds


@dataclass(kw_only=True)
class SessionKNN(Model):
    """Score = Σ over the ``neighbourhood`` most similar training sessions s that hold the item of
    sim(s) · 2^(−|distance| / distance_half_life) · (backward if the item is before the match) / n_j^candidate_exponent

    sim(s) = Σ over common items i of 2^(−age_i / half_life) / n_i^history_exponent
             · |s|^(−length_exponent) · 2^(−days since s ended / recency_days) · 2^(−age of the match / match_half_life)

    Age counts events back from the newest of the history; the match is the newest common item, and distance counts
    from its position in s. Only the ``sample`` newest sessions with a common item are compared. It covers a family;
    a half-life of None is no decay:

    - SKNN (Jannach and Ludewig, RecSys 2017): no half-lives, ``backward`` 1, both item exponents 0
    - V-SKNN (Ludewig and Jannach, UMUAI 2018): ``half_life``, ``match_half_life`` and ``candidate_exponent``
    - STAN (Garg et al., SIGIR 2019): ``half_life``, ``recency_days`` and ``distance_half_life``
    - VSTAN (Ludewig et al., UMUAI 2021): all of them

    What differs from the papers: every decay is exponential, and rarity counts by a power of the count instead of its
    logarithm. The model keeps the training sessions, without ids (``remembers_users``); without times ``recency_days``
    has no effect and the newest training rows are the last ones.

    Cost: a history visits every session with a common item; memory is 16 bytes a training event. An empty history
    scores zero everywhere.
    """

    name: ClassVar[str] = "session-knn"
    task: ClassVar[Task] = "sequence"
    remembers_users: ClassVar[bool] = True

    neighbourhood: int = hyper(200, "similar sessions used", ge=1, space=Space(50, 1500, log=True), other=2)
    sample: int | None = hyper(
        2000, "newest sessions with a common item that are compared; none: all", ge=1, optional=True, was={0: None},
        space=Space(500, 10000, log=True), other=4,
    )  # fmt: skip
    half_life: float | None = hyper(
        2.0, "events after which an event of the history counts half; none: no decay", gt=0, optional=True,
        was={0: None}, space=Space(0.3, 10, log=True), other=0.3,
    )  # fmt: skip
    length_exponent: float = hyper(
        0.5, "exponent of a session's length, which counts against it", ge=0, space=Space(0, 1), other=2.0
    )
    distance_half_life: float | None = hyper(
        2.0, "events from the match after which an item of a session counts half; none: no decay", gt=0, optional=True,
        was={0: None}, space=Space(0.3, 10, log=True), other=0.3,
    )  # fmt: skip
    backward: float = hyper(0.5, "weight of items before the match", ge=0, space=Space(0, 1), other=0.0)
    match_half_life: float | None = hyper(
        None, "age of the match after which a session counts half; none: no decay", number=float, gt=0, optional=True,
        was={0: None}, space=Space(0.3, 10, log=True), other=0.5,
    )  # fmt: skip
    recency_days: float | None = hyper(
        None, "days after which a session counts half; none: no decay", number=float, gt=0, optional=True,
        was={0: None}, space=Space(1, 200, log=True), other=1.0,
    )  # fmt: skip
    history_exponent: float = hyper(
        0.2, "exponent of a common item's popularity, which counts against it", space=Space(0, 0.8), other=1.0
    )
    candidate_exponent: float = hyper(
        0.0, "exponent of the candidate's popularity, which counts against it", space=Space(-0.1, 0.4), other=0.6
    )
    window: int | None = hyper(
        None, "newest events of a history that count; none: all", number=int, ge=1, optional=True, was={0: None},
        other=2,
    )  # fmt: skip

    stored: Sessions = learned()

    # computed on first use: the sessions by item, and the position of each event in its session
    _by_item: tuple[Longs, Ints, Ints] | None = field(init=False, default=None, repr=False, compare=False)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self._by_item = None
        events = train.distinct()
        events = events[events.lengths > 0]
        ended = events.moments()
        if ended is not None:
            order = np.argsort(ended, kind="stable")
            events, ended = events[order], ended[order]
        self.stored = Sessions(events.indptr, events.items, ended)
        self._index()  # so that the first answer is fast

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        fit = {"events": log.events}
        answer = {"histories": 1.0, "met": log.met, "items": log.items, "users": log.users}
        return Cost(fit, 8 * log.events + 16 * log.users, 60 * log.events, answer)

    def _index(self) -> tuple[Longs, Ints, Ints]:
        if self._by_item is None:
            stored = self.stored
            checked = Histories(stored.indptr, stored.items, len(self.item_counts))  # they may come from a file
            indptr, rows, events = turned(checked.indptr, checked.items, checked.n_items)
            self._by_item = indptr, rows, (events - checked.indptr[rows]).astype(np.int32)
        return self._by_item

    def _score(self, given: Histories) -> Floats:
        from penchant.kernels.sessions import session_scores
        from penchant.kernels.threads import over_blocks

        recent, stored = given.distinct().newest(self.window), self.stored
        count = np.maximum(self.item_counts, 1).astype(np.float64)
        weights = _halved(recent.ages(), self.half_life) * count[recent.items] ** -self.history_exponent
        lengths = np.diff(stored.indptr)
        longest = int(lengths.max(initial=1))
        by_distance = _halved(np.arange(longest), self.distance_half_life)
        recency, days = np.empty(0, np.float32), np.zeros(len(lengths), np.float32)
        moments = given.moments()
        if self.recency_days is not None and stored.ended is not None and moments is not None:
            unit, last = self.recency_days * SECONDS_A_DAY, stored.ended[-1]  # small numbers, for float32
            recency, days = ((t - last).astype(np.float64) / unit for t in (moments, stored.ended))
        out = np.zeros((len(given), given.n_items), dtype=np.float32)
        arguments = (
            recent.indptr, recent.items, _f32(weights),
            _f32(_halved(np.arange(int(recent.lengths.max(initial=0)) + 1), self.match_half_life)), _f32(recency),
            stored.indptr, stored.items, _f32(lengths.astype(np.float64) ** -self.length_exponent), _f32(days),
            *self._index(), _f32(by_distance), _f32(by_distance * self.backward),
            _f32(count**-self.candidate_exponent), self.sample or 0, self.neighbourhood, out,
        )  # fmt: skip
        over_blocks(lambda lo, hi: session_scores(lo, hi, *arguments), len(given), size=ROWS)
        return out


def _halved(steps: Longs, half_life: float | None) -> Doubles:
    """2^(−steps / half_life); one without a half-life."""
    return np.exp2(-steps / half_life) if half_life is not None else np.ones(len(steps))


def _f32(values: Floats | Doubles) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)
