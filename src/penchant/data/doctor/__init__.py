"""The data doctor: what looks wrong in a log, where, why it matters and what to do."""

from __future__ import annotations

from typing import Any

from penchant.data.doctor import ids
from penchant.data.doctor.chart import Chart
from penchant.data.interactions import Interactions
from penchant.data.reading.items import Items, read_items
from penchant.data.reading.ordering import Trace
from penchant.data.reading.report import LOUD, Finding

LARGE = 0.1  # the share of affected items above which every command prints a warning
ORDER = {"error": 0, "warning": 1, "note": 2}


def examine(log: Interactions, trace: Trace, items: Any = None) -> list[Finding]:
    """All findings about a log and its item table, if any: errors first, then warnings, then notes.

    Includes the findings of reading. Time and memory: a few sorts of the events.
    """
    from penchant.data.doctor import catalog, events, missing

    chart = Chart(log, trace)
    found: list[Finding] = [
        *log.report.findings,
        *events.duplicates(chart),
        *events.rating_scale(chart),
        *events.extreme_weights(chart),
        *events.constant_values(chart),
        *events.odd_times(chart),
        *events.bots(chart),
        *events.lonely_items(chart),
        *missing.contexts(chart),
        *ids.spellings(chart),
        *ids.words_for_nothing(chart),
        *ids.wrong_encoding(chart),
        *ids.wrong_separator(chart),
        *ids.swapped(chart),
    ]
    if items is not None:
        found += catalog.examine_items(chart, read_items(items))
    return sorted(dict.fromkeys(found), key=lambda finding: ORDER[finding.severity])


def glance(log: Interactions, trace: Trace, items: Items | None, *, quick: bool = False) -> list[Finding]:
    """The findings that every command prints: faults that spoil all results and are cheap to detect.

    These are errors, columns that may be swapped, and an item table that lacks many items; ``quick`` leaves out what
    looks at the values of all events.
    """
    chart = Chart(log, trace)
    found = [*ids.wrong_separator(chart), *ids.swapped(chart)]
    if log.values_are == "weight" and not quick:
        from penchant.data.doctor import events

        found += events.rating_scale(chart)
    if items is not None:
        from penchant.data.doctor import catalog

        found += catalog.overlap(chart, items)
    many = LARGE * len(trace.cleaner.items.index)
    return [
        finding
        for finding in found
        if finding.severity == "error"
        or (finding.severity == "warning" and finding.check in LOUD and finding.count > many)
    ]
