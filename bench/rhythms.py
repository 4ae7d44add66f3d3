"""A shop's log that is made: whole baskets of people who take their things again, each after its own time."""

from __future__ import annotations

import numpy as np

from penchant.core.histories import Histories

DAY = 86_400
ITEMS = 1_000
STAPLES = 24  # things that a person takes again
SHARPNESS = 5.0  # how surely a thing is taken when it is due
NEW = 2.0  # things a visit that the person may never take again


def whole_baskets(people: int = 3_000, *, days: int = 270, seed: int = 0) -> Histories:
    """Everybody visits every few days; a staple is taken with a chance that rises around its own time.

    Staples are drawn by popularity (Zipf). The usual time of an item is log-normal around 16 days; that of a person is
    the item's times a log-normal factor. Half of the people change a third of their staples at half time. A visit also
    takes a few items by popularity alone.
    """
    rng = np.random.default_rng(seed)
    popularity = 1.0 / np.arange(1, ITEMS + 1) ** 0.8
    popularity /= popularity.sum()
    usual = np.exp(rng.normal(np.log(16), 0.6, ITEMS))
    rows, times = [], []
    for _ in range(people):
        staples = rng.choice(ITEMS, STAPLES, replace=False, p=popularity)
        later = staples.copy()
        if rng.random() < 0.5:
            later[: STAPLES // 3] = rng.choice(ITEMS, STAPLES // 3, replace=False, p=popularity)
        pace = float(np.exp(rng.normal(np.log(6), 0.4)))
        own = usual * np.exp(rng.normal(0, 0.4, ITEMS))
        last = {int(i): -float(rng.random() * own[i]) for i in np.concatenate([staples, later])}
        row, when, day = [], [], float(rng.random() * pace)
        while day < days:
            mine = staples if day < days / 2 else later
            due = np.array([(day - last[int(i)]) / own[i] - 1 for i in mine])
            taken = mine[rng.random(len(mine)) < 1 / (1 + np.exp(-SHARPNESS * due))]
            for i in taken.tolist():
                last[i] = day
            basket = np.unique(np.concatenate([taken, rng.choice(ITEMS, rng.poisson(NEW), p=popularity)]))
            row += basket.tolist()
            when += [DAY * int(day) + 40_000] * len(basket)
            day += max(1.0, rng.gamma(4, pace / 4))
        rows.append([int(i) for i in row])
        times.append(when)
    return Histories.from_lists(rows, ITEMS, times=times)
