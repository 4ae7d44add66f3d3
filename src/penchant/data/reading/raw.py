"""The rows of a log as they are written: what a store takes in, before any recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Ints, Longs
from penchant.data.reading.columns import is_quantity
from penchant.data.reading.dates import MISSING
from penchant.data.reading.gathering import gather
from penchant.data.reading.ordering import event_order
from penchant.data.reading.report import ReadReport
from penchant.data.reading.wording import option
from penchant.errors import DataError


@dataclass(frozen=True, eq=False)
class RawLog:
    """The good rows of a log, the events of a person adjacent and in order: by time, position and row.

    Nothing is weighed, summed or taken back: kinds and values are those of the log.
    """

    person_ids: list[str]
    guests: Bools  # (people,) which of them are sessions
    item_ids: list[str]
    kind_names: list[str]
    people: Ints  # (events,)
    items: Ints  # (events,)
    kinds: Ints | None  # (events,) -1: none
    values: np.ndarray | None  # (events,) 64 bits; NaN: none
    times: Longs | None  # (events,) unix seconds; None: the log has no times
    report: ReadReport

    def __len__(self) -> int:
        return len(self.items)


def read_raw(sources: Sequence[Any], **options: Any) -> RawLog:
    """The rows of the sources; the options are those of ``gather``.

    An event without a time is dated as the newest known of its person. Raises ``DataError`` for a log with refunds in a
    column of quantities that is not used as the value.
    """
    gathered = gather(sources, **options, exact=True)
    cleaner, report = gathered.cleaner, gathered.report
    quantities = gathered.take("quantities", np.nan, np.float32)
    if quantities is not None and not is_quantity(cleaner.value_name) and (quantities < 0).any():
        raise DataError(
            "there are refunds, and they would count as events",
            file=report.files[0],
            column=gathered.column("quantity"),
            value=float(quantities[quantities < 0][0]),
            fix=f"Take the quantities as values ({option('values', 'weight')}), or leave the refunds out",
        )
    values = gathered.take("values", np.nan, np.float64)
    kinds = gathered.take("kinds", -1, np.int32)
    times = gathered.take("times", MISSING, np.int64)
    nanos = gathered.take("nanos", 0, np.int16)
    positions = gathered.take("positions", 0, np.float64)
    users, items = gathered.take("users", 0, np.int32), gathered.take("items", 0, np.int32)
    registered = len(cleaner.users.index)
    if cleaner.guests.index:
        users = np.where(users < 0, registered - 1 - users, users).astype(np.int32)
    if times is not None and (times == MISSING).all():
        times = None
    order = event_order(users, times, positions, nanos)

    def pick(array: Any) -> Any:
        return array if array is None or order is None else array[order]

    people = [*cleaner.users.index, *cleaner.guests.index]
    sessions = cleaner.by != "user"
    report.rows, report.kept = sum(source.rows for source in report.sources), len(items)
    return RawLog(
        people,
        np.ones(len(people), np.bool_) if sessions else np.arange(len(people)) >= registered,
        list(cleaner.items.index),
        list(cleaner.kinds),
        pick(users),
        pick(items),
        pick(kinds),
        pick(values),
        None if times is None else np.floor_divide(pick(times), 1_000_000),
        report,
    )
