"""Placements from tables: the file of settings, and documents over HTTP. Every mistake is named, with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from penchant.core.settings import line_of, parse_span, read_toml
from penchant.data.conditions import check_where, nearest
from penchant.errors import ParameterError
from penchant.placements.placement import (
    DPP,
    FALLBACKS,
    MMR,
    MOST_K,
    PLACKETT_LUCE,
    REPEAT,
    SOLVERS,
    WHOM,
    AtLeast,
    AtMost,
    Boost,
    Calibrate,
    Diversity,
    Exclude,
    Explore,
    Pin,
    Placement,
)

TABLE = "placements"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MOST_RULES = 64  # of one kind
MOST_CANDIDATES = 100_000
SPOKEN = {"whom": "for"}  # keys whose field has another name, for it is a word of Python
R = TypeVar("R")


def read_placements(file: str) -> dict[str, Placement]:
    """The placements of a TOML file, by name, from its tables ``[placements.NAME]``.

    Raises ``DataError`` for an unreadable file, and ``ParameterError`` with file and line for a mistake.
    """
    document, text = read_toml(file)
    return from_table(document.get(TABLE, {}), file, text)


def from_table(table: Any, file: str, text: str) -> dict[str, Placement]:
    """The placements of the table ``placements`` of a file."""
    if not isinstance(table, Mapping) or not all(isinstance(one, Mapping) for one in table.values()):
        raise ParameterError(f"{file}: {TABLE} has a table for each placement: write [placements.home]")

    def place(name: str, key: str) -> str:
        at = f"{TABLE}.{name}"
        line = (line_of(text, key, at) if key else None) or line_of(text, name, TABLE)
        return (f"{file}, line {line}: " if line else f"{file}: ") + f"[{at}] "

    return {
        str(name): read_placement(str(name), one, lambda key, name=str(name): place(name, key))  # type: ignore[misc]  # the default binds it now
        for name, one in table.items()
    }


def read_placement(name: str, document: Mapping[str, Any], place: Callable[[str], str] | None = None) -> Placement:
    """The placement of a table or a JSON object. Raises ``ParameterError`` that names the key and the line."""
    place = place or (lambda _: "")
    if not NAME.fullmatch(name):
        said = f"a placement is letters, digits, '.', '-' and '_', at most 64, not {name[:80]!r}"
        raise ParameterError(place("") + said)
    known = [SPOKEN.get(one.name, one.name) for one in fields(Placement) if one.name not in {"name", "document"}]
    values: dict[str, Any] = {}
    for key, value in document.items():
        try:
            values["whom" if key == "for" else key] = READERS.get(key, _unknown)(value, key)
        except ParameterError as wrong:
            raise ParameterError(place(str(key)) + str(wrong)) from None
    made = Placement(name, **values, document=dict(document))
    try:
        _agree(made)
    except ParameterError as wrong:
        key = str(wrong).split(":")[0].split(" ")[0]
        raise ParameterError(place(key if key in known else "") + str(wrong)) from None
    return made


def _agree(made: Placement) -> None:
    """What no key alone can say."""
    at: dict[int, str] = {}
    for pin in made.pin:
        if pin.position > made.k:
            raise ParameterError(f"pin: position {pin.position} of {pin.item!r} is beyond k = {made.k}")
        if pin.position in at:
            raise ParameterError(f"pin: {at[pin.position]!r} and {pin.item!r} are both at position {pin.position}")
        at[pin.position] = pin.item
    if len({pin.item for pin in made.pin}) < len(made.pin):
        raise ParameterError("pin: one item is pinned twice")
    for rule in made.at_least:
        if rule.items > made.k:
            raise ParameterError(f"at_least: {rule.items} items are more than k = {made.k}")
    weights = sum(one.weight for one in (made.diversity, made.calibrate) if one is not None)
    if weights > 1:
        raise ParameterError(f"diversity and calibrate weigh {weights:g} together; at most 1 is left for the scores")
    if made.candidates < made.k:
        raise ParameterError(f"candidates: {made.candidates} are fewer than k = {made.k}")
    if made.solver == "exact" and (made.diversity or made.calibrate or made.explore):
        raise ParameterError("solver: exact solves sums of scores; diversity, calibrate and explore need greedy")
    names = made.rules()
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f"{twice.split(' ')[0]}: the rule {twice!r} is there twice")


# -- readers of values ------------------------------------------------------------------------------------------------


def _unknown(_: Any, key: str) -> Any:
    raise ParameterError(f"there is no key {key!r}{nearest(key, list(READERS))}; there are {', '.join(READERS)}")


def _whole(low: int, high: int) -> Callable[[Any, str], int]:
    def read(value: Any, key: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ParameterError(f"{key} is a whole number, not {str(value)[:40]!r}")
        if not low <= value <= high:
            raise ParameterError(f"{key} is from {low} to {high}, not {value}")
        return value

    return read


def _number(low: float, high: float, *, above: bool = False) -> Callable[[Any, str], float]:
    def read(value: Any, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ParameterError(f"{key} is a number, not {str(value)[:40]!r}")
        if not low <= value <= high or (above and value <= low):
            raise ParameterError(f"{key} is {'above' if above else 'from'} {low:g} to {high:g}, not {value:g}")
        return float(value)

    return read


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value or len(value) > 512:
        raise ParameterError(f"{key} is a text, not {str(value)[:40]!r}")
    return value


def _one_of(known: tuple[str, ...]) -> Callable[[Any, str], str]:
    def read(value: Any, key: str) -> str:
        if value not in known:
            said = f"{key} is one of {', '.join(known)}, not {str(value)[:40]!r}"
            raise ParameterError(said + nearest(str(value), known))
        return str(value)

    return read


def _texts(value: Any, key: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not listed or len(listed) > 1000:
        raise ParameterError(f"{key} is a text, or a list of texts")
    return tuple(_text(one, key) for one in listed)


def _span(value: Any, key: str) -> str:
    if parse_span(key, _text(value, key)) is None:
        raise ParameterError(f"{key} is a span of time such as 30d")
    return str(value)


def _where(value: Any, key: str) -> Mapping[str, Any]:
    check_where(value, key)
    return dict(value)


def _until(value: Any, key: str) -> int:
    """Unix seconds; a date counts to its end, in UTC."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            raise ParameterError(f"{key} is a date or a moment such as 2026-12-24T18:00+01:00") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ParameterError(f"{key} names no zone: write {value.isoformat()}Z, or its offset such as +01:00")
        return int(value.timestamp())
    if isinstance(value, date):
        return int((datetime(value.year, value.month, value.day, tzinfo=UTC) + timedelta(days=1)).timestamp())
    raise ParameterError(f"{key} is a date or a moment such as 2026-12-24T18:00+01:00")


