"""Whether units come to the arms in the shares that were asked for, at any time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from penchant.core.metrics import Doubles
from penchant.errors import ParameterError

ALPHA = 0.01  # a chance below it is an alarm: something else than the draw decides on the arms
STRENGTH = 400.0  # units that the prior counts for: shares about .025 away are expected


def sample_ratio(units: Doubles, shares: Sequence[float]) -> Doubles:
    """A p value, valid at every look, that ``units`` (..., arms) came in ``shares``; below .01 is an alarm.

    1 over the Bayes factor of a Dirichlet prior around the shares against the shares themselves: M. Lindon and A.
    Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022). Raises ``ParameterError`` for shares
    that are not above zero or do not sum to one.
    """
    asked = np.asarray(shares, dtype=np.float64)
    if not (asked > 0).all() or abs(float(asked.sum()) - 1.0) > 1e-9:
        raise ParameterError(f"the shares of arms are above 0 and sum to 1, not {', '.join(f'{s:g}' for s in asked)}")
    counts = np.asarray(units, dtype=np.float64)
    prior = asked * STRENGTH
    evidence = gammaln(STRENGTH) - gammaln(STRENGTH + counts.sum(axis=-1))
    evidence = evidence + (gammaln(prior + counts) - gammaln(prior) - counts * np.log(asked)).sum(axis=-1)
    return np.asarray(np.exp(-np.maximum(evidence, 0.0)))
