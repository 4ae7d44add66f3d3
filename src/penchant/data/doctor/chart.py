"""What the checks share: a log, the origin of its events, some counts, and how to write a finding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from penchant.core.histories import Longs
from penchant.data.interactions import Interactions
from penchant.data.reading.ids import IdTable
from penchant.data.reading.ordering import Trace
from penchant.data.reading.report import Finding, Severity


def percent(share: float) -> str:
    """A share in words: never 0 % for a few, never 100 % for almost all."""
    if 0 < share < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < share < 1 else f"{share:.0%}"


@dataclass(frozen=True)
class Chart:
    """A log and its trace, with the counts that several checks need."""

    log: Interactions
    trace: Trace

    @property
    def who(self) -> str:
        """``user`` or ``session``: the role whose ids are the rows."""
        return self.trace.cleaner.by

    @cached_property
    def events_of_users(self) -> Longs:
        """Events of each user, shape ``(n_users,)``."""
        return np.diff(self.log.indptr)

    @cached_property
    def pairs(self) -> tuple[Longs, Longs]:
        """The first event of each distinct (user, item) pair, and how often the pair occurs."""
        key = self.log.users * np.int64(self.log.n_items) + self.log.items
        _, first, count = np.unique(key, return_index=True, return_counts=True)
        return first, count

    @cached_property
    def users_of_items(self) -> Longs:
        """Distinct users of each item, shape ``(n_items,)``."""
        first, _ = self.pairs
        return np.bincount(self.log.items[first], minlength=self.log.n_items)

    def first_of(self, events: Longs) -> int:
        """Of some events, the first one in its file if lines are known."""
        lines = self.trace.lines
        return int(events[np.argmin(lines[events])] if len(lines) else events[0])

    def time_value(self, event: int) -> str | None:
        """The time of an event as written in its file; None if the file uses another unit than seconds."""
        source = int(self.trace.sources[event]) if len(self.trace.sources) else 0
        times = self.log.times
        return None if times is None or self.log.report.sources[source].time_unit != "seconds" else str(times[event])

    def column(self, source: int, role: str) -> str:
        """The name of the column of a role in a source."""
        return self.log.report.sources[source].columns.get(role, role)

    def at_event(
        self,
        check: str,
        severity: Severity,
        role: str,
        event: int,
        value: object,
        what: str,
        why: str,
        fix: str,
        count: int = 1,
    ) -> Finding:
        """A finding whose example is one event."""
        traced, sources = len(self.trace.lines) > 0, self.log.report.sources
        source = int(self.trace.sources[event]) if traced else 0
        return Finding(
            check,
            severity,
            what,
            why,
            fix,
            count,
            sources[source].name if traced or len(sources) == 1 else None,
            int(self.trace.lines[event]) if traced else None,
            self.column(source, role),
            None if value is None else str(value)[:80],
        )

    def at_id(
        self,
        check: str,
        severity: Severity,
        table: IdTable,
        code: int,
        value: str,
        what: str,
        why: str,
        fix: str,
        count: int = 1,
    ) -> Finding:
        """A finding whose example is the first line with an id."""
        role = self.who if table.role == "user" else "item"
        source = table.first_source[code]
        return Finding(
            check,
            severity,
            what,
            why,
            fix,
            count,
            self.log.report.sources[source].name,
            table.first_line[code],
            self.column(source, role),
            value[:80],
        )
