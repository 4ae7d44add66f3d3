"""Boosted trees as a second stage: their parameters, and the file that holds them."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import FormatError
from penchant.models.kinds.base import Space, hyper, learned
from penchant.ranking.booster import boost, no_trees
from penchant.ranking.features import Feature
from penchant.ranking.lead import (
    conditional_logit,
    lead_columns,
    least_squares,
    list_columns,
    rating_columns,
    said,
    together,
)
from penchant.ranking.second_stage import Lesson, SecondStage, Seen
from penchant.ranking.trees import Trees, parse

FILE = "ranker.txt"
FEWEST = 50  # lists that were shown from which weights of their own are learned


@dataclass(kw_only=True)
class Boosted(SecondStage, ABC):
    """Boosted trees over the members' scores and everything else that is known of a request."""

    assets_needed: ClassVar[tuple[str, ...]] = (FILE,)
    objective: ClassVar[str]  # of LightGBM

    trees: int = hyper(150, "how many trees", ge=1, le=5000, space=Space(30, 600, log=True), other=20)
    leaves: int = hyper(15, "leaves of a tree", ge=2, le=64, space=Space(4, 63, log=True), other=4)
    rate: float = hyper(0.1, "how much of each tree counts", gt=0, le=1, space=Space(0.02, 0.3, log=True), other=0.02)
    min_rows: int = hyper(20, "fewest rows of a leaf", ge=1, space=Space(5, 200, log=True), other=60)
    reg: float = hyper(1.0, "what is added to the weight of a leaf", ge=0, space=Space(0.1, 100, log=True), other=50.0)
    share: float = hyper(0.8, "the share of features that a tree may use", gt=0, le=1, space=Space(0.3, 1), other=0.3)

    lead: NDArray[np.float64] = learned()  # weights of what is said before the trees; None: none
    listed: NDArray[np.float64] | None = learned()  # weights for lists that were shown; None: none was learned from

    def learn(self, lessons: Sequence[Lesson], columns: list[str], run: Run) -> None:
        """As in ``SecondStage``, by LightGBM; both orders and ratings start from a weighted sum (``lead``)."""
        if not lessons:
            self.keep(no_trees(columns))
            return
        table = np.concatenate([one.seen.table for one in lessons])
        target = np.concatenate([one.target for one in lessons])
        if self.objective != "lambdarank":
            of = rating_columns(columns)
            self.lead = least_squares(table, of, columns, target)
            rest = (target - together(table, of, self.lead)).astype(np.float32)
            self.keep(boost(table, rest, columns, objective=self.objective, run=run, **self.settings()))
            return
        group = np.concatenate([one.sizes for one in lessons])
        places = None
        if any(one.places is not None for one in lessons):
            zeros = (np.zeros(len(one.target), np.int32) for one in lessons)
            places = np.concatenate(
                [nothing if one.places is None else one.places for one, nothing in zip(lessons, zeros, strict=True)]
            )
        of = lead_columns(columns)
        self.lead = conditional_logit(table, of, target, group)
        self.listed = self._from_lists(lessons, columns)
        found = boost(
            table, target, columns, objective=self.objective, group=group, places=places, choose=True, run=run,
            start=together(table, of, self.lead), **self.settings(),
        )  # fmt: skip
        self.keep(found)
        self.notes.append(f"{self.forest.n_trees} of {self.trees} trees are kept, over a weighted sum of the members")

    def judge(self, seen: Seen) -> NDArray[np.float64]:
        """The weighted sum that comes first, and the trees."""
        found = self.forest.predict(seen.table)
        return found if self.lead is None else found + together(seen.table, self._led, self.lead)

    def judge_list(self, seen: Seen) -> NDArray[np.float64]:
        """A weighted sum of the members and of what impressions tell, learned from lists alone, where there were any.

        In a list that was shown everything was worth showing: what tells its items apart is not what tells candidates
        from all others.
        """
        if self.listed is None:
            return self.judge(seen)
        return together(seen.table, list_columns(self.forest.names), self.listed)

    def _from_lists(self, lessons: Sequence[Lesson], columns: list[str]) -> NDArray[np.float64] | None:
        """Weights under which the answers to lists that were shown are most likely."""
        shown = [one for one in lessons if one.places is not None]
        if sum(len(one.sizes) for one in shown) < FEWEST:
            return None
        return conditional_logit(
            np.concatenate([one.seen.table for one in shown]), list_columns(columns),
            np.concatenate([one.target for one in shown]), np.concatenate([one.sizes for one in shown]),
        )  # fmt: skip

    def contributions(self, seen: Seen) -> tuple[list[str], NDArray[np.float64]]:
        """Exact Shapley values of the trees, and what each feature adds by its weight in the sum before them."""
        added = self.forest.contributions(seen.table)
        if self.lead is not None:
            added[:, self._led] += said(seen.table, self._led) * self.lead
        return self.forest.names, added

    @property
    def _led(self) -> Longs:
        of = lead_columns if self.objective == "lambdarank" else rating_columns
        return of(self.forest.names)

    def work(self, log: LogShape, rows: float) -> tuple[dict[str, float], float]:
        """As in ``SecondStage``."""
        return {"splits": rows * self.trees}, 2048.0 * self.trees

    @property
    def base(self) -> float:
        """The mean of the trees over the training rows."""
        return self.forest.base

    @property
    def is_blank(self) -> bool:
        """Whether there are neither trees nor weights."""
        return not self.forest.n_trees and self.lead is None

    def settings(self) -> dict[str, Any]:
        """The parameters of the trees, as ``boost`` takes them."""
        return {name: getattr(self, name) for name in ("trees", "leaves", "rate", "min_rows", "reg", "share")}

    def keep(self, text: bytes) -> None:
        """Take the text of trees, and read it."""
        self.assets = {FILE: text}
        vars(self).pop("_forest", None)

    @property
    def forest(self) -> Trees:
        """The trees of the file, read once."""
        found: tuple[bytes, Trees] | None = vars(self).get("_forest")
        if found is None or found[0] is not self.assets[FILE]:
            found = vars(self)["_forest"] = (self.assets[FILE], parse(self.assets[FILE], FILE))
        return found[1]

    def check_loaded(self) -> None:
        """As in ``SecondStage``, and trees over exactly the features that are computed."""
        super().check_loaded()
        if [Feature(name).kind for name in self.forest.names] != self.expected():
            raise FormatError(f"{FILE} is over other features than those of this model: it was learned elsewhere")
        if self.lead is not None and (self.lead.shape != self._led.shape or not np.isfinite(self.lead).all()):
            raise FormatError(f"{self.name}: the weights before the trees do not fit its features")
        of_lists = list_columns(self.forest.names)
        if self.listed is not None and (self.listed.shape != of_lists.shape or not np.isfinite(self.listed).all()):
            raise FormatError(f"{self.name}: the weights of lists do not fit its features")
