"""Write your own model: a dataclass that learns an item→item operator gets ranking, explanations and saving for free.

This model recommends items about as popular as those in the history. It is a poor idea, as the comparison shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

import penchant as pc
from penchant.models.kinds.base import hyper
from penchant.models.kinds.linear import LinearModel
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    from penchant.core.histories import Histories


@dataclass(kw_only=True)
class SameFame(LinearModel):
    """w(i → j) = exp(−sharpness · |log n_i − log n_j|), n = histories with the item; dense, n_items² floats."""

    name: ClassVar[str] = "same-fame"
    sharpness: float = hyper(1.0, "how fast the similarity of two items falls with the ratio of their popularity", ge=0)

    def _fit(self, train: Histories, valid: pc.Split | None, run: pc.Run) -> None:
        fame = np.log1p(train.counts()).astype(np.float32)
        self.weights = Weights(dense=np.exp(-self.sharpness * np.abs(fame[:, None] - fame)))


def main() -> None:
    """Compare the model with the baselines."""
    log, _ = pc.load_movielens_small(positive="value>=3.5")
    models = [pc.Random(), pc.Popular(), SameFame(), pc.ItemKNN()]
    print(pc.evaluate(log, models, split="leave-last", metrics="ndcg,hit"))


if __name__ == "__main__":
    main()
