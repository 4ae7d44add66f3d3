"""A table that something else delivers in parts, such as the events of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class Stream:
    """Named columns, and a function that delivers their rows.

    ``parts(wanted)`` yields tables of the wanted columns, and each time the share of the rows delivered so far.
    """

    name: str  # what messages call it
    format: str  # what the report calls its kind
    names: Sequence[str]
    parts: Callable[[Sequence[str]], Iterator[tuple[pl.DataFrame, float]]]
    sample: Callable[[int], pl.DataFrame]  # the first rows, all columns
    file: Path | None = None  # the file behind it, which no output may replace
    facts: Mapping[str, Any] | None = None  # which moment of which store this is
    notes: Sequence[str] = ()  # what was left out of it
