"""Linear models: a score is the sum of contributions of past events, through one item→item operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.rank import Ranked, empty_lists, in_order, top_in_blocks
from penchant.core.run import Run
from penchant.models.kinds.base import AUTO, Explanation, Model, Space, events_used, hyper, learned
from penchant.models.kinds.updatable import Updatable
from penchant.models.parts.half_life import estimate_half_life
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    from penchant.core.item_features import ItemFeatures
    from penchant.core.split import Split

SECONDS_A_DAY = 86_400.0
LISTS_A_BLOCK = 256  # ranked at a time; each block allocates its own work arrays


@dataclass(kw_only=True)
class LinearModel(Model):
    """score(history) = Σ over its last ``window`` events of weight(event) · decay(event) · W[item].

    decay = 2^(−age / half_life) · 2^(−days / half_life_days), with age in events from the newest, and days back from
    the time of the request. Where the log has an order, ``fit`` estimates a ``half_life`` of "auto" from the training
    histories and reports it in ``notes``. An empty history scores zero everywhere.
    """

    window: int | None = hyper(
        None, "newest events of a history that count; none: all", number=int, ge=1, optional=True, was={0: None},
        other=2,
    )  # fmt: skip
    half_life: float | str | None = hyper(
        AUTO, "events after which an event counts half; none: no decay, auto: estimated from training histories",
        number=float, gt=0, auto=True, optional=True, was={-1: AUTO, 0: None}, space=Space(0.5, 100, log=True),
        other=1.0,
    )  # fmt: skip
    half_life_days: float | None = hyper(
        None, "days after which an event counts half; none: no decay", number=float, gt=0, optional=True,
        was={0: None}, other=1.0,
    )  # fmt: skip

    usual_half_life: ClassVar[float | None] = None  # the half-life where ``auto`` cannot estimate one

    weights: Weights = learned()
    recency: Floats | None = learned()  # (1,) the half-life that was estimated

    def fit(
        self,
        train: Histories,
        *,
        valid: Split | None = None,
        run: Run = Run(),  # noqa: B008  # frozen
        features: ItemFeatures | None = None,
    ) -> Self:
        """As in ``Model``; then estimates the half-life where it is "auto"."""
        super().fit(train, valid=valid, run=run, features=features)
        self._estimate_half_life(train, run)
        return self

    def _estimate_half_life(self, train: Histories, run: Run) -> None:
        """Estimate the half-life where it is "auto", once per fit."""
        if self.half_life == AUTO and self.recency is None:
            if isinstance(self, Updatable) and self.exact:
                named = f"half_life {self.usual_half_life:g}" if self.usual_half_life else "no half_life"
                if train.ordered:
                    self.notes.append(
                        f"{named}: updates are not exact with an estimate from all histories; give a number"
                    )
                return
            estimate, found = estimate_half_life(train, run)
            self.recency = np.array([(self.usual_half_life or 0) if estimate is None else estimate], dtype=np.float32)
            self.notes += [found] if found else []

    def _trial_settings(self, train: Histories, run: Run) -> dict[str, Any]:
        """As in ``SelfTuned``: the half-life is estimated once for all trials."""
        self._estimate_half_life(train, run)
        return {} if self.recency is None else {"half_life": float(self.recency[0]) or None}

    def bounded(self, train: Histories, max_history: int | None) -> Histories:
        """The newest ``max_history`` events of every history; None: all.

        Otherwise one very long history would cost the square of its length when pairs are counted. ``notes`` report
        what was cut.
        """
        cut = train.newest(max_history)
        if max_history is not None and cut is not train:
            longer = int((train.lengths > max_history).sum())
            self.notes.append(
                f"{longer:,} histories were cut to their newest {max_history:,} events; "
                f"{len(train.items) - len(cut.items):,} events are not in the pair counts"
            )
        return cut

    def coefficients(self, given: Histories) -> Floats:
        """The weight of each event of (already windowed) histories, ``(events,)``."""
        c = given.weights()
        if self.half_life != AUTO:
            half_life = float(self.half_life or 0)
        else:
            half_life = (self.usual_half_life or 0) if self.recency is None else float(self.recency[0])
        if half_life > 0:
            c = c * np.exp2(-given.ages() / half_life)
        if self.half_life_days is not None and given.times is not None:
            moments = given.moments()
            assert moments is not None  # times are there
            days = np.maximum(np.repeat(moments, given.lengths) - given.times, 0) / SECONDS_A_DAY
            c = c * np.exp2(-days / self.half_life_days)
        return c.astype(np.float32, copy=False)

    def answer_work(self, log: LogShape, entries: float, rank: float = 0) -> dict[str, float]:
        """The work of one answer: the entries of the operator that it reads, and those of directions."""
        work = {"histories": 1.0, "entries": entries, "items": float(log.items), "cells": rank * log.items}
        return {kind: amount for kind, amount in work.items() if amount}

    def recent(self, given: Histories) -> Histories:
        """The events that count: distinct items unless the model is sequential, then the window."""
        return (given if self.task == "sequence" else given.distinct()).newest(self.window)

    def _score(self, given: Histories) -> Floats:
        recent = self.recent(given)
        return self.weights.apply(recent, self.coefficients(recent))

    def net_score(self, given: Histories) -> Floats:
        """Scores minus those of the dislikes (weights below zero), which count against similar items."""
        scores = self.score(given)
        return scores - self.score(given.dislikes()) if given.has_dislikes else scores

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked:
        """As in ``Model``; with a purely sparse operator, one pass over the items that a history reaches.

        Dislikes (weights below zero) count against similar items: their scores are subtracted.
        """
        if given.has_dislikes:
            return top_in_blocks(
                self.net_score,
                given,
                k,
                exclude=exclude,
                allow=allow,
                popularity_rank=popularity_rank,
                threads=threads,
                arrays=2,
            )
        if not self.weights.only_sparse:
            return super().top(given, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads)
        from penchant.kernels import at_hand
        from penchant.kernels.select import sparse_top
        from penchant.kernels.threads import over_blocks

        self._check_given(given)
        recent = self.recent(given if self.uses_negatives else given.positives())
        c, w = self.coefficients(recent), self.weights
        items, scores = empty_lists(len(given), k)
        mask = np.empty(0, np.bool_) if allow is None else allow
        arrays: tuple[Any, ...] = (
            recent.indptr, recent.items, c, w.indptr, w.indices, w.data, popularity_rank, in_order(popularity_rank),
            exclude.indptr, exclude.items, mask, items, scores,
        )  # fmt: skip
        if len(given) == 1:
            one = at_hand(sparse_top, 0, 1, *arrays)
            if one is None:  # NumPy has the answer before the compiler has the kernel
                return super().top(
                    given, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads
                )
            one(0, 1, *arrays)
        else:
            over_blocks(lambda lo, hi: sparse_top(lo, hi, *arrays), len(given), size=LISTS_A_BLOCK, threads=threads)
        return Ranked(items, scores)

    def score_bytes(self, given: Histories) -> int:
        """As in ``Model``; with a purely sparse operator, only the threads hold scores."""
        return 0 if self.weights.only_sparse and not given.has_dislikes else super().score_bytes(given)

    def top_candidates(
        self, given: Histories, k: int, *, candidates: Histories, exclude: Histories, allow: Bools | None,
        popularity_rank: Ints, threads: int,
    ) -> Ranked:  # fmt: skip
        """As in ``Model``; a purely sparse operator scores only what a history reaches."""
        if given.has_dislikes or not self.weights.only_sparse:
            return super().top_candidates(
                given,
                k,
                candidates=candidates,
                exclude=exclude,
                allow=allow,
                popularity_rank=popularity_rank,
                threads=threads,
            )
        from penchant.kernels.select import sparse_candidate_top
        from penchant.kernels.threads import over_blocks

        self._check_given(given)
        recent = self.recent(given if self.uses_negatives else given.positives())
        c, w = self.coefficients(recent), self.weights
        items, scores = empty_lists(len(given), k)
        mask = np.empty(0, np.bool_) if allow is None else allow
        indptr, indices, data = w.indptr, w.indices, w.data
        assert indptr is not None and indices is not None and data is not None  # only_sparse

        def work(lo: int, hi: int) -> None:
            sparse_candidate_top(
                lo, hi, recent.indptr, recent.items, c, indptr, indices, data, popularity_rank, exclude.indptr,
                exclude.items, mask, candidates.indptr, candidates.items, items, scores,
            )  # fmt: skip

        over_blocks(work, len(given), size=LISTS_A_BLOCK, threads=threads)
        return Ranked(items, scores)

    def explain_items(self, given: Histories, items: Sequence[int]) -> list[Explanation]:
        """As in ``Model``; dislikes contribute below zero."""
        if not given.has_dislikes:
            return super().explain_items(given, items)
        assert given.values is not None  # it has dislikes
        against = given.values < 0
        liked = (given.values > 0) if given.liked is None else given.liked
        ups = super().explain_items(given.where(liked), items)
        downs = super().explain_items(given.dislikes(), items)
        out = []
        for up, down in zip(ups, downs, strict=True):
            parts = np.zeros(len(given.items), dtype=np.float32)
            parts[liked] += up.parts
            parts[against] -= down.parts
            out.append(Explanation(up.method, up.score - down.score, up.base - down.base, parts))
        return out

    def _explain(self, given: Histories, items: Longs) -> list[Explanation]:
        """Exact: each event gives its coefficient times ``W[its item, item]``; events outside the window give zero."""
        recent = self.recent(given if self.uses_negatives else given.positives())
        coefficients, event = self.coefficients(recent), events_used(given, recent)
        parts = np.zeros((len(items), len(given.items)), dtype=np.float32)
        parts[:, event] = coefficients * self.weights.columns(items, recent.items)
        return [Explanation("exact", float(row.sum()), 0.0, row) for row in parts]
