"""How raw events become a history: the part of reading a log that serving must repeat exactly."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from penchant.core.curve import Curve, Shape
from penchant.core.histories import Bools, Floats, Histories, Ints, ValuesAre
from penchant.core.weight_range import within
from penchant.data.contexts import as_stated, encode, parts_of
from penchant.data.opinions import Use, against, rated, weighted
from penchant.data.refunds import Refund, checked_refund
from penchant.errors import DataError, ParameterError

_POSITIVE = re.compile(r"^\s*value\s*(>=|<=|==|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*$")
MOST_SUPPORT = 1_000_000  # people that anything can be said to need
DISLIKE = "dislike"
IMPRESSION = "impression"  # an item was seen in a list
# kinds that take an earlier event back unless they are named
TAKING_BACK = {
    "cancel",
    "canceled",
    "cancelled",
    "cancellation",
    "chargeback",
    "refund",
    "refunded",
    "return",
    "storno",
}
UNLESS_NAMED = {DISLIKE: -1.0, IMPRESSION: 0.0}  # weights of kinds that a recipe need not name
_COMPARE: dict[str, Callable[[Floats, np.float32], Bools]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Recipe:
    """What an event counts: weights of kinds, the rule for positives, the meaning of values, the length of a history.

    It is saved with a recommender, so that an event means the same in serving as in training. Raises
    ``ParameterError`` for an invalid rule, weight or number.
    """

    kinds: Mapping[str, float] = field(
        default_factory=dict
    )  # weight of each kind; others weigh 1, "dislike" -1, "impression" 0
    positive: str | None = None  # 'value>=4', with >=, >, <=, < or ==
    values_are: ValuesAre = "none"
    max_history: int = 500  # newest events of a user that count in pair statistics; 0 keeps all
    weight: Shape = "raw"  # how the summed weight of a person and item counts
    cap: float | None = None  # with "log": the largest sum that counts
    cancels: tuple[str, ...] = ()  # kinds that take an earlier event of the same person and item back
    refund: Refund = "newest"  # which one they take back
    quantities: bool = False  # whether values are how much was bought: one below zero is a refund
    weight_range: tuple[float, float] | None = None  # the lowest and highest sum of a person and item in training
    contexts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the known values of each context, by code
    people: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # the last contexts: attributes of a person,
    # each with the bounds of the parts of a number; none: words
    opinion: Use | None = None  # what the opinion of an event's text makes of its value; None: nothing
    scale: tuple[float, float] | None = None  # of ratings that opinions change
    min_support: int = 1  # histories that an item, a pair or a value of a context needs (``data.support``)

    def __post_init__(self) -> None:
        if self.values_are not in get_args(ValuesAre):
            raise ParameterError(f"values are 'rating', 'weight' or 'none', not {self.values_are!r}")
        if isinstance(self.max_history, bool) or not isinstance(self.max_history, int) or self.max_history < 0:
            raise ParameterError(f"max_history is a whole number from 0, not {self.max_history!r}")
        if isinstance(self.min_support, bool) or not isinstance(self.min_support, int) or self.min_support < 1:
            raise ParameterError(f"min_support is a whole number from 1, not {self.min_support!r}")
        kinds: dict[str, float] = {}
        for kind, weight in self.kinds.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not np.isfinite(weight):
                raise ParameterError(f"the weight of kind {kind!r} must be a finite number, not {weight!r}")
            kinds[normalise_kind(kind)] = float(weight)
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "cancels", tuple(normalise_kind(kind) for kind in self.cancels))
        object.__setattr__(self, "contexts", self._values(self.contexts))
        object.__setattr__(self, "people", self._people(self.people))
        checked_refund(self.refund)
        if self.opinion is not None and self.opinion not in get_args(Use):
            raise ParameterError(f"an opinion is used as {', '.join(get_args(Use))}, not {str(self.opinion)[:40]!r}")
        if self.scale is not None:
            object.__setattr__(self, "scale", self._scale(self.scale))
        if self.weight_range is not None:
            object.__setattr__(self, "weight_range", self._ends(self.weight_range))
        Curve(self.weight, self.cap)  # refuses a shape or a cap that does not exist
        if self.positive is not None:
            self._rule()

    @property
    def curve(self) -> Curve | None:
        """How summed weights count, as histories take it; None if they count as they are."""
        return None if self.weight == "raw" or self.values_are != "weight" else Curve(self.weight, self.cap)

    def bounded(self, given: Histories) -> Histories:
        """A later history, its weights held to those of training, so that one absurd value cannot outweigh the rest.

        A sum of weights of one person and item beyond ``weight_range`` counts as the nearer end, before the curve; all
        other weights are unchanged. Without a range, as in folders of old versions, every weight counts as it is.
        """
        if self.weight_range is None or self.values_are != "weight":
            return given
        return within(given, *self.weight_range)

    @staticmethod
    def _ends(ends: object) -> tuple[float, float]:
        pair = tuple(ends) if isinstance(ends, (list, tuple)) else ()
        numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in pair)
        if len(pair) != 2 or not numbers or not -np.inf < pair[0] < 0 < pair[1] < np.inf:
            raise ParameterError(f"a range of weights is a finite number below 0 and one above 0, not {ends!r}")
        return float(pair[0]), float(pair[1])

    @staticmethod
    def _scale(ends: object) -> tuple[float, float]:
        pair = tuple(ends) if isinstance(ends, (list, tuple)) else ()
        numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in pair)
        if len(pair) != 2 or not numbers or not -np.inf < pair[0] < pair[1] < np.inf:
            raise ParameterError(f"a scale is two finite numbers, the lower first, not {ends!r}")
        return float(pair[0]), float(pair[1])

    @staticmethod
    def _values(contexts: object) -> dict[str, tuple[str, ...]]:
        out: dict[str, tuple[str, ...]] = {}
        wrong = ParameterError(f"contexts are names with their values, each once, not {str(contexts)[:80]!r}")
        if not isinstance(contexts, Mapping):
            raise wrong
        for name, values in contexts.items():
            if not isinstance(name, str) or not name or not isinstance(values, (list, tuple)):
                raise wrong
            if not all(isinstance(value, str) for value in values) or len(set(values)) < len(values):
                raise wrong
            out[name] = tuple(values)
        return out

    def _people(self, people: object) -> dict[str, tuple[float, ...]]:
        """Attributes of people; raises ``ParameterError`` unless they are the last contexts and their bounds fit."""
        wrong = ParameterError(f"attributes of people are the last contexts, with bounds, not {str(people)[:80]!r}")
        if not isinstance(people, Mapping) or list(people) != list(self.contexts)[len(self.contexts) - len(people) :]:
            raise wrong
        out: dict[str, tuple[float, ...]] = {}
        for name, bounds in people.items():
            numbers = bounds if isinstance(bounds, (list, tuple)) else (None,)
            if not all(type(one) in (int, float) and np.isfinite(one) for one in numbers):
                raise wrong
            out[name] = tuple(float(one) for one in numbers)
            if out[name] and (list(out[name]) != sorted(set(out[name])) or self.contexts[name] != parts_of(out[name])):
                raise wrong
        return out

    def known_of(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Those attributes of a person that were learned from."""
        known = {*self.people, *(name.partition(": ")[0] for name in self.people)}
        return {name: value for name, value in attributes.items() if name in known}

    def encode(self, rows: Sequence[Mapping[str, Any] | None]) -> tuple[Ints, list[str]]:
        """The codes ``(rows, contexts)`` of what rows state, and what of it is not known: ``contexts.encode``, where
        attributes of people may be numbers and lists."""
        if self.people:
            rows = [as_stated(self.people, row) if isinstance(row, Mapping) else row for row in rows]
        return encode(self.contexts, rows)

    def _rule(self) -> tuple[str, np.float32]:
        found = _POSITIVE.match(self.positive) if isinstance(self.positive, str) else None
        if found is None:
            raise ParameterError(
                f"a positive reads like 'value>=4' (one of >=, >, <=, <, == and a number), not {self.positive!r}"
            )
        return found[1], np.float32(found[2])

    def weigh(
        self,
        kinds: Sequence[str | None] | None = None,
        values: ArrayLike | None = None,
        opinions: Floats | None = None,
    ) -> tuple[Floats | None, Bools | None]:
        """Values of events and which of them are liked, both ``(events,)``, from their raw kinds and raw values.

        - Ratings are the values themselves. Weights are the weight of the kind times the value; a missing value (NaN)
          counts as one. With ``none`` there are no values. The curve of weights is not applied here: it belongs to the
          sum of a person and item, so ``Histories`` applies it.
        - ``opinions`` of the events' texts, NaN where there is none, change the values as ``opinion`` says (``rated``,
          ``weighted``). Without a rule ``positive``, a rating whose text speaks against its item is not liked.
        - ``liked`` is None if the weights above zero are exactly the positives. The rule ``positive`` applies to the
          value that this method returns. An event whose kind weighs zero or less is never liked.

        Raises ``DataError`` for a missing rating and for numbers that are not finite.
        """
        if kinds is None:
            return self.weigh_coded([], None, values, opinions)
        table: dict[str | None, int] = {}
        codes = np.fromiter((table.setdefault(kind, len(table)) for kind in kinds), dtype=np.int32)
        return self.weigh_coded(list(table), codes, values, opinions)

    def weigh_coded(
        self,
        names: Sequence[str | None],
        kinds: Ints | None,
        values: ArrayLike | None,
        opinions: Floats | None = None,
    ) -> tuple[Floats | None, Bools | None]:
        """As ``weigh``; the kind of event ``i`` is ``names[kinds[i]]``, or unknown if the number is negative."""
        raw = None if values is None else np.asarray(values, dtype=np.float32)
        said = None if self.opinion is None else opinions
        if self.opinion is not None and said is not None and self.values_are == "rating" and self.scale is not None:
            raw = rated(self.opinion, self.scale, np.full(len(said), np.nan, np.float32) if raw is None else raw, said)
        if raw is not None and np.isinf(raw).any():
            raise DataError("an event's value must be a finite number")
        weight: Floats | None = None
        if kinds is not None:
            known = [self.weight_of(name) for name in names]
            weight = np.array([*known, 1.0], dtype=np.float32)[kinds]  # -1 picks the last: an unknown kind weighs 1
        value: Floats | None = None
        if self.values_are == "rating" and raw is not None:
            if np.isnan(raw).any():
                raise DataError("an event has no rating, but the model learned from ratings")
            value = raw
        elif self.values_are == "weight" and any(column is not None for column in (raw, kinds, said)):
            size = max(len(column) for column in (raw, kinds, said) if column is not None)
            value = np.ones(size, dtype=np.float32)
            if raw is not None:
                value = np.where(np.isnan(raw), np.float32(1), raw)
            if weight is not None:
                value = value * weight
            if self.opinion is not None and said is not None:
                value = weighted(self.opinion, value, said)
        liked: Bools | None = None
        if self.positive is not None and value is not None:
            name, bound = self._rule()
            liked = _COMPARE[name](value, bound)
        elif value is not None and said is not None and self.values_are == "rating" and (no := against(said)).any():
            liked = ~no
        if weight is not None and self.values_are != "weight" and (weight <= 0).any():
            liked = weight > 0 if liked is None else liked & (weight > 0)
        return value, liked

    def weight_of(self, kind: str | None) -> float:
        """The weight of a kind: 1 for no kind and for kinds that are not named, but -1 for ``dislike`` and 0 for
        ``impression``."""
        if kind is None:
            return 1.0
        name = normalise_kind(kind)
        return self.kinds.get(name, UNLESS_NAMED.get(name, 1.0))

    def weighing(self, names: Sequence[str | None], kinds: Ints | None, rows: int) -> Bools:
        """Which events have a kind of another weight than 0, ``(rows,)``; kinds as ``weigh_coded`` takes them."""
        if kinds is None:
            return np.ones(rows, dtype=np.bool_)
        return np.array([*(self.weight_of(name) != 0 for name in names), True], dtype=np.bool_)[kinds]

    def is_impression(self, kind: str | None) -> bool:
        """Whether an event of this kind only says that its item was shown."""
        return kind is not None and normalise_kind(kind) == IMPRESSION and self.weight_of(kind) == 0

    def is_dislike(self, kind: str | None) -> bool:
        """Whether an event of this kind counts against its item."""
        return self.weight_of(kind) < 0

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        return {
            "kinds": dict(self.kinds),
            "positive": self.positive,
            "values_are": self.values_are,
            "max_history": self.max_history,
            **({} if self.weight == "raw" else {"weight": self.weight, "cap": self.cap}),
            **({"cancels": list(self.cancels)} if self.cancels else {}),
            **({"quantities": True} if self.quantities else {}),
            **({} if self.weight_range is None else {"weight_range": list(self.weight_range)}),
            **({"refund": self.refund} if self.cancels or self.quantities else {}),
            **({"contexts": {name: list(values) for name, values in self.contexts.items()}} if self.contexts else {}),
            **({"people": {name: list(bounds) for name, bounds in self.people.items()}} if self.people else {}),
            **({} if self.opinion is None else {"opinion": self.opinion}),
            **({} if self.scale is None else {"scale": list(self.scale)}),
            **({} if self.min_support == 1 else {"min_support": self.min_support}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """The recipe that ``to_json`` wrote; raises ``ParameterError`` for an unknown key."""
        unknown = sorted(set(data) - {field.name for field in fields(cls)})
        if unknown:
            raise ParameterError(f"a recipe has no {unknown[0]!r}")
        if not isinstance(data.get("kinds", {}), Mapping):
            raise ParameterError("a recipe's kinds are an object of kind and weight")
        return cls(**data)


def normalise_kind(kind: object) -> str:
    """The one spelling of a kind of event: lower case, without spaces around it."""
    return str(kind).strip().lower()
