"""The events of people in order, after refunds, without those that weigh nothing: of a whole log, or of some people."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Floats, Ints, Longs
from penchant.core.shown import Shown
from penchant.data.reading.cleaning import Cleaner
from penchant.data.reading.columns import is_quantity
from penchant.data.reading.dates import MISSING
from penchant.data.reading.gathering import Gathered
from penchant.data.reading.ordering import event_order, picked
from penchant.data.reading.report import ReadReport
from penchant.data.recipe import Recipe
from penchant.data.refunds import Left, Netted, net
from penchant.errors import DataError

FILLS: dict[str, tuple[float, Any]] = {  # the columns of ``Cleaned``, and what a source without one has in its place
    "users": (0, np.int32),
    "items": (0, np.int32),
    "values": (np.nan, np.float32),
    "kinds": (-1, np.int32),
    "quantities": (np.nan, np.float32),
    "times": (MISSING, np.int64),
    "nanos": (0, np.int16),
    "positions": (0, np.float64),
    "parts": (-1, np.int32),
}


@dataclass(eq=False)
class Columns:
    """Events as columns ``(events,)``; None where the log has none. ``settle`` replaces them one by one."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray | None = None
    kinds: np.ndarray | None = None
    quantities: np.ndarray | None = None
    times: Longs | None = None  # microseconds
    nanos: np.ndarray | None = None
    positions: np.ndarray | None = None
    parts: np.ndarray | None = None  # numbers of parts
    lines: Longs | None = None
    sources: np.ndarray | None = None
    context: Ints | None = None  # (events, contexts)
    opinions: Floats | None = None

    @classmethod
    def of(cls, gathered: Gathered, *, trace: bool) -> Columns:
        """The events of a log in the order of its rows; frees those of ``gathered``. Sources are not set."""
        columns = cls(*(gathered.take(name, missing, dtype) for name, (missing, dtype) in FILLS.items()))
        columns.context = gathered.take("context", -1, np.int32)
        columns.opinions = gathered.take("opinions", np.nan, np.float32)
        columns.lines = gathered.take("lines", 0, np.int64) if trace else None
        return columns

    def reorder(self, order: Longs) -> None:
        """The events in this order, one column at a time, so that only one is in memory twice."""
        for field in fields(self):
            column = getattr(self, field.name)
            if column is not None:
                setattr(self, field.name, picked(column, order) if column.ndim == 1 else column[order])

    def keep(self, mask: Bools) -> None:
        """Only the events where ``mask`` is true."""
        for field in fields(self):
            column = getattr(self, field.name)
            if column is not None:
                setattr(self, field.name, column[mask])


def settle(
    columns: Columns, cleaner: Cleaner, recipe: Recipe, *, people: int, latest: int | None = None
) -> tuple[Left, Shown | None]:
    """Bring events into order, take refunds off, and drop events of kinds that weigh 0; changes ``columns``.

    Also returns the impressions of all ``people``, if there are any. ``latest`` is the newest time of the log, if these
    are the events of some of its people.
    """
    order = event_order(columns.users, columns.times, columns.positions, columns.nanos, latest)
    columns.positions = columns.nanos = None
    if order is not None:
        columns.reorder(order)
        order = None
    left = Left()
    netted = _net(columns, cleaner, recipe)
    columns.quantities = None
    if netted is not None:
        left = Left(netted.refunds, netted.cancelled, int(netted.unmatched))
        values = columns.values
        if recipe.values_are == "weight" and values is not None:
            columns.values = np.where(np.isnan(values), values, netted.amounts).astype(np.float32)
        columns.keep(netted.keep)
    left.afterwards = len(columns.users)
    kept, shown = recipe.weighing(list(cleaner.kinds), columns.kinds, left.afterwards), None
    if not kept.all():
        shown = _shown(columns, cleaner, recipe, people)
        left.weightless = int((~kept).sum())
        columns.keep(kept)
    return left, shown


def note_what_is_left(left: Left, events: int, report: ReadReport) -> None:
    """A note about events of weight 0; raises ``DataError`` where no event is left."""
    file = report.sources[0].name if report.sources else None
    if left.refunds and not left.afterwards:
        raise DataError("refunds cancel every event of this log", file=file)
    if left.weightless and not events:
        raise DataError("every event of this log has weight 0", file=file)
    if left.weightless:
        report.notes.append(f"{left.weightless:,} events of weight 0, such as impressions, enter no history")


def _shown(columns: Columns, cleaner: Cleaner, recipe: Recipe, people: int) -> Shown | None:
    """The impressions; None if there are none."""
    kinds, times = columns.kinds, columns.times
    seen = np.array([*(recipe.is_impression(name) for name in cleaner.kinds), False], dtype=np.bool_)
    at = np.flatnonzero(seen[kinds]) if kinds is not None else np.empty(0, dtype=np.int64)
    if not len(at):
        return None
    when = None if times is None or (times == MISSING).all() else times[at] // 1_000_000
    return Shown.of(columns.users[at], columns.items[at], people, when)


def _net(columns: Columns, cleaner: Cleaner, recipe: Recipe) -> Netted | None:
    """Refunds taken off earlier purchases; None if there are none."""
    users, items, kinds, values = columns.users, columns.items, columns.kinds, columns.values
    quantities: Floats | None = values if is_quantity(cleaner.value_name) else columns.quantities
    refunding = np.zeros(len(items), dtype=np.bool_)
    if quantities is not None:
        refunding |= quantities < 0
    weights = None
    if kinds is not None and recipe.cancels:
        cancelling = np.array([*(name in recipe.cancels for name in cleaner.kinds), False], dtype=np.bool_)
        refunding |= cancelling[kinds]
        weights = np.array([*(recipe.weight_of(name) for name in cleaner.kinds), 1.0])[kinds]
    if not refunding.any():
        return None
    amounts = quantities
    if amounts is None and recipe.values_are == "weight":
        amounts = values
    amounts = np.ones(len(items), dtype=np.float32) if amounts is None else np.where(np.isnan(amounts), 1, amounts)
    pairs = users.astype(np.int64) * max(1, len(cleaner.items.index)) + items
    return net(pairs, amounts, refunding, weights, which=recipe.refund)
