"""Logistic regression on sparse rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Bools, Floats

if TYPE_CHECKING:
    import scipy.sparse as sp

PASSES = 100  # of L-BFGS, at most


def fit_logistic(rows: sp.csr_matrix, positive: Bools, strength: float, prior: float) -> Floats:
    """The weights ``(columns,)`` that minimise strength · sum log(1 + exp(-y (prior + w·x))) + |w|² / 2, by L-BFGS.

    Cost: two products with the rows a pass.
    """
    from scipy.optimize import minimize

    used = np.flatnonzero(np.bincount(rows.indices, minlength=rows.shape[1]))  # the others stay at zero
    held = rows[:, used]
    turned = held.T.tocsr()
    sign = np.where(positive, 1.0, -1.0)

    def loss(weights: Any) -> tuple[float, Any]:
        margin = sign * (held @ weights.astype(np.float32) + prior)
        slope = -strength * sign / (1 + np.exp(np.minimum(margin, 30)))
        value = strength * np.logaddexp(0, -margin).sum() + 0.5 * weights @ weights
        return float(value), turned @ slope.astype(np.float32) + weights

    found = minimize(loss, np.zeros(len(used)), jac=True, method="L-BFGS-B", options={"maxiter": PASSES}).x
    weights = np.zeros(rows.shape[1], dtype=np.float32)
    weights[used] = found
    return weights
