"""Random lists, so that metrics can be compared with chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Model, learned

if TYPE_CHECKING:
    from penchant.core.split import Split

_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(kw_only=True)
class Random(Model):
    """A random order of all items, the same for the same seed and history.

    The score of an item is a hash of the seed, the history (its items in their order) and the item, in [0, 1); items
    without a training event are as likely as others. Different histories get unrelated lists; equal histories, equal
    ones.

    Cost: nothing to fit; one hash an item and history. An empty history gets a random list as well.
    """

    name: ClassVar[str] = "random"
    learns: ClassVar[bool] = False

    seed: Longs = learned()  # (1,) of the run that fitted it

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self.seed = np.array([run.seed], dtype=np.int64)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        return Cost({"events": log.events}, 8 * log.items, 0, {"items": log.items})

    def _score(self, given: Histories) -> Floats:
        items = np.arange(given.n_items, dtype=np.uint64)
        rows = np.empty((len(given), given.n_items), dtype=np.float32)
        seed = _mixed(self.seed.astype(np.uint64))
        # position by position, for all histories that are long enough
        keys = np.repeat(seed, len(given))
        events = given.items.astype(np.uint64)
        for place in range(int(given.lengths.max(initial=0))):
            at = np.flatnonzero(given.lengths > place)
            keys[at] = _mixed(keys[at] ^ (events[given.indptr[at] + place] + _STEP))
        for r, key in enumerate(keys):
            rows[r] = (_mixed(items ^ key) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        return rows


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64: every bit of the key moves every bit of the result."""
    z = keys + _STEP
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