def _table(rule: type[R], /, **readers: Callable[[Any, str], Any]) -> Callable[[Any, str], R]:
    """Reads a table of a rule; keys without a default are required."""

    def read(value: Any, key: str) -> R:
        if not isinstance(value, Mapping):
            raise ParameterError(f"{key} is a table with {', '.join(readers)}")
        for name in value:
            if name not in readers:
                known = ", ".join(readers)
                raise ParameterError(f"{key}: there is no {name!r}{nearest(name, list(readers))}; there are {known}")
        for one in fields(rule):  # type: ignore[arg-type]  # every rule is a dataclass
            if one.default is MISSING and one.name not in value:
                raise ParameterError(f"{key} needs {one.name!r}")
        return rule(**{name: readers[name](given, f"{key}.{name}") for name, given in value.items()})

    return read


def _several(read: Callable[[Any, str], R], check: Callable[[R, str], None] | None = None) -> Any:
    def listed(value: Any, key: str) -> tuple[R, ...]:
        if isinstance(value, Mapping):
            value = [value]
        if not isinstance(value, (list, tuple)) or len(value) > MOST_RULES:
            raise ParameterError(f"{key} is a list of at most {MOST_RULES} tables")
        found = []
        for number, one in enumerate(value, 1):
            at = key if len(value) == 1 else f"{key} {number}"
            found.append(read(one, at))
            if check is not None:
                check(found[-1], at)
        return tuple(found)

    return listed


