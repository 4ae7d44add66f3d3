"""A placement: a named spot where a list is shown, and everything that an owner decides about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penchant.data.conditions import in_words

WHOM = ("person", "session", "item", "items", "nobody")
REPEAT = ("never", "allowed", "buy-again")
ACTIVE = "active"
MMR, DPP = "mmr", "dpp"
PLACKETT_LUCE = "plackett-luce"
SOLVERS = ("greedy", "exact")
FALLBACKS = ("popular", "trending", "latest")
MOST_K = 1000


@dataclass(frozen=True)
class Exclude:
    """What a person is not shown: items of past events, items shown too often, their own items, or named ones."""

    kind: str = ""  # of events; with ``within``, only those so lately
    within: str = ""  # a span such as 30d
    impressions: int = 0  # so many since the last event of ``without``
    without: str = ""  # a kind; empty: any other event
    own: str = ""  # an attribute that holds the id of the person
    items: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The rule in words."""
        if self.kind:
            return f"exclude {self.kind}" + (f" within {self.within}" if self.within else "")
        if self.impressions:
            return f"exclude after {self.impressions} impressions" + (f" without {self.without}" * bool(self.without))
        return f"exclude own {self.own}" if self.own else "exclude items"


@dataclass(frozen=True)
class AtMost:
    """No more than ``items`` of each value of an attribute, or of those that meet a condition."""

    items: int
    attribute: str = ""
    where: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The rule in words."""
        return f"at_most {self.items}: {self.attribute if self.where is None else in_words(self.where)}"


@dataclass(frozen=True)
class AtLeast:
    """No fewer than ``items`` of those that meet a condition."""

    items: int
    where: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The rule in words."""
        return f"at_least {self.items}: {in_words(self.where)}"


@dataclass(frozen=True)
class Boost:
    """What is added to the standardised score of the items that meet a condition; below zero it lowers them."""

    where: Mapping[str, Any]
    by: float

    @property
    def name(self) -> str:
        """The rule in words."""
        return f"boost {self.by:+g}: {in_words(self.where)}"


@dataclass(frozen=True)
class Pin:
    """An item at a position from 1, until a moment (unix seconds; None: for ever)."""

    item: str
    position: int
    until: int | None = None

    @property
    def name(self) -> str:
        """The rule in words."""
        return f"pin {self.item} at {self.position}"


@dataclass(frozen=True)
class Diversity:
    """How far items of a list differ: ``weight`` from 0 to 1, over item vectors or attributes."""

    weight: float
    method: str = MMR
    over: str = ""  # vectors, attributes, or the name of one; empty: vectors where there are some

    @property
    def name(self) -> str:
        """The rule in words."""
        return f"diversity {self.weight:g} ({self.method})"


@dataclass(frozen=True)
class Calibrate:
    """How far the shares of the values of an attribute follow those of the history (Steck, RecSys 2018)."""

    attribute: str
    weight: float

    @property
    def name(self) -> str:
        """The rule in words."""
        return f"calibrate {self.attribute} {self.weight:g}"


@dataclass(frozen=True)
class Explore:
    """Draws a list instead of taking the best: each place goes to one of the ``top`` best items that the rules still
    allow, with chances ∝ exp(score / temperature), scores being standardised (Plackett–Luce)."""

    method: str = PLACKETT_LUCE
    top: int = 50
    temperature: float = 0.05

    @property
    def name(self) -> str:
        """The rule in words."""
        return f"explore {self.method}"


@dataclass(frozen=True)
class Placement:
    """All rules of one placement; the defaults are those of a list without rules."""

    name: str
    k: int = 10
    model: tuple[str, ...] = (ACTIVE,)  # in order: the first that knows something of the history answers
    whom: str = "person"  # ``for`` in a file
    where: Mapping[str, Any] | None = None
    exclude: tuple[Exclude, ...] = ()
    at_most: tuple[AtMost, ...] = ()
    at_least: tuple[AtLeast, ...] = ()
    boost: tuple[Boost, ...] = ()
    pin: tuple[Pin, ...] = ()
    diversity: Diversity | None = None
    calibrate: Calibrate | None = None
    repeat: str = "never"
    explore: Explore | None = None
    fallback: tuple[str, ...] = ("popular",)
    candidates: int = 200  # best items by the model that the rules choose from; more are taken where they do not do
    solver: str = "greedy"
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)  # as it was given

    def attributes(self) -> set[str]:
        """The attributes of items that the rules look at."""
        from penchant.data.conditions import attributes_of

        found = attributes_of(self.where)
        groups: tuple[tuple[AtMost | AtLeast | Boost, ...], ...] = (self.at_most, self.at_least, self.boost)
        for group in groups:
            for one in group:
                found |= attributes_of(one.where)
        found |= {rule.attribute for rule in self.at_most if rule.attribute}
        found |= {rule.own for rule in self.exclude if rule.own}
        if self.calibrate is not None:
            found.add(self.calibrate.attribute)
        if self.diversity is not None and self.diversity.over not in {"", "vectors", "attributes"}:
            found.add(self.diversity.over)
        return found

    def rules(self) -> list[str]:
        """The names of all rules, for tables and for ``without``."""
        names = ["where"] * (self.where is not None)
        for group in (self.exclude, self.at_most, self.at_least, self.boost, self.pin):
            names += [rule.name for rule in group]
        names += [rule.name for rule in (self.diversity, self.calibrate, self.explore) if rule is not None]
        return names

    def without(self, rule: str) -> Placement:
        """The same placement without one of ``rules()``."""
        from dataclasses import replace

        changed: dict[str, Any] = {"where": None} if rule == "where" else {}
        for field_name in ("exclude", "at_most", "at_least", "boost", "pin"):
            kept = tuple(one for one in getattr(self, field_name) if one.name != rule)
            changed |= {field_name: kept} if len(kept) < len(getattr(self, field_name)) else {}
        for field_name in ("diversity", "calibrate", "explore"):
            one = getattr(self, field_name)
            changed |= {field_name: None} if one is not None and one.name == rule else {}
        return replace(self, **changed)
