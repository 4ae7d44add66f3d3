"""Hyper-parameters that a model estimates: it tries a few values on a sample of the training histories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import AUTO, Model, learned
from penchant.models.kinds.updatable import Updatable
from penchant.models.parts.held_back import EVENTS, FEWEST, LIST, NEWEST, HeldBack, choose_value

SCORES = 2**22  # held at once


@dataclass(frozen=True)
class Grid:
    """The values to try for a hyper-parameter, in order, and the one to take where there is too little data."""

    default: float
    values: tuple[float, ...]


RIDGE = Grid(60.0, (60.0, 240.0, 1_000.0, 4_000.0))  # the penalty of EASE, dense or sparse


def gains(model: Model, held: HeldBack, run: Run) -> np.ndarray:
    """NDCG@10 of each held-back event by ``model``, fitted on the rest of the sample; it ranks last among equals."""
    model.fit(held.train, run=run)
    out = np.zeros(len(held.rows))
    size = max(1, SCORES // held.train.n_items)
    for lo in range(0, len(out), size):
        given, true = held.train[held.rows[lo : lo + size]], held.items[lo : lo + size]
        scores = model.score(given)
        scores[given.rows, given.items] = -np.inf
        ahead = (scores >= scores[np.arange(len(true)), true][:, None]).sum(axis=1) - 1
        out[lo : lo + size] = np.where(ahead < LIST, 1 / np.log2(ahead + 2), 0)
    return out


def _each(work: Callable[[dict[str, float]], None], tried: list[dict[str, float]], lo: int, hi: int) -> None:
    for one in tried[lo:hi]:
        work(one)


@dataclass(kw_only=True)
class SelfTuned(Model):
    """A model that estimates some hyper-parameters where they are "auto".

    ``fit`` tries each of their values on a sample of the training histories, from which some events are held back: one
    hyper-parameter after another, the others at the best value so far. The result is in ``notes`` and is saved. With
    fewer than 200 such histories, or where updates must be exact, the default values are used.
    """

    estimated: ClassVar[dict[str, Grid]]
    found: Floats | None = learned()  # (estimated,) the values found

    def value(self, name: str) -> float:
        """A hyper-parameter as given or, where it is "auto", as ``fit`` estimated it."""
        given = self.params()[name]
        if given != AUTO:
            return float(given)
        if self.found is None:
            return self.estimated[name].default
        return float(self.found[list(self.estimated).index(name)])

    def settings_for(self, settings: dict[str, float], log: Histories) -> dict[str, float]:
        """The hyper-parameters that tried values mean for ``log``: here, the values themselves."""
        return settings

    def estimate(self, train: Histories, run: Run) -> None:
        """Estimate what is "auto"; ``_fit`` calls this first."""
        params = self.params()
        left = [name for name in self.estimated if params[name] == AUTO]
        if not left:
            return
        train = train.distinct()  # repeats are weights: how many rows an event was written in decides nothing
        exact = isinstance(self, Updatable) and self.exact
        settings = {name: self.estimated[name].default if name in left else params[name] for name in self.estimated}
        held = None if exact else HeldBack.of(train, run)
        if held is not None:
            settings = self._tried(left, settings, held, train, replace(run, progress=None, log=None, watch=None))
        settings = self.settings_for(settings, train)
        self.found = np.array([settings[name] for name in self.estimated], dtype=np.float32)
        named = ", ".join(f"{name} {settings[name]:.4g}" for name in left)
        if held is not None:
            self.notes.append(f"{named}: predicts best what {len(held.rows):,} sampled histories held back")
        elif exact:
            self.notes.append(
                f"{named}: the default, because updates are not exact with an estimate from all histories"
            )
        else:
            self.notes.append(f"{named}: the default, because fewer than {FEWEST} histories could hold back an event")

    def trials(self, log: LogShape) -> float:
        """The events that ``estimate`` fits in all its trials together."""
        params = self.params()
        left = [name for name in self.estimated if params[name] == AUTO]
        tried = sum(len(self.estimated[name].values) - 1 for name in left) + bool(left)
        exact = isinstance(self, Updatable) and self.exact
        return 0.0 if exact or log.users < FEWEST else tried * min(float(EVENTS), log.newest(NEWEST))

    def _tried(
        self, left: list[str], settings: dict[str, float], held: HeldBack, train: Histories, run: Run
    ) -> dict[str, float]:
        from penchant.kernels.threads import one_blas_thread, over_blocks

        fixed, types = self._trial_settings(train, run), self.number_types()
        known: dict[tuple[float, ...], np.ndarray] = {}
        alone = replace(run, threads=1)

        def try_out(tried: dict[str, float]) -> None:
            meant = self.settings_for(tried, held.train)
            as_declared: dict[str, Any] = {name: (types[name] or float)(value) for name, value in meant.items()}
            known[tuple(tried.values())] = gains(replace(self, **as_declared, **fixed), held, alone)

        for name in left:
            values = self.estimated[name].values
            every = [{**settings, name: value} for value in values]
            new = [tried for tried in every if tuple(tried.values()) not in known]
            with one_blas_thread():  # trials are small: beside each other they are faster than on several threads each
                over_blocks(partial(_each, try_out, new), len(new), size=1, threads=run.threads)
            columns = np.stack([known[tuple(tried.values())] for tried in every], axis=1)
            settings = {**settings, name: values[choose_value(columns, values.index(self.estimated[name].default))]}
        return settings

    def _trial_settings(self, train: Histories, run: Run) -> dict[str, Any]:
        """Further hyper-parameters that all trials share, so that they are not estimated in each."""
        return {}
