"""Models that learn changes exactly, without being fitted again."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.errors import DataError, ParameterError
from penchant.models.kinds.base import Model

if TYPE_CHECKING:
    from penchant.core.split import Split


@dataclass(kw_only=True)
class Updatable(Model):
    """A model whose statistics are sums over histories, so that histories can be added and removed exactly.

    ``fit(train, updatable=True)`` keeps the sums; ``update`` changes them and everything that depends on them. The
    statistics are saved in a file of their own, which serving does not load. Updates are always exact: ``fit`` refuses
    settings that depend on all histories at once, and does not estimate "auto" values from them.
    """

    statistics: Any = field(init=False, default=None, repr=False, compare=False)  # a dataclass of arrays
    exact: bool = field(
        init=False, default=False, repr=False, compare=False
    )  # nothing may be estimated from all histories

    def fit(
        self,
        train: Histories,
        *,
        valid: Split | None = None,
        run: Run = Run(),  # noqa: B008  # frozen
        features: ItemFeatures | None = None,
        updatable: bool = False,
    ) -> Self:
        """As in ``Model``; ``updatable`` keeps the statistics that ``update`` needs, which takes about twice as long.

        Raises ``ParameterError`` where exact updates are not possible with these parameters.
        """
        self.statistics, self.exact = None, updatable
        if updatable and (why := self._inexact(train)):
            raise ParameterError(f"{self.name} cannot be updated exactly {why}: leave out updatable, and fit it again")
        super().fit(train, valid=valid, run=run, features=features)
        if updatable:
            self.statistics = self._count(train.positives(), run)
        return self

    def update(
        self,
        added: Histories | None = None,
        removed: Histories | None = None,
        *,
        run: Run = Run(),  # noqa: B008  # frozen
    ) -> Self:
        """Learn ``added`` and forget ``removed`` histories; the result equals a fresh fit.

        Both hold whole histories: to add an event to a history, remove the old history and add the new one. Raises
        ``ParameterError`` without statistics and ``DataError`` for histories that cannot have been learned.
        """
        self._check_fitted()
        if self.statistics is None:
            raise ParameterError(
                f"{self.name} holds no statistics: fit with updatable=True, or load the folder with statistics=True"
            )
        nothing = Histories.from_lists([], self.n_items)
        added, removed = (nothing if added is None else added), (nothing if removed is None else removed)
        for change in (added, removed):
            self._check_given(change)
        added, removed = added.positives(), removed.positives()
        counts = self.item_counts + added.counts() - removed.counts()
        if (counts < 0).any():
            item = int(np.flatnonzero(counts < 0)[0])
            raise DataError(f"{self.name}: more histories with item index {item} are removed than were learned")
        if counts.sum() == 0:
            raise DataError(f"{self.name}: no event would be left to learn from")
        self.item_counts = counts
        self._update(added, removed, run)
        return self

    # -- what a model writes --------------------------------------------------------------------------------------

    def _inexact(self, train: Histories) -> str:
        """Why updates cannot be exact with these parameters or data, as the end of a sentence; empty where they can."""
        return ""

    @abstractmethod
    def _count(self, train: Histories, run: Run) -> Any:
        """The statistics of (positive) training histories."""

    @abstractmethod
    def _update(self, added: Histories, removed: Histories, run: Run) -> None:
        """Change the statistics and the learned arrays; ``item_counts`` are already updated."""