def _check_exclude(rule: Exclude, key: str) -> None:
    said = [bool(rule.kind), bool(rule.impressions), bool(rule.own), bool(rule.items)]
    if said.count(True) != 1:
        raise ParameterError(f"{key} needs exactly one of kind, impressions, own and items")
    if rule.within and not rule.kind:
        raise ParameterError(f"{key}: within belongs to kind")
    if rule.without and not rule.impressions:
        raise ParameterError(f"{key}: without belongs to impressions")


def _check_at_most(rule: AtMost, key: str) -> None:
    if bool(rule.attribute) == (rule.where is not None):
        raise ParameterError(f"{key} needs either attribute or where")


def _diversity(value: Any, key: str) -> Diversity:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = {"weight": value}
    read = _table(Diversity, weight=_number(0, 1), method=_one_of((MMR, DPP)), over=_text)
    return read(value, key)


def _fallback(value: Any, key: str) -> tuple[str, ...]:
    found = _texts(value, key) if value else ()
    for one in found:
        kind, colon, span = one.partition(":")
        if kind not in FALLBACKS:
            known = ", ".join(FALLBACKS)
            raise ParameterError(
                f"{key} has {known}, with a span such as trending:7d, not {one!r}{nearest(kind, FALLBACKS)}"
            )
        if colon and (kind == "latest" or not span or parse_span(key, span) is None):
            raise ParameterError(f"{key}: {one!r} reads like trending:7d")
        if kind == "trending" and not colon:
            raise ParameterError(f"{key}: trending needs a span, such as trending:7d")
    return found


READERS: dict[str, Callable[[Any, str], Any]] = {
    "k": _whole(1, MOST_K),
    "model": _texts,
    "for": _one_of(WHOM),
    "where": _where,
    "exclude": _several(
        _table(Exclude, kind=_text, within=_span, impressions=_whole(1, 1000), without=_text, own=_text, items=_texts),
        _check_exclude,
    ),
    "at_most": _several(_table(AtMost, attribute=_text, where=_where, items=_whole(0, MOST_K)), _check_at_most),
    "at_least": _several(_table(AtLeast, where=_where, items=_whole(1, MOST_K))),
    "boost": _several(_table(Boost, where=_where, by=_number(-100, 100))),
    "pin": _several(_table(Pin, item=_text, position=_whole(1, MOST_K), until=_until)),
    "diversity": _diversity,
    "calibrate": _table(Calibrate, attribute=_text, weight=_number(0, 1)),
    "repeat": _one_of(REPEAT),
    "explore": _table(
        Explore, method=_one_of((PLACKETT_LUCE,)), top=_whole(2, 10_000), temperature=_number(0, 100, above=True)
    ),
    "fallback": _fallback,
    "candidates": _whole(1, MOST_CANDIDATES),
    "solver": _one_of(SOLVERS),
}


def check_names(placement: Placement, attributes: Iterable[str], models: Iterable[str]) -> None:
    """Raises ``ParameterError`` for an attribute or a model that a placement names and nobody knows."""
    known, loaded = sorted(attributes), sorted(models)
    for name in sorted(placement.attributes()):
        if name not in known:
            said = f"placement {placement.name}: no item has the attribute {name!r}{nearest(name, known)}"
            raise ParameterError(f"{said}; there are {', '.join(known[:30]) or 'none'}")
    for name in placement.model:
        if name not in loaded:
            listed = ", ".join(loaded[:30])
            raise ParameterError(
                f"placement {placement.name}: there is no model {name!r}{nearest(name, loaded)}; there are {listed}"
            )


def named(placements: Mapping[str, Placement], name: str) -> Placement:
    """The placement of a name; raises ``ParameterError`` with the nearest one."""
    found = placements.get(name)
    if found is None:
        listed = ", ".join(sorted(placements)) or "none"
        raise ParameterError(
            f"there is no placement {name[:80]!r}{nearest(name, list(placements))}; there are {listed}"
        )
    return found
