"""Models that can be fitted from sums over histories that carry noise, so that no one history can be told from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories
from penchant.core.run import Run

Doubles = NDArray[np.float64]
Layers = list[tuple[Doubles, Doubles]]  # of rows: what enters each dense layer, and the gradient of what leaves it


class NoisySums(Protocol):
    """Noised sums over histories u, whose vectors x_u have norm one; each may be asked for as often as it is paid for.

    The noise of every answer is independent and Gaussian. What a model makes of the answers says nothing more about
    anybody than they do.
    """

    def counts(self) -> tuple[Floats, float]:
        """Σ_u x_u, ``(n_items,)``, and the standard deviation of its noise; x_u has equal entries at its items."""
        ...

    def gram(self) -> tuple[Floats, float]:
        """Σ_u x_u x_uᵀ, symmetric, ``(n_items, n_items)``, and the deviation off its diagonal (√2 of it on it)."""
        ...

    def equations(self, embed: Callable[[Histories], Floats], factors: int) -> tuple[Floats, Floats, float]:
        """The normal equations of item vectors, from histories that ``embed`` turns into vectors row by row.

        With v_u the vector of a history of m items, cut to norm one, and w_u = 1 / √(1.5 · (m + 1)):
        ``(n_items + 1, factors, factors)``, Σ w_u · v_u v_uᵀ over the histories with the item, in the last row over
        all; ``(n_items + 1, factors)``, the same of v_u; and the deviation of the noise of the latter.
        """
        ...

    def gradients(self, layers: Callable[[Histories], Layers], clip: float, steps: int) -> tuple[list[Doubles], float]:
        """Σ_u g_u / max(|g_u|, ``clip``) for every layer, ``(in, out)``, and the deviation of its noise; one of
        ``steps`` answers that are paid for together.

        g_u is the gradient of the history's own loss. ``layers`` works row by row: a layer's gradient of a row is the
        outer product of what enters and the gradient of what leaves. An empty history adds nothing.
        """
        ...


class Private(ABC):
    """A model that ``fit --private`` can fit: it learns from ``NoisySums`` and from nothing else."""

    private_shares: ClassVar[dict[str, float]]  # of the privacy loss, by the sum that is asked for; they add up to one
    private_defaults: ClassVar[dict[str, Any]] = {}  # of hyper-parameters that are not given, instead of the usual ones
    private_items: ClassVar[int | None] = None  # the most items it takes, those with the largest noised counts

    def check_private(self) -> None:  # noqa: B027  # most hyper-parameters are as good as any
        """Raise ``ParameterError`` for hyper-parameters that private fitting cannot keep, before the log is read."""

    @abstractmethod
    def fit_private(self, sums: NoisySums, run: Run) -> None:
        """Set what ``fit`` sets; ``item_counts`` are set before, from the noised counts."""
