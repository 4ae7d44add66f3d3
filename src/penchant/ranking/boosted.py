"""What models of boosted trees share: their parameters, members, statistics, and the file of trees."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import FormatError
from penchant.models import registry
from penchant.models.kinds.base import Contribution, Model, Space, hyper, learned
from penchant.models.kinds.composite import Composite
from penchant.ranking.features import Feature, declared
from penchant.ranking.statistics import CLOCK, DAY, Names, Statistics
from penchant.ranking.trees import Trees, parse

FILE = "ranker.txt"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
REASONS = 12  # features of an explanation, those that add most; the others are summed up
OTHERS = "all else that it looks at"


@dataclass(kw_only=True)
class Boosted(Composite, ABC):
    """Boosted trees over the members' scores and everything else that is known of a request."""

    uses_context: ClassVar[bool] = True
    uses_negatives: ClassVar[bool] = True  # members get all events and take what they can use
    assets_needed: ClassVar[tuple[str, ...]] = (FILE,)
    usual: ClassVar[tuple[str, ...]]  # the members where none are named
    ranks: ClassVar[bool] = True  # whether the order of the candidates by each member is a feature

    members: list[Model] = hyper((), "models whose scores are looked at; empty: a usual choice", other=("popular",))
    trees: int = hyper(150, "how many trees", ge=1, le=5000, space=Space(30, 600, log=True), other=20)
    leaves: int = hyper(15, "leaves of a tree", ge=2, le=64, space=Space(4, 63, log=True), other=4)
    rate: float = hyper(0.1, "how much of each tree counts", gt=0, le=1, space=Space(0.02, 0.3, log=True), other=0.02)
    min_rows: int = hyper(20, "fewest rows of a leaf", ge=1, space=Space(5, 200, log=True), other=60)
    reg: float = hyper(1.0, "what is added to the weight of a leaf", ge=0, space=Space(0.1, 100, log=True), other=50.0)
    share: float = hyper(0.8, "the share of features that a tree may use", gt=0, le=1, space=Space(0.3, 1), other=0.3)

    statistics: Statistics = learned()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.members = registry.members(self.name, self.members)

    @property
    def remembers_users(self) -> bool:  # type: ignore[override]  # it depends on the members
        """Whether any member keeps training rows."""
        return any(member.remembers_users for member in self.members)

    @property
    def uses_device(self) -> bool:  # type: ignore[override]  # it depends on the members
        """Whether any member is trained on a device."""
        return any(member.uses_device for member in self.members)

    @property
    def needs_features(self) -> bool:
        """Whether any member learns from item features."""
        return any(member.needs_features for member in self.members)

    @property
    def uses_features(self) -> bool:
        """Always, where there are any."""
        return True

    def fresh(self, train: Histories, run: Run, *, tell: bool = False) -> list[Model]:
        """New members, fitted on some histories."""
        described = [registry.to_json(member) for member in self.members]
        found = [registry.from_json(one) for one in described] or registry.members(self.name, list(self.usual))
        for member in found:
            member.fit(train, run=run, features=self.features)
            self.notes += [f"{member.name}: {note}" for note in member.notes] if tell else []
        return found

    def looked_at(self, log: LogShape) -> tuple[float, float]:
        """Rows of features that are learned from, and those of one answer."""
        raise NotImplementedError

    def cost(self, log: LogShape) -> Cost | None:
        """As in ``Model``; the members are counted by themselves, once."""
        members = self.members or registry.members(self.name, list(self.usual))
        known = [part for part in (member.cost(log) for member in members) if part is not None]
        if len(known) < len(members):
            return None
        rows, answered = self.looked_at(log)
        columns = 2.0 * len(members) + 30
        return Cost(
            {"rows": rows, "splits": rows * self.trees},
            sum(part.held for part in known) + 64 * log.items + 2048 * self.trees,
            max(part.working for part in known) + 12 * columns * rows,
            {"rows": answered, "items": len(members) * log.items},
            sum(part.answering for part in known),
        )

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
        """As in ``Model``: statistics inside their bounds, and trees over exactly the features that are computed."""
        if self.statistics is None:
            raise FormatError(f"{self.name}: the statistics are missing")
        self.statistics.check()
        columns = Names([""] * self.statistics.n_columns, [""] * len(self.statistics.numbers))
        expected = [one.kind for one in declared(self.statistics, len(self.members), columns, ranked=self.ranks)]
        if [Feature(name).kind for name in self.forest.names] != expected:
            raise FormatError(f"{FILE} is over other features than those of this model: it was learned elsewhere")

    def said(self, table: Floats, given: Histories) -> list[tuple[Contribution, ...]]:
        """What the features of each row of a table contribute, the largest first."""
        forest = self.forest
        stated = self._stated(given)
        words = [Feature(name).words(stated, [member.name for member in self.members]) for name in forest.names]
        out = []
        for row in forest.contributions(table):
            order = np.argsort(-np.abs(row), kind="stable")
            kept = [at for at in order[:REASONS].tolist() if row[at] != 0]
            some = [Contribution(forest.names[at], words[at], float(row[at])) for at in kept]
            rest = float(row.sum() - row[kept].sum())
            out.append((*some, *([Contribution("other", OTHERS, rest)] if abs(rest) > 0 else [])))
        return out

    def _stated(self, given: Histories) -> list[str | None]:
        """The contexts of one request: places for those with names, and the words of the clock."""
        clock = int(self.statistics.clock)
        own = len(self.statistics.sizes) - CLOCK * clock
        found: list[str | None] = [f"{{{number}}}" for number in range(own)]
        moments: Longs | None = given.moments()
        if clock:
            known = moments is not None and (len(given.items) > 0 or given.now is not None)
            at = int(moments[0]) if known and moments is not None else 0
            found += [f"{at % DAY // 3600}:00 to {at % DAY // 3600}:59 UTC", DAYS[(at // DAY + 3) % 7]]
            found[own:] = found[own:] if known else [None, None]
        return found


def no_trees(names: Sequence[str]) -> bytes:
    """The text of no trees, where there is nothing to learn from."""
    head = ["tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", f"max_feature_idx={len(names) - 1}"]
    return "\n".join([*head, f"feature_names={' '.join(names)}", "", "end of trees", ""]).encode()


def names_of(features: Sequence[Feature]) -> list[str]:
    """The names of features."""
    return [feature.name for feature in features]
