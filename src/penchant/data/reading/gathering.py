"""From sources to clean columns: every row read once, the bad ones set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from penchant.core.histories import ValuesAre
from penchant.core.memory import Meter
from penchant.data.opinions import LEARN
from penchant.data.pseudonyms import Pseudonyms
from penchant.data.reading.batches import BadRow
from penchant.data.reading.cleaning import NOT_A_TIME, Cleaned, Cleaner
from penchant.data.reading.columns import parse_columns
from penchant.data.reading.dates import FORMS
from penchant.data.reading.findings import damage_error, merged_finding
from penchant.data.reading.nested import one_event_a_row
from penchant.data.reading.places import expand, inputs, is_prepared
from penchant.data.reading.rejects import RejectedRows
from penchant.data.reading.report import ReadReport
from penchant.data.reading.sources import Opened, open_log, row_roles, settle_dates
from penchant.data.reading.streams import Stream
from penchant.data.reading.times import checked_format, checked_zone
from penchant.data.reading.wording import option
from penchant.data.recipe import Recipe
from penchant.errors import DataError, ParameterError
from penchant.kernels.threads import over_blocks
from penchant.text.opinion import Opiner

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
        return named(self.opened, role)

    def take(self, name: str, missing: float, dtype: Any) -> Any:
        """One array of a column over all batches, None if no source has it; frees the batches on the way."""
        flat = [cleaned for source in self.parts for cleaned in source]
        if all(getattr(cleaned, name) is None for cleaned in flat):
            return None
        starts = np.cumsum([0, *(cleaned.rows for cleaned in flat)])
        shape = next(array.shape[1:] for cleaned in flat if (array := getattr(cleaned, name)) is not None)
        out = np.empty((starts[-1], *shape), dtype=dtype)

        def place(lo: int, hi: int) -> None:
            for number in range(lo, hi):
                cleaned = flat[number]
                array = getattr(cleaned, name)
                out[starts[number] : starts[number + 1]] = missing if array is None else array
                setattr(cleaned, name, None)

        over_blocks(place, len(flat), size=1)
        return out


def named(opened: Sequence[Opened], role: str) -> str | None:
    """The name of the first column of a role; None if no source has one."""
    return next((name for one in opened if (name := one.column(role))), None)


@dataclass(eq=False)
class Begun:
    """The opened sources of one log, before a row is read."""

    opened: list[Opened]
    cleaner: Cleaner
    report: ReadReport
    refused: RejectedRows
    values: ValuesAre | None
    sources: list[Any]  # as expanded: a copy of a pipe lives as long as its place
    table: Any = None  # the item table, not yet read


@dataclass(frozen=True, eq=False)
class Piece:
    """The rows of one batch: the good ones cleaned, and the bad ones."""

    cleaned: Cleaned
    bad: list[BadRow]
    share: float  # of the source that has been read
    last: int  # the line, or row, of the last row so far


def begin(
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
    traced: bool = False,
    exact: bool = False,
    contexts: Sequence[str] = (),
    text: str | None = None,
    opinion: str | None = None,
    opiner: Opiner | Literal["learn"] | None = None,
    pseudonyms: bytes | None = None,
    aspects: bool = False,
    plan: Recipe = Recipe(),  # noqa: B008  # frozen
) -> Begun:
    """Open the sources and find their columns; the options are those of ``gather``.

    ``plan`` says which kinds count for nothing, and so need no value.
    With ``pseudonyms``, a key, people are known by their pseudonyms, and rejected rows are not written to a file.
    """
    given = parse_columns(columns)
    zone, form = checked_zone(time_zone), checked_format(time_format)
    report = ReadReport()
    opened: list[Opened] = []
    sources = expand(sources)
    for source in sources:
        if isinstance(source, Path) and is_prepared(source):
            raise ParameterError(f"{source} is a prepared log: name the files that it was made from")
    table = None if items is None else expand([items])[0]
    target = Path(rejected) if isinstance(rejected, (str, Path)) else rejected is not False
    report.inputs = inputs([*sources, table])
    if len(sources) == 1 and isinstance(sources[0], Stream) and sources[0].facts:
        report.store = dict(sources[0].facts)
    report.notes += [note for source in sources if isinstance(source, Stream) for note in source.notes]
    target = target if pseudonyms is None else False  # the ids of rejected rows stand in no file
    refused = RejectedRows(report, target, strict, report.inputs, force)
    for source in sources:
        one, hint = open_log(
            source, given, values, sep, encoding, contexts, text, opinions=opinion is not None or aspects
        )
        one.clock.zone, one.clock.format = zone, form
        opened.append(one)
        report.notes += [hint] if hint and hint not in report.notes else []
    by, guest = row_roles(opened, by)
    settle_dates(opened, day_first)
    name = named(opened, "value")
    unnamed = opened[0].table.source.header is False and values is None and "value" not in given
    # a log without header has no name to go by: the values alone decide
    wanted = None if values == "none" or name is None else "rating" if unnamed else name
    cleaner = Cleaner(
        by, wanted, values, guest, traced=traced, exact=exact, contexts={context: {} for context in contexts},
        opiner=None if isinstance(opiner, str) else opiner, spoken=[] if aspects or opiner == LEARN else None,
        aspects=aspects, learns=opiner == LEARN, reads=opinion is not None, weight_of=plan.weight_of,
    )  # fmt: skip
    if pseudonyms is not None:
        hashed = Pseudonyms(pseudonyms)
        cleaner.users.rename, cleaner.guests.rename = partial(hashed.of, by), partial(hashed.of, "session")
    return Begun(opened, cleaner, report, refused, values, sources, table)


def gather(sources: Sequence[Any], *, progress: Progress | None = None, **options: Any) -> Gathered:
    """Read every row of the sources; ``traced`` keeps the lines of events, ``exact`` values in 64 bits. The other
    options are those of ``read_interactions``."""
    begun = begin(sources, **options)
    refused, cleaner, report = begun.refused, begun.cleaner, begun.report
    parts: list[list[Cleaned]] = []
    meter = Meter("reading this log", factor=ASSEMBLING)
    with refused:
        for number, one in enumerate(begun.opened):
            parts.append(_clean(one, number, begun, meter, progress))
    report.sources = [one.table.source for one in begun.opened]
    if refused.strict:
        refuse_merged(cleaner, report)
    return Gathered(begun.opened, parts, cleaner, report, begun.table)


def refuse_merged(cleaner: Cleaner, report: ReadReport) -> None:
    """Raises ``DataError`` for ids that may have been merged before they were read."""
    for table, role in ((cleaner.users, cleaner.by), (cleaner.items, "item"), (cleaner.guests, cleaner.guest or "")):
        if table.merged:
            found = merged_finding(report, table, role)
            raise DataError(
                found.what, file=found.file, line=found.line, column=found.column, value=found.value, fix=found.fix
            )


def _clean(one: Opened, number: int, begun: Begun, meter: Meter, progress: Progress | None) -> list[Cleaned]:
    source, cleaner, refused, out = one.table.source, begun.cleaner, begun.refused, list[Cleaned]()
    before, known = refused.report.n_rejected, cleaner.n_ids
    for piece in pieces(one, number, begun):
        where = f" after {source.rows:,} rows of {source.name}"
        meter.add(piece.cleaned.nbytes + ID_BYTES * (cleaner.n_ids - known), where)
        known = cleaner.n_ids
        refused.add(source.name, one.table.path, piece.bad)
        if len(piece.cleaned.items):
            out.append(piece.cleaned)
        if progress is not None:
            progress(f"reading {Path(source.name).name}", piece.share)
    if not out:
        raise nothing(one, refused, refused.report.n_rejected - before)
    return out


def pieces(one: Opened, number: int, begun: Begun, *, after: int = 0) -> Iterator[Piece]:
    """The batches of one source, cleaned; rows up to line (or row) ``after`` were cleaned before and are left out.

    Raises ``DataError`` for a damaged file if reading is strict.
    """
    cleaner, strict = begun.cleaner, begun.refused.strict
    left_out = {"user", "session", "basket"} - {cleaner.by, cleaner.guest}
    left_out |= {"value"} if begun.values == "none" else set()
    roles = [role for role in one.roles if role not in left_out]
    source = one.table.source
    numeric = {"value", "quantity", "position"}
    one.table.plain.whole = frozenset(one.roles[r] for r in ("user", "session", "basket", "item", "time") if r in roles)
    one.table.plain.decimal = frozenset(one.roles[role] for role in roles if role in numeric)
    batches = one.table.batches([one.roles[role] for role in roles])
    for whole in batches:
        last = whole.last
        block = whole if after == 0 else whole.after(after)
        if block is None:
            source.rows += whole.frame.height + len(whole.bad)
            continue
        source.rows += whole.frame.height + len(whole.bad) - (block.frame.height + len(block.bad))
        batch, ready = one_event_a_row(block, roles, source.columns, source.name)
        if len(ready) > len(roles):
            source.columns.setdefault("position", f"the place in {source.columns['item']}")
        cleaned, bad = cleaner.clean(batch, ready, one.clock, number)
        source.rows += batch.frame.height + len(batch.bad)
        if strict and bad and source.compression:
            # damage is the cause, and may show only at the end
            source.rows += sum(rest.frame.height + len(rest.bad) for rest in batches)
        if strict and source.damage:
            raise damage_error(source)
        yield Piece(cleaned, bad, whole.share, last)
    source.time_unit = _time_words(one)


def _time_words(one: Opened) -> str | None:
    """How the times of a source were understood."""
    clock = one.clock
    words = [clock.unit or ""]
    if clock.unit == "written dates" and clock.order is not None:
        words.append(f"the {clock.order} first")
    if clock.zone is not None and clock.unit not in (None, "seconds", "milliseconds", "microseconds", "nanoseconds"):
        words.append(clock.zone)
    return ", ".join(words) or None


def nothing(one: Opened, refused: RejectedRows, lost: int) -> DataError:
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
