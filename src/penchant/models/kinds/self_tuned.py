"""Hyper-parameters that a model finds by itself: a few values are tried on a sample of the training histories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.models.kinds.base import Model, Run, learned

FROM_HISTORIES = -1  # of a hyper-parameter: as the training histories tell
EVENTS = 100_000  # of the sample at most
ITEMS = 2_000  # its most common
ASKED = 2_000  # histories that hold something back, at most
FEWEST = 200  # below which nothing is estimated
NEWEST = 100  # events of a history
LIST = 10
NEAR = 0.01  # how near the best, relatively, a more usual value may be to be taken
SCORES = 2**22  # at once


@dataclass(frozen=True)
class Estimated:
    """The values that a hyper-parameter may come to, in order, and the one where the histories cannot tell."""

    usual: float
    values: tuple[float, ...]


RIDGE = Estimated(60.0, (60.0, 240.0, 1_000.0, 4_000.0))  # the penalty of EASE, dense or sparse


def chosen(gains: np.ndarray, usual: int) -> int:
    """Which column of gains, (asked, values in order), to take: of those near the best the nearest to ``usual``.

    What counts of a column is its mean less one standard error of its difference to the usual one; near is within 1 %.
    """
    difference = gains - gains[:, [usual]]
    lower = gains.mean(axis=0) - difference.std(axis=0, ddof=1) / np.sqrt(len(gains))
    near = np.flatnonzero(lower >= (1 - NEAR) * lower.max())
    return int(near[np.argmin(np.abs(near - usual))])


@dataclass(frozen=True, eq=False)
class HeldBack:
    """A sample of histories without one event of many of them, and these events."""

    learned: Histories
    asked: Longs  # (asked,) rows
    true: Ints  # (asked,)

    @classmethod
    def of(cls, train: Histories, run: Run) -> HeldBack | None:
        """Histories drawn with the seed up to 100,000 events, over their 2,000 most common items. 2,000 of them hold
        back their last event, or where the log has no order any one; None where they are fewer than 200."""
        events, rng = train.positives().distinct().newest(NEWEST), run.rng()
        order = rng.permutation(len(events))
        events = events[order[np.cumsum(events.lengths[order]) <= EVENTS]]
        counts = events.counts()
        kept = np.sort(np.argsort(-counts, kind="stable")[: min(ITEMS, int((counts > 0).sum()))])
        place = np.full(events.n_items, -1, dtype=np.int32)
        place[kept] = np.arange(len(kept))
        events = events.where(place[events.items] >= 0)
        events = replace(events, items=place[events.items], n_items=len(kept))
        asked = np.flatnonzero(events.lengths >= 2)[:ASKED]
        if len(asked) < FEWEST:
            return None
        lengths = events.lengths[asked]
        back = lengths - 1 if events.ordered else (rng.random(len(asked)) * lengths).astype(np.int64)
        at = events.indptr[asked] + back
        keep = np.ones(len(events.items), dtype=np.bool_)
        keep[at] = False
        return cls(events.where(keep), asked, events.items[at])

    def gains(self, model: Model, run: Run) -> np.ndarray:
        """NDCG@10 of what each history held back, by ``model`` fitted on the rest; of equals the true one is last."""
        model.fit(self.learned, run=run)
        out = np.zeros(len(self.asked))
        size = max(1, SCORES // self.learned.n_items)
        for lo in range(0, len(out), size):
            given, true = self.learned[self.asked[lo : lo + size]], self.true[lo : lo + size]
            scores = model.score(given)
            scores[given.rows, given.items] = -np.inf
            ahead = (scores >= scores[np.arange(len(true)), true][:, None]).sum(axis=1) - 1
            out[lo : lo + size] = np.where(ahead < LIST, 1 / np.log2(ahead + 2), 0)
        return out


@dataclass(kw_only=True)
class Estimating(Model):
    """A model that finds some hyper-parameters by itself where they are -1.

    ``fit`` tries each of their values on a sample of the training histories, some of whose own events are held back:
    one hyper-parameter after another, the others at the best so far. What they came to is in the notes and is saved.
    Nothing is estimated from fewer than 200 such histories, nor where updates are to be exact: the usual values stand.
    """

    estimated: ClassVar[dict[str, Estimated]]
    found: Floats | None = learned()  # (estimated,) what they came to

    def value(self, name: str) -> float:
        """A hyper-parameter as given or, where it is -1, as ``fit`` found it."""
        given = getattr(self, name)
        if given != FROM_HISTORIES:
            return float(given)
        if self.found is None:
            return self.estimated[name].usual
        return float(self.found[list(self.estimated).index(name)])

    def meant(self, settings: dict[str, float], log: Histories) -> dict[str, float]:
        """The hyper-parameters that tried values stand for where ``log`` is learned from: here these values."""
        return settings

    def estimate(self, train: Histories, run: Run) -> None:
        """Find what is left to the training histories; for ``_fit`` to begin with."""
        left = [name for name in self.estimated if getattr(self, name) == FROM_HISTORIES]
        if not left:
            return
        exact = bool(getattr(self, "exact", False))
        settings = {
            name: self.estimated[name].usual if name in left else getattr(self, name) for name in self.estimated
        }
        held = None if exact else HeldBack.of(train, run)
        if held is not None:
            settings = self._tried(left, settings, held, train, replace(run, progress=None, log=None, watch=None))
        settings = self.meant(settings, train)
        self.found = np.array([settings[name] for name in self.estimated], dtype=np.float32)
        named = ", ".join(f"{name} {settings[name]:.4g}" for name in left)
        if held is not None:
            self.notes.append(
                f"{named}: so a sample foretells best what {len(held.asked):,} of its histories held back"
            )
        elif exact:
            self.notes.append(f"{named}: the usual, because an estimate from all histories allows no exact update")
        else:
            self.notes.append(f"{named}: the usual, because fewer than {FEWEST} histories could be asked")

    def _tried(
        self, left: list[str], settings: dict[str, float], held: HeldBack, train: Histories, run: Run
    ) -> dict[str, float]:
        fixed = self._of_trials(train, run)
        known: dict[tuple[float, ...], np.ndarray] = {}

        def gains(tried: dict[str, float]) -> np.ndarray:
            key = tuple(tried.values())
            if key not in known:
                meant = self.meant(tried, held.learned)
                as_declared = {name: type(getattr(self, name))(value) for name, value in meant.items()}
                known[key] = held.gains(replace(self, **as_declared, **fixed), run)
            return known[key]

        for name in left:
            values = self.estimated[name].values
            columns = np.stack([gains({**settings, name: value}) for value in values], axis=1)
            settings = {**settings, name: values[chosen(columns, values.index(self.estimated[name].usual))]}
        return settings

    def _of_trials(self, train: Histories, run: Run) -> dict[str, Any]:
        """Hyper-parameters of the models that are tried, beside those that are estimated."""
        return {}
