"""What is missing together, and numbers that are written with their unit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from penchant.core.histories import Bools
from penchant.data.doctor.chart import Chart, percent
from penchant.data.reading.report import Finding, many

MOSTLY = 0.8  # the share of rows that lack either of two columns and lack both
USUAL = 0.5  # the share of cells that are numbers with a unit
_WITH_UNIT = re.compile(r"^\s*[-+]?\d+(?:[.,]\d+)*\s*[^\W\d_]{1,12}[²³]?\s*$|^\s*[€$£¥]\s*\d+(?:[.,]\d+)*\s*$")


def together(name: str, gone: Bools, absent: Mapping[str, Bools]) -> list[str]:
    """With which other columns the values of one are missing, in words: always, and mostly."""
    always, mostly = [], []
    for other, mask in absent.items():
        if other == name or not mask.any():
            continue
        both = int((gone & mask).sum())
        if np.array_equal(mask, gone):
            always.append(repr(other))
        elif both >= MOSTLY * int((gone | mask).sum()):
            mostly.append(repr(other))
    said = [f"missing together with {', '.join(always[:3])}"] if always else []
    return said + ([f"mostly missing together with {', '.join(mostly[:3])}"] if mostly else [])


def contexts(chart: Chart) -> Iterator[Finding]:
    """Contexts, and attributes of people, that events lack, and which are missing together."""
    log = chart.log
    if log.context is None or not len(log):
        return
    absent = {name: log.context[:, at] < 0 for at, name in enumerate(log.recipe.contexts)}
    for name, gone in absent.items():
        if not gone.any():
            continue
        pattern = [": the column is empty"] if gone.all() else together(name, gone, absent)
        said = pattern[0] if gone.all() else f" ({'; '.join(pattern)})" if pattern else ""
        yield Finding(
            "missing contexts",
            "note",
            f"{many(int(gone.sum()), 'event', 'events')} ({percent(float(gone.mean()))}) without {name!r}{said}",
            "Models see that it is missing, nothing is filled in",
            "Nothing to do; state it where it is known",
            int(gone.sum()),
        )


def units(frame: pl.DataFrame, file: str) -> Iterator[Finding]:
    """Columns of an item table whose cells are numbers with a unit: they are read as words."""
    for name in frame.columns:
        if name.startswith("__") or frame[name].dtype != pl.String:
            continue
        cells = [cell for cell in frame[name].drop_nulls().to_list() if cell.strip()]
        found = [cell for cell in cells if _WITH_UNIT.match(cell)]
        if found and len(found) >= USUAL * len(cells):
            yield Finding(
                "numbers with units",
                "note",
                f"{many(len(found), 'value', 'values')} of {name!r} are numbers with a unit, such as {found[0]!r}",
                "They are read as words: each is a value of its own, and 900 g is no nearer to 1 kg than to 7 kg",
                "Write plain numbers in one unit",
                len(found),
                file,
                column=name,
                value=found[0],
            )
