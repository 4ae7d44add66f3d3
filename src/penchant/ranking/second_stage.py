"""What every second stage shares: members, statistics of the log, and what is seen of a request and its candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.rank import BLOCK_BYTES
from penchant.core.run import Run
from penchant.errors import FormatError
from penchant.models import registry
from penchant.models.kinds.base import Contribution, Model, hyper, learned
from penchant.models.kinds.composite import Composite
from penchant.ranking.features import Asked, Feature, compute, declared
from penchant.ranking.statistics import CLOCK, DAY, Names, Statistics

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
REASONS = 12  # features of an explanation, those that add most; the others are summed up
OTHERS = "all else that it looks at"


@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen of some pairs of a request and an item."""

    table: Floats  # (pairs, features) of ``compute``
    asked: Asked | None = None  # the pairs themselves, where a ranker looks at ids

    def some(self, pairs: list[int] | Longs) -> Seen:
        """Some of the pairs."""
        one = self.asked
        if one is not None:
            one = Asked(one.given, one.rows[pairs], one.items[pairs], one.scores[:, pairs], one.ranked)
        return Seen(self.table[pairs], one)


@dataclass(frozen=True, eq=False)
class Lesson:
    """Pairs with what is known of them; those of one request are adjacent."""

    seen: Seen
    target: Floats  # (pairs,) 1 for an answer, or the error of a rating
    sizes: Longs  # pairs of each request
    places: Ints | None = None  # (pairs,) where each was shown, from 1; 0 or None: it was not


@dataclass(kw_only=True)
class SecondStage(Composite, ABC):
    """Something that is learned over the members' scores and everything else that is known of a request."""

    uses_context: ClassVar[bool] = True
    uses_negatives: ClassVar[bool] = True  # members get all events and take what they can use
    usual: ClassVar[tuple[str, ...]]  # the members where none are named
    feature_bytes: ClassVar[float] = 12  # of a feature of a row that is learned from: two copies and its bins
    ranks: ClassVar[bool] = True  # whether the order of the candidates by each member is a feature

    members: list[Model] = hyper((), "models whose scores are looked at; empty: a usual choice", other=("popular",))

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

    # -- what a ranker writes ---------------------------------------------------------------------------------

    @abstractmethod
    def learn(self, lessons: Sequence[Lesson], columns: list[str], run: Run) -> None:
        """Learn from lessons over features of these names; without any, nothing is added to what members say."""

    @abstractmethod
    def judge(self, seen: Seen) -> NDArray[np.float64]:
        """The sum that was learned, for each pair."""

    def judge_list(self, seen: Seen) -> NDArray[np.float64]:
        """The sum for each pair of lists that were shown, whose items somebody chose already: as for candidates."""
        return self.judge(seen)

    @abstractmethod
    def contributions(self, seen: Seen) -> tuple[list[str], NDArray[np.float64]]:
        """The names of the features, and what each adds to the sum of each pair: with ``base`` they are the sum."""

    @abstractmethod
    def work(self, log: LogShape, rows: float) -> tuple[dict[str, float], float]:
        """Amounts of work of learning from so many rows, and bytes held."""

    @property
    @abstractmethod
    def base(self) -> float:
        """The sum before anything is seen."""

    @property
    @abstractmethod
    def is_blank(self) -> bool:
        """Whether there was nothing to learn from."""

    def look(self, statistics: Statistics, asked: Asked) -> Seen:
        """What is seen of some pairs."""
        return Seen(compute(statistics, asked))

    # -- what they share ------------------------------------------------------------------------------------------

    def cost(self, log: LogShape) -> Cost | None:
        """As in ``Model``; the members are counted by themselves, once."""
        members = self.members or registry.members(self.name, list(self.usual))
        known = [part for part in (member.cost(log) for member in members) if part is not None]
        if len(known) < len(members):
            return None
        rows, answered = self.looked_at(log)
        columns = 2.0 * len(members) + 30
        steps, held = self.work(log, rows)
        return Cost(
            {"rows": rows, **steps},
            sum(part.held for part in known) + 64 * log.items + held,
            max(part.working for part in known) + self.feature_bytes * columns * rows,
            {"rows": answered, "items": len(members) * log.items},
            sum(part.answering for part in known) + min(2.0 * BLOCK_BYTES, 16 * columns * answered * log.users),
        )

    def expected(self) -> list[str]:
        """The kinds of the features that are computed, in order."""
        columns = Names([""] * self.statistics.n_columns, [""] * len(self.statistics.numbers))
        return [one.kind for one in declared(self.statistics, len(self.members), columns, ranked=self.ranks)]

    def check_loaded(self) -> None:
        """As in ``Model``: statistics inside their bounds."""
        if self.statistics is None:
            raise FormatError(f"{self.name}: the statistics are missing")
        self.statistics.check()

    def said(self, seen: Seen, given: Histories) -> list[tuple[Contribution, ...]]:
        """What the features of each pair contribute, the largest first."""
        names, added = self.contributions(seen)
        stated = self._stated(given)
        words = [Feature(name).words(stated, [member.name for member in self.members]) for name in names]
        out = []
        for row in added:
            order = np.argsort(-np.abs(row), kind="stable")
            kept = [at for at in order[:REASONS].tolist() if row[at] != 0]
            some = [Contribution(names[at], words[at], float(row[at])) for at in kept]
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


def names_of(features: Sequence[Feature]) -> list[str]:
    """The names of features."""
    return [feature.name for feature in features]
