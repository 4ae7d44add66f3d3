"""One attribute of all items: filtered by values and ranges, changed item by item."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Positions = set[int]


def parts(value: Any) -> tuple[Any, ...]:
    """The values of an attribute: several of a list, none of None."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def spelled(value: Any) -> str:
    """The form in which values are compared: text without case; 3 and 3.0 are equal, and so are true and "true"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).casefold()


_YEAR = re.compile(r"^\d{4}(-\d{2})?$", re.ASCII)  # a year, or a year and a month


def dates(values: Sequence[Any]) -> NDArray[np.float64]:
    """Dates of attribute values in unix seconds; NaN where there is none.

    A date is a number of unix seconds or an ISO-8601 text, UTC unless it names a zone; a year, or a year and a month,
    is the beginning of it. Of several values the latest counts.
    """
    found = ([date for part in parts(value) if not math.isnan(date := _date(part))] for value in values)
    return np.array([max(known, default=np.nan) for known in found], dtype=np.float64)


def _date(value: Any) -> float:
    if isinstance(value, str):
        text = value.strip()
        if _YEAR.match(text):
            text = f"{text}-01-01" if len(text) == 4 else f"{text}-01"
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return float("nan")
    return _number(value)


class Column:
    """The values of one attribute by position, and the positions by value."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values: list[Any] = [_plain(value) for value in values]
        self._holders: dict[str, Positions] | None = None
        self._numbers: NDArray[np.float64] | None = None

    def append(self) -> None:
        """Add an item without a value."""
        self.values.append(None)
        self._numbers = None

    def set(self, at: int, value: Any) -> None:
        """Set the value of an item; None removes it."""
        value = _plain(value)
        if self.values[at] == value and type(self.values[at]) is type(value):
            return
        for old in parts(self.values[at]) if self._holders is not None else ():
            self.holders[spelled(old)].discard(at)
        self.values[at] = value
        for new in parts(value) if self._holders is not None else ():
            self.holders.setdefault(spelled(new), set()).add(at)
        self._numbers = None

    @property
    def holders(self) -> dict[str, Positions]:
        """The positions by value, spelled as values are compared."""
        if self._holders is None:
            self._holders = {}
            for at, value in enumerate(self.values):
                for part in parts(value):
                    self._holders.setdefault(spelled(part), set()).add(at)
        return self._holders

    def one_of(self, values: Iterable[Any]) -> Bools:
        """The items with one of these values."""
        mask = np.zeros(len(self.values), dtype=np.bool_)
        for value in values:
            found = self.holders.get(spelled(value))
            if found:
                mask[np.fromiter(found, dtype=np.int64, count=len(found))] = True
        return mask

    def between(self, low: float | None, high: float | None) -> Bools:
        """The items with a number in a range, bounds included."""
        if self._numbers is None:
            self._numbers = np.array([_number(value) for value in self.values], dtype=np.float64)
        mask: Bools = ~np.isnan(self._numbers)
        if low is not None:
            mask &= self._numbers >= low
        if high is not None:
            mask &= self._numbers <= high
        return mask

    def exists(self) -> Bools:
        """The items with a value."""
        return np.fromiter((bool(parts(value)) for value in self.values), dtype=np.bool_, count=len(self.values))


def _plain(value: Any) -> Any:
    """A value as JSON: no NumPy types, no NaN, lists instead of sets and arrays."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, (set, frozenset, tuple, list)):
        return [_plain(part) for part in value] or None
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")
