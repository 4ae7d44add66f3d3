"""Whether a private model is worth more than private popularity: a noised comparison on people held out for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from penchant.core.histories import Bools, Histories
from penchant.core.metrics import judge, ndcg
from penchant.core.rank import Scored, rank, rank_by_popularity
from penchant.models.kinds.base import Model
from penchant.privacy.mechanism.contributions import SAFE, steps_of
from penchant.privacy.mechanism.sums import Noise

SHARE = 0.1  # of the people, each held out by a coin of its own
K = 20
SURE = 1.645  # deviations of the noise: it alone passes one time in twenty
SEED = 0  # of which half of a history is asked for; it decides nothing about anybody's presence


@dataclass(frozen=True)
class Compared:
    """Σ over held-out people of NDCG@20 of the model − NDCG@20 of private popularity, noised."""

    gain: float
    noise: float

    @property
    def is_better(self) -> bool:
        """Whether the gain is beyond what noise alone would reach one time in twenty."""
        return self.gain > SURE * self.noise


def held_out(people: int) -> Bools:
    """Who is held out, ``(people,)``, by the system's generator."""
    drawn = np.frombuffer(os.urandom(8 * people), dtype=np.uint64)
    return np.asarray(drawn < np.uint64(SHARE * 2.0**64))


def compared(model: Model, events: Histories, multiplier: float, draw: Noise) -> Compared:
    """The noised comparison, over histories of which half is given and half is to be found.

    One person moves the sum by at most one, as an NDCG is between 0 and 1. These people are not in the model, and each
    of them is in the comparison alone; so both together promise what each of them does.
    """
    rng = np.random.default_rng(SEED)
    given = rng.random(len(events.items)) < 0.5
    asked, truth = events.where(given), events.where(~given)
    order = rank_by_popularity(model.item_counts)
    k = min(K, model.n_items)
    popular = Scored(np.zeros((len(events), model.n_items), np.float32), model.item_counts, "popular")
    values = [
        np.nan_to_num(ndcg(judge(rank(one, asked, k, popularity_rank=order, threads=1).items, truth), k))
        for one in (model, popular)
    ]
    steps = np.trunc((values[0] - values[1]) * (steps_of(multiplier) * SAFE)).astype(np.int64)
    noised = int(steps.sum()) + int(draw(1)[0])
    return Compared(noised / steps_of(multiplier), multiplier)


def without(events: Histories, out: Bools) -> Histories:
    """The histories of the others; those of the held-out are empty, so that no row moves."""
    return replace(events.where(~np.repeat(out, events.lengths)), now=None)
