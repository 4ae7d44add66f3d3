"""Conditions on items, as plain JSON: checked once, and applied to the attributes of a catalogue.

::

    where     = {"all": [where, ...]} | {"any": [where, ...]} | {"none": [where, ...]} | condition
    condition = {"attribute": NAME, "in": [value, ...]}            one of the item's values is in the list
              | {"attribute": NAME, "from": number, "to": number}  either bound may be left out; both are inclusive
              | {"attribute": NAME, "exists": true | false}
              | {"domain": [NAME, ...]}
              | {"available": true | false}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np

from penchant.core.histories import Bools
from penchant.data.item_values import Column
from penchant.errors import ParameterError

DEPTH = 8  # levels of all, any and none
CONDITIONS = 64
VALUES = 200  # of one list
GROUPS = ("all", "any", "none")
FORMS: dict[str, tuple[str, ...]] = {  # the keys that a condition may have, by the one that names its form
    "in": ("attribute", "in"),
    "exists": ("attribute", "exists"),
    "domain": ("domain",),
    "available": ("available",),
    "attribute": ("attribute", "from", "to"),
}
Where = Mapping[str, Any]


class Items(Protocol):
    """What a condition looks at: the attributes of the items, by position."""

    def __len__(self) -> int: ...

    def column(self, attribute: str) -> Column | None:
        """The values of an attribute; None if no item has it."""
        ...

    def domain_column(self) -> Column | None:
        """The domains of the items; None if they have none."""
        ...

    def availability(self) -> Bools | None:
        """Which items are available; None: all."""
        ...


def nearest(word: str, known: Iterator[str] | Mapping[str, Any] | tuple[str, ...] | list[str]) -> str:
    """ "; did you mean …?" with the nearest known word, or nothing."""
    found = get_close_matches(str(word), [str(one) for one in known], n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


def check_where(where: Any, place: str, depth: int = 1) -> int:
    """The number of conditions; raises ``ParameterError`` that names the place in the filter."""
    if not isinstance(where, Mapping):
        raise ParameterError(f'{place} is a condition like {{attribute = "genre", in = ["drama"]}}')
    if depth > DEPTH:
        raise ParameterError(f"{place} is nested deeper than {DEPTH} levels")
    group = next((key for key in GROUPS if key in where), None)
    if group is not None:
        parts = where[group]
        _only(where, (group,), place)
        if not isinstance(parts, (list, tuple)) or not parts:
            raise ParameterError(f"{place}.{group} is a list of conditions")
        count = 1 + sum(check_where(part, f"{place}.{group}.{n}", depth + 1) for n, part in enumerate(parts))
        if count > CONDITIONS:
            raise ParameterError(f"{place} has more than {CONDITIONS} conditions")
        return count
    form = next((key for key in FORMS if key in where), None)
    if form is None:
        odd = next(iter(where), "")
        known = ("attribute", "domain", "available", *GROUPS)
        raise ParameterError(f"{place} needs one of {', '.join(known)}{nearest(odd, known)}")
    _only(where, FORMS[form], place)
    _check_form(where, form, place)
    return 1


def _only(where: Where, keys: tuple[str, ...], place: str) -> None:
    for key in where:
        if key not in keys:
            raise ParameterError(f"{place}: there is no {key!r} here{nearest(key, keys)}; there are {', '.join(keys)}")


def _check_form(where: Where, form: str, place: str) -> None:
    if "attribute" in FORMS[form] and not (isinstance(where.get("attribute"), str) and where["attribute"]):
        raise ParameterError(f"{place}.attribute is the name of an attribute")
    if form in {"exists", "available"} and not isinstance(where[form], bool):
        raise ParameterError(f"{place}.{form} is true or false")
    if form in {"in", "domain"}:
        values = where[form]
        plain = isinstance(values, (list, tuple)) and all(isinstance(one, (str, int, float, bool)) for one in values)
        if not plain or not 1 <= len(values) <= VALUES:
            raise ParameterError(f"{place}.{form} is a list of 1 to {VALUES} plain values")
    if form == "attribute":
        bounds = [where[key] for key in ("from", "to") if where.get(key) is not None]
        if not bounds:
            raise ParameterError(f"{place} needs 'in', 'from', 'to' or 'exists'")
        for bound in bounds:
            if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not np.isfinite(bound):
                raise ParameterError(f"{place}: a bound is a number, not {str(bound)[:40]!r}")


def attributes_of(where: Where | None) -> set[str]:
    """The attributes that a condition looks at."""
    if where is None:
        return set()
    group = next((key for key in GROUPS if key in where), None)
    if group is not None:
        return set[str]().union(*(attributes_of(part) for part in where[group]))
    return {where["attribute"]} if "attribute" in where else set()


def says_available(where: Where | None) -> bool:
    """Whether a condition speaks of availability, and so replaces the rule that hides what is not available."""
    if where is None:
        return False
    group = next((key for key in GROUPS if key in where), None)
    return "available" in where or (group is not None and any(says_available(part) for part in where[group]))


def holds(where: Where, items: Items) -> Bools:
    """The items for which a condition holds, ``(len(items),)``. An attribute that no item has holds for none."""
    held: Bools
    n = len(items)
    match where:
        case {"all": parts}:
            held = np.logical_and.reduce([holds(part, items) for part in parts])
        case {"any": parts}:
            held = np.logical_or.reduce([holds(part, items) for part in parts])
        case {"none": parts}:
            held = ~np.logical_or.reduce([holds(part, items) for part in parts])
        case {"domain": names}:
            domains = items.domain_column()
            held = np.zeros(n, np.bool_) if domains is None else domains.one_of(names)
        case {"available": wanted}:
            known = items.availability()
            held = (np.ones(n, np.bool_) if known is None else known) == wanted
        case {"attribute": name, "in": values}:
            column = items.column(name)
            held = np.zeros(n, np.bool_) if column is None else column.one_of(values)
        case {"attribute": name, "exists": wanted}:
            column = items.column(name)
            held = (np.zeros(n, np.bool_) if column is None else column.exists()) == wanted
        case _:
            column = items.column(where["attribute"])
            low, high = where.get("from"), where.get("to")
            held = np.zeros(n, np.bool_) if column is None else column.between(low, high)
    return held


def in_words(where: Where) -> str:  # noqa: PLR0911  # one return a form
    """A condition in words: ``genre = drama``, ``margin ≥ 0.3``."""
    match where:
        case {"all": parts}:
            return " and ".join(in_words(part) for part in parts)
        case {"any": parts}:
            return "(" + " or ".join(in_words(part) for part in parts) + ")"
        case {"none": parts}:
            return "not (" + " or ".join(in_words(part) for part in parts) + ")"
        case {"domain": names}:
            return f"domain = {', '.join(map(str, names))}"
        case {"available": wanted}:
            return "available" if wanted else "not available"
        case {"attribute": name, "in": values}:
            return f"{name} = {', '.join('true' if v is True else 'false' if v is False else str(v) for v in values)}"
        case {"attribute": name, "exists": wanted}:
            return f"{name} {'exists' if wanted else 'is missing'}"
        case _:
            low, high = where.get("from"), where.get("to")
            bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", low), ("≤", high)) if bound is not None]
            return f"{where['attribute']} {' and '.join(bounds)}"
