"""Bayesian personalised ranking: taken items before sampled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.core.run import Run
from penchant.models.kinds.base import Space, hyper
from penchant.models.kinds.sampled import SampledModel, rising

if TYPE_CHECKING:
    from penchant.core.split import Split

TRIES = 10  # draws until a negative is not among the row's items


@dataclass(kw_only=True)
class BPR(SampledModel):
    """Pairwise ranking by the logistic loss.

    max Σ_{(u,i)} w · log σ(s_ui − s_uj) − reg · |·|²,  j drawn from the items without u,  s_ui = x_u·y_i + b_i
    With ``shown`` = α: with the chance α, j is drawn from the items that u was shown and did not take, where there are
    any (see ``SampledModel``).

    Rendle, Freudenthaler, Gantner and Schmidt-Thieme 2009. With ``form`` = vectors every training row has its own x_u
    and is discarded afterwards; a history is folded in by the same steps with fixed items. With ``form`` = items
    x_u is Σ y_j / n^power over the row's other items, in training and after (natively inductive; learned by one
    thread). What differs: item biases, and Adagrad with one number a vector; steps are scheduled as ``SampledModel``
    says, so that results do not depend on threads.

    Cost an epoch for E events: O(E · factors); folding in: fold_passes times that. Memory: 4 · factors bytes a row and
    item. An empty history scores the item biases.
    """

    name: ClassVar[str] = "bpr"
    loss: ClassVar[int] = 0

    fold_passes: int = hyper(
        10, "passes over a history that is folded in", ge=1, space=Space(5, 40), other=2, when={"form": "vectors"}
    )
    form: str = hyper("items", "how a history is represented", choices=("items", "vectors"))
    power: float = hyper(
        0.5, "how a history's length scales the sum of its items", ge=0, le=1, other=1.0, when={"form": "items"}
    )

    def _tries(self) -> int:
        return TRIES

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        if self.form == "vectors":
            super()._fit(train, valid, run)
            return
        from penchant.kernels.sgd import learn_histories

        events, rng, n = rising(train), run.rng(), train.n_items
        y = rng.standard_normal((n, self.factors), dtype=np.float32) * np.float32(0.1 / np.sqrt(self.factors))
        y_sum, bias, pool = np.ones(n, dtype=np.float32), np.zeros(n, dtype=np.float32), np.arange(n, dtype=np.int32)
        at, shown, share = self._shown(train, events)
        weights, progress = events.weights(), run.report(self.name)
        for epoch in range(self.epochs):
            order, seed = rng.permutation(len(events)).astype(np.int64), int(rng.integers(2**62))
            learn_histories(
                0, len(events), order, events.indptr, events.items, weights, pool, self.power, at, shown, share,
                y, y_sum, bias, self.rate, self.reg, TRIES, seed,
            )  # fmt: skip
            if progress is not None:
                progress(epoch + 1, self.epochs)
        self.item_vectors, self.item_bias = y, bias
        self._forget_unseen()

    def embed(self, given: Histories) -> Floats:
        """Vectors of histories, ``(len(given), factors)``; zeros for an empty one."""
        if self.form == "vectors":
            return super().embed(given)
        from penchant.kernels.lowrank import times

        events = rising(given)
        x = np.zeros((len(events), self.factors), dtype=np.float32)
        share = np.repeat(np.maximum(events.lengths, 1) ** -self.power, events.lengths).astype(np.float32)
        times(0, len(events), events.indptr, events.items, share, self.item_vectors, x)
        return x
