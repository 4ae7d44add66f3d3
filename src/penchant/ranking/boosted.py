"""Boosted trees as a second stage: their parameters, and the file that holds them."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import FormatError
from penchant.models.kinds.base import Space, hyper
from penchant.ranking.booster import boost
from penchant.ranking.features import Feature
from penchant.ranking.second_stage import Lesson, SecondStage, Seen
from penchant.ranking.trees import Trees, parse

FILE = "ranker.txt"


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

    def learn(self, lessons: Sequence[Lesson], columns: list[str], run: Run) -> None:
        """As in ``SecondStage``, by LightGBM."""
        if not lessons:
            self.keep(no_trees(columns))
            return
        table = np.concatenate([one.seen.table for one in lessons])
        target = np.concatenate([one.target for one in lessons])
        group = np.concatenate([one.sizes for one in lessons]) if self.objective == "lambdarank" else None
        places = None
        if group is not None and any(one.places is not None for one in lessons):
            zeros = (np.zeros(len(one.target), np.int32) for one in lessons)
            places = np.concatenate(
                [nothing if one.places is None else one.places for one, nothing in zip(lessons, zeros, strict=True)]
            )
        self.keep(
            boost(
                table, target, columns, objective=self.objective, group=group, places=places, run=run, **self.settings()
            )
        )

    def judge(self, seen: Seen) -> NDArray[np.float64]:
        """The sum of the trees."""
        return self.forest.predict(seen.table)

    def contributions(self, seen: Seen) -> tuple[list[str], NDArray[np.float64]]:
        """Exact Shapley values."""
        return self.forest.names, self.forest.contributions(seen.table)

    def work(self, log: LogShape, rows: float) -> tuple[dict[str, float], float]:
        """As in ``SecondStage``."""
        return {"splits": rows * self.trees}, 2048.0 * self.trees

    @property
    def base(self) -> float:
        """The mean of the trees over the training rows."""
        return self.forest.base

    @property
    def is_blank(self) -> bool:
        """Whether there are no trees."""
        return not self.forest.n_trees

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


def no_trees(names: Sequence[str]) -> bytes:
    """The text of no trees, where there is nothing to learn from."""
    head = ["tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", f"max_feature_idx={len(names) - 1}"]
    return "\n".join([*head, f"feature_names={' '.join(names)}", "", "end of trees", ""]).encode()
