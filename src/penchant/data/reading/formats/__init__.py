"""Input formats, one per module. They are discovered, so a new format is one new file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek
from penchant.data.reading.formats.unknown import refusal
from penchant.errors import DataError


@cache
def formats() -> tuple[Format, ...]:
    """Every format of this package, in the order in which they are tried."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    found: list[Format] = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return tuple(sorted(found, key=lambda one: (one.rank, one.name)))


def open_source(
    source: Any, *, sep: str | None = None, encoding: str | None = None, named: Sequence[str] = ()
) -> Table:
    """A file or a table in memory as a table; raises ``DataError`` for anything that no format recognises."""
    peek = Peek.at(source, sep=sep, encoding=encoding, named=named)
    for one in formats():
        if one.recognises(peek):
            if peek.part is not None and not one.has_parts:
                raise DataError(f"{one.name} has no sheets or tables, so there is no {peek.part!r}", file=peek.name)
            table = one.open(peek)
            return table if peek.place is None else replace(table, path=peek.place.beside or peek.path)
    raise refusal(peek, sorted({one.name for one in formats()} - {"table"}))
