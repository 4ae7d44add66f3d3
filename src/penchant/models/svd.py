"""Biased matrix factorisation for ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.models.kinds.latent import LatentModel


@dataclass(kw_only=True)
class SVD(LatentModel):
    """Biased matrix factorisation: rating = mean + item bias + history bias + x·y_i.

    max E_q[log p(ratings | x, y)] − KL(q ‖ prior),  x_k ~ N(0, v_k), y_k ~ N(0, w_k), biases likewise, noise N(0, σ²)

    The model of Funk 2006 and Koren, Bell and Volinsky 2009 ("SVD"). What differs: instead of a penalty chosen by hand
    and gradient steps, histories and items have Gaussian priors whose variances, like the noise, are learned, and each
    side is solved in turn while the uncertainty of the other is carried along (variational Bayes: Lim and Teh 2007;
    variances by factor). So more factors do not overfit, and a history is not a parameter: it gets its
    posterior mean, from a ridge problem of its own ratings, the same in training as for a new person.

    Cost an epoch, for E events, R rows, n items and f factors: O(E·f² + (R + n)·f³); memory 8·f bytes a row and item.
    An empty history gets the mean and the item's bias; an item without ratings, the history's. Raises
    ``DataError`` when values are not ratings.
    """

    name: ClassVar[str] = "svd"
