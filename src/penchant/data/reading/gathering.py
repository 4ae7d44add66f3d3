"""From sources to clean columns: every row read once, the bad ones set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penchant.core.histories import ValuesAre
from penchant.core.memory import Meter
from penchant.data.reading.cleaning import NOT_A_TIME, Cleaned, Cleaner
from penchant.data.reading.columns import parse_columns
from penchant.data.reading.dates import FORMS
from penchant.data.reading.findings import damage_error, merged_finding
from penchant.data.reading.nested import one_event_a_row
from penchant.data.reading.places import expand, inputs
from penchant.data.reading.rejects import RejectedRows
from penchant.data.reading.report import ReadReport
from penchant.data.reading.sources import Opened, open_log, row_roles, settle_dates
from penchant.data.reading.times import checked_format, checked_zone
from penchant.data.reading.wording import option
from penchant.errors import DataError

Progress = Callable[[str, float], None]
ASSEMBLING = 3.0  # times the size of the arrays: they are joined, then sorted
ID_BYTES = 60  # of an id in the tables, a third of what it takes, because it is not copied


@dataclass(eq=False)
class Gathered:
    """The clean rows of all sources of one log, in their order."""

    opened: list[Opened]
    parts: list[list[Cleaned]]  # the batches of each source
    cleaner: Cleaner
    report: ReadReport
    table: Any = None  # the item table, not yet read

    def column(self, role: str) -> str | None:
        """The name of the first column of a role; None if no source has one."""
        return next((named for one in self.opened if (named := one.column(role))), None)

    def take(self, name: str, missing: float, dtype: Any) -> Any:
        """One array of a column over all batches, None if no source has it; frees the batches on the way."""
        flat = [cleaned for source in self.parts for cleaned in source]
        if all(getattr(cleaned, name) is None for cleaned in flat):
            return None
        arrays = []
        for cleaned in flat:
            array = getattr(cleaned, name)
            arrays.append(
                np.full(cleaned.rows, missing, dtype=dtype) if array is None else array.astype(dtype, copy=False)
            )
        out = np.concatenate(arrays)
        for cleaned in flat:
            setattr(cleaned, name, None)
        return out


def gather(
    sources: Sequence[Any],
    *,
    columns: Mapping[str, str] | str | None = None,
    values: ValuesAre | None = None,
    sep: str | None = None,
    encoding: str | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    day_first: bool | None = None,
    strict: bool = False,
    rejected: str | Path | bool | None = None,
    force: bool = False,
    items: Any = None,
    by: str | None = None,
    progress: Progress | None = None,
    traced: bool = False,
    exact: bool = False,
    contexts: Sequence[str] = (),
) -> Gathered:
    """Read every row of the sources; ``traced`` keeps the lines of events, ``exact`` values in 64 bits. The other
    options are those of ``read_interactions``."""
    given = parse_columns(columns)
    zone, form = checked_zone(time_zone), checked_format(time_format)
    report = ReadReport()
    opened: list[Opened] = []
    sources = expand(sources)
    table = None if items is None else expand([items])[0]
    target = Path(rejected) if isinstance(rejected, (str, Path)) else rejected is not False
    report.inputs = inputs([*sources, table])
    refused = RejectedRows(report, target, strict, report.inputs, force)
    for source in sources:
        one, hint = open_log(source, given, values, sep, encoding, contexts)
        one.clock.zone, one.clock.format = zone, form
        opened.append(one)
        report.notes += [hint] if hint and hint not in report.notes else []
    by, guest = row_roles(opened, by)
    settle_dates(opened, day_first)
    name = next((named for one in opened if (named := one.column("value"))), None)
    unnamed = opened[0].table.source.header is False and values is None and "value" not in given
    # a log without header has no name to go by: the values alone decide
    wanted = None if values == "none" or name is None else "rating" if unnamed else name
    cleaner = Cleaner(
        by, wanted, values, guest, traced=traced, exact=exact, contexts={context: {} for context in contexts}
    )
    parts: list[list[Cleaned]] = []
    meter = Meter("reading this log", factor=ASSEMBLING)
    with refused:
        for number, one in enumerate(opened):
            parts.append(_clean(one, number, values, cleaner, refused, meter, progress))
    report.sources = [one.table.source for one in opened]
    if strict:
        _refuse_merged(cleaner, report)
    return Gathered(opened, parts, cleaner, report, table)


def _refuse_merged(cleaner: Cleaner, report: ReadReport) -> None:
    """Raises ``DataError`` for ids that may have been merged before they were read."""
    for table, role in ((cleaner.users, cleaner.by), (cleaner.items, "item"), (cleaner.guests, cleaner.guest or "")):
        if table.merged:
            found = merged_finding(report, table, role)
            raise DataError(
                found.what, file=found.file, line=found.line, column=found.column, value=found.value, fix=found.fix
            )


def _clean(
    one: Opened,
    number: int,
    values: ValuesAre | None,
    cleaner: Cleaner,
    refused: RejectedRows,
    meter: Meter,
    progress: Progress | None,
) -> list[Cleaned]:
    left_out = {"user", "session", "basket"} - {cleaner.by, cleaner.guest} | ({"value"} if values == "none" else set())
    roles = [role for role in one.roles if role not in left_out]
    source, before, out = one.table.source, refused.report.n_rejected, list[Cleaned]()
    numeric = {"value", "quantity", "position"}
    one.table.plain.whole = frozenset(one.roles[r] for r in ("user", "session", "basket", "item", "time") if r in roles)
    one.table.plain.decimal = frozenset(one.roles[role] for role in roles if role in numeric)
    batches = one.table.batches([one.roles[role] for role in roles])
    for block in batches:
        batch, ready = one_event_a_row(block, roles, source.columns, source.name)
        if len(ready) > len(roles):
            source.columns.setdefault("position", f"the place in {source.columns['item']}")
        known = cleaner.n_ids
        cleaned, bad = cleaner.clean(batch, ready, one.clock, number)
        meter.add(cleaned.nbytes + ID_BYTES * (cleaner.n_ids - known), f" after {source.rows:,} rows of {source.name}")
        source.rows += batch.frame.height + len(batch.bad)
        if refused.strict and bad and source.compression:
            # damage is the cause, and may show only at the end
            source.rows += sum(rest.frame.height + len(rest.bad) for rest in batches)
        if refused.strict and source.damage:
            raise damage_error(source)
        refused.add(source.name, one.table.path, bad)
        if len(cleaned.items):
            out.append(cleaned)
        if progress is not None:
            progress(f"reading {Path(source.name).name}", batch.share)
    source.time_unit = _time_words(one)
    if not out:
        raise _nothing(one, refused, refused.report.n_rejected - before)
    return out


def _time_words(one: Opened) -> str | None:
    """How the times of a source were understood."""
    clock = one.clock
    words = [clock.unit or ""]
    if clock.unit == "written dates" and clock.order is not None:
        words.append(f"the {clock.order} first")
    if clock.zone is not None and clock.unit not in (None, "seconds", "milliseconds", "microseconds", "nanoseconds"):
        words.append(clock.zone)
    return ", ".join(words) or None


def _nothing(one: Opened, refused: RejectedRows, lost: int) -> DataError:
    """The error for a source of which no row can be used."""
    source, report = one.table.source, refused.report
    if source.damage:
        return damage_error(source)
    if not lost:
        return DataError("the file has a header and no rows", file=source.name)
    first = next((row for row in report.rejected if row.file == source.name), None)
    reason = report.reasons.most_common(1)[0][0]
    fix = f"Check the separator ({option('sep')}), the encoding and the columns ({option('columns')})"
    if reason == NOT_A_TIME:
        fix = f"Understood are {FORMS}; {option('time_format', '%d.%m.%Y %H:%M')} describes any other form"
    return DataError(
        f"no row of {lost:,} can be used: {reason}",
        file=source.name,
        line=first.line if first else None,
        column=first.column if first and first.column else None,
        value=first.value if first else None,
        fix=fix,
    )
