"""SVD++: which items somebody rated is informative, whatever the rating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.models.kinds.base import Space, hyper, learned
from penchant.models.kinds.latent import LatentModel, Table

if TYPE_CHECKING:
    from penchant.models.kinds.latent import Crew

ROWS = 512  # rows a block
STEPS = 2  # of conjugate gradient per epoch, starting from the last epoch


@dataclass(kw_only=True)
class SVDpp(LatentModel):
    """Biased matrix factorisation in which the set of rated items moves a history's vector before any rating is read.

    rating = mean + item bias + history bias + x·y_i + noise,  (x, history bias) ~ N(|N|^−½ Σ_{j∈N} z_j, diag(v))

    Koren 2008 (SVD++). What differs: the free half of a user's vector has a Gaussian prior and is integrated out, so
    that it is computed from any history (see ``SVD``); the implicit half z also moves the history's bias. z is the
    ridge regression of the histories' posterior means on their sets of items, |x − N z|² + implicit_reg · |z|².

    Cost an epoch: that of ``SVD`` and O(E·f) more; 4·f more bytes an item. An empty history gets the mean and the
    item's bias. Raises ``DataError`` when values are not ratings.
    """

    name: ClassVar[str] = "svdpp"

    factors: int = hyper(20, "length of the item vectors", ge=1, space=Space(5, 60, log=True), other=3)
    implicit_reg: float = hyper(
        10.0, "ridge penalty of the implicit item vectors", gt=0, space=Space(1, 300, log=True), other=1.0
    )

    implicit_vectors: Floats | None = learned()  # (n_items, factors + 1); None before the first is learned

    def _expect(self, events: Histories, hands: Crew) -> Floats:
        if self.implicit_vectors is None:
            return super()._expect(events, hands)
        return _times((events.indptr, events.items, _shares(events)), self.implicit_vectors, hands)

    def _learn_prior(self, events: Histories, by_item: Table, x: Floats, hands: Crew) -> None:
        """A few steps of conjugate gradient on every factor at once; the design is the same for all."""
        rows = events.indptr, events.items, _shares(events)
        by_length = (1 / np.sqrt(np.maximum(events.lengths, 1))).astype(np.float32)
        columns = by_item[0], by_item[1], by_length[by_item[1]]

        def normal(z: Floats) -> Floats:
            return _times(columns, _times(rows, z, hands), hands) + np.float32(self.implicit_reg) * z

        z = self.implicit_vectors
        if z is None:
            z = np.zeros((events.n_items, self.factors + 1), dtype=np.float32)
        r = _times(columns, x, hands) - normal(z)
        p, rr = r.copy(), (r * r).sum(axis=0)
        for _ in range(STEPS):
            q = normal(p)
            step = rr / np.maximum((p * q).sum(axis=0), 1e-30)
            z = z + step * p
            r -= step * q
            before, rr = rr, (r * r).sum(axis=0)
            p = r + rr / np.maximum(before, 1e-30) * p
        self.implicit_vectors = np.ascontiguousarray(z, dtype=np.float32)


def _shares(events: Histories) -> Floats:
    """|N|^−½ of the row, for every event."""
    return np.repeat(1 / np.sqrt(np.maximum(events.lengths, 1)), events.lengths).astype(np.float32)


def _times(table: Table, dense: Floats, hands: Crew) -> Floats:
    from penchant.kernels.lowrank import times
    from penchant.kernels.threads import over_blocks

    indptr, indices, data = table
    dense = np.ascontiguousarray(dense)
    out = np.empty((len(indptr) - 1, dense.shape[1]), dtype=np.float32)
    over_blocks(
        lambda lo, hi: times(lo, hi, indptr, indices, data, dense, out),
        len(out),
        size=ROWS,
        threads=0 if hands else 1,
        crew=hands,
    )
    return out
