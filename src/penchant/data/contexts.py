"""Contexts of events and requests: words such as ``mood = sad`` become the codes that models see, only here."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from penchant.core.histories import Ints
from penchant.errors import ParameterError

MOST_VALUES = 1000  # of one context; rarer ones are missing
LONGEST = 80  # characters of a value
HOW = ("", " (inferred from the session)", " (inferred from what was written)")  # a context of a request is known
YES, NO = "yes", "no"  # whether a value is in a list of a person
_WHOLE = re.compile(r"^(-?\d+)\.0+$")
_BLANK = {"", "nan", "na", "n/a", "null", "none", "-"}

Catalogue = Mapping[str, Sequence[str]]  # the known values of each context, in the order of their codes


def word(value: object) -> str | None:
    """The one spelling of a value: lower case, without spaces around it, ``3`` for ``3.0``; None where it is missing.

    A list or an object is a value that no log knows.
    """
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        value = int(value) if float(value).is_integer() else float(value)
    text = str(value).strip().lower()[:LONGEST]
    text = _WHOLE.sub(r"\1", text)
    return None if text in _BLANK else text


def in_order(values: Sequence[str]) -> list[str]:
    """Values in the order of their codes: numbers by size, then words by the alphabet."""

    def key(text: str) -> tuple[bool, float, str]:
        try:
            number = float(text)
        except ValueError:
            return True, 0.0, text
        return not np.isfinite(number), number if np.isfinite(number) else 0.0, text

    return sorted(values, key=key)


def catalogue_of(counts: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[str, ...]]:
    """The values that are kept of each context: the most frequent 1,000."""
    kept: dict[str, tuple[str, ...]] = {}
    for name, of_values in counts.items():
        most = sorted(of_values, key=lambda value: (-of_values[value], value))[:MOST_VALUES]
        kept[name] = tuple(in_order(most))
    return kept


def encode(known: Catalogue, rows: Sequence[Mapping[str, Any] | None]) -> tuple[Ints, list[str]]:
    """Codes ``(rows, contexts)`` of what each row states, -1 where it states nothing that is known.

    Also returns what is not known, as ``name=value``, each once. Raises ``ParameterError`` for a row that is not a
    mapping.
    """
    tables = [{value: code for code, value in enumerate(values)} for values in known.values()]
    columns = {name: at for at, name in enumerate(known)}
    codes = np.full((len(rows), len(columns)), -1, dtype=np.int32)
    strange: dict[str, None] = {}
    for row, stated in enumerate(rows):
        if stated is None:
            continue
        if not isinstance(stated, Mapping):
            raise ParameterError(f"a context is names and values ({{'mood': 'sad'}}), not {str(stated)[:80]!r}")
        for name, value in stated.items():
            text = word(value) if name in columns else str(value)[:LONGEST]
            if text is None:
                continue
            code = tables[columns[name]].get(text, -1) if name in columns else -1
            if code < 0:
                strange[f"{str(name)[:LONGEST]}={text}"] = None
            else:
                codes[row, columns[name]] = code
    return codes, list(strange)


def in_words(known: Catalogue, asked: Ints | None, inferred: Ints | None = None) -> list[str]:
    """Each context of one request in words: ``mood = sad``, perhaps ``(inferred from the session)``, or ``no mood``."""
    found = []
    for at, (name, values) in enumerate(known.items()):
        code = -1 if asked is None or at >= asked.shape[1] else int(asked[0, at])
        how = HOW[0 if inferred is None or at >= inferred.shape[1] else int(inferred[0, at])]
        found.append(f"{name} = {values[code]}{how}" if 0 <= code < len(values) else f"no {name}")
    return found


def split(value: object) -> list[object]:
    """The values of a list, which text separates by bars."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return list(value.split("|")) if isinstance(value, str) else [value]


def parts_of(bounds: Sequence[float]) -> tuple[str, ...]:
    """The parts of a number in words: ``under 25``, ``25 to under 35``, ``35 or more``."""
    ends = [f"{bound:.15g}" for bound in bounds]
    inner = [f"{low} to under {high}" for low, high in pairwise(ends)]
    return (f"under {ends[0]}", *inner, f"{ends[-1]} or more")


def part_of(bounds: Sequence[float], value: object) -> object:
    """The part that a number is in; anything else as it is."""
    if isinstance(value, bool):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return value
    return parts_of(bounds)[bisect_right(bounds, number)] if isfinite(number) else None


def as_stated(people: Mapping[str, tuple[float, ...]], row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row states with its attributes of people as values of contexts: ``age = 31`` is ``25 to under 35``."""
    lists = {name.partition(": ")[0] for name in people if ": " in name}
    out: dict[str, Any] = {}
    for name, value in row.items():
        if bounds := people.get(name):
            out[name] = part_of(bounds, value)
        elif name in lists and name not in people:
            held = {found for part in split(value) if (found := word(part)) is not None}
            if held:
                prefix = f"{name}: "
                of = [one.removeprefix(prefix) for one in people if one.startswith(prefix)]
                out |= {prefix + one: YES if one in held else NO for one in of}
                out |= {prefix + one: YES for one in sorted(held) if one not in of}
        else:
            out[name] = value
    return out


def parse_names(text: str | Sequence[str] | None) -> list[str]:
    """The names of ``--context mood,weather``; raises ``ParameterError`` for a name given twice."""
    if text is None:
        return []
    names = [part.strip() for part in (text.split(",") if isinstance(text, str) else text)]
    names = [name for name in names if name]
    if len(set(names)) < len(names):
        raise ParameterError(f"a context occurs twice in {', '.join(names)}")
    return names


def parse_stated(text: str | None) -> dict[str, str] | None:
    """The context of ``--context mood=sad,weather=rain``; None where there is none."""
    if text is None:
        return None
    stated: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = part.partition("=")
        if not sign or not name.strip() or name.strip() in stated:
            raise ParameterError(f"a context reads like mood=sad,weather=rain, not {text!r}")
        stated[name.strip()] = value.strip()
    return stated
