"""The data doctor: what is odd about a log, where, why it matters and what to do about it."""

from __future__ import annotations

from typing import Any

from penchant.interactions import Interactions
from penchant.reading.doctor import catalog, events, ids
from penchant.reading.doctor.chart import Chart
from penchant.reading.ordering import Trace
from penchant.reading.report import Finding

ORDER = {"error": 0, "warning": 1, "note": 2}


def examine(log: Interactions, trace: Trace, items: Any = None) -> list[Finding]:
    """All findings about a log and, where one is given, its item table: errors first, then warnings, then notes.

    Includes what reading itself noticed. Time and memory: a few sorts of the events.
    """
    chart = Chart(log, trace)
    found = [
        *log.report.findings,
        *events.duplicates(chart),
        *events.rating_scale(chart),
        *events.constant_values(chart),
        *events.odd_times(chart),
        *events.bots(chart),
        *events.lonely_items(chart),
        *ids.spellings(chart),
        *ids.words_for_nothing(chart),
        *ids.wrong_encoding(chart),
        *ids.wrong_separator(chart),
        *ids.swapped(chart),
    ]
    if items is not None:
        found += catalog.examine_items(chart, items)
    return sorted(found, key=lambda finding: ORDER[finding.severity])
