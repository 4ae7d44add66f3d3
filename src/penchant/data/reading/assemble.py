"""From sources to one sorted event table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np

from penchant.core.histories import ValuesAre
from penchant.data.doctor import glance
from penchant.data.interactions import Interactions
from penchant.data.reading.batches import Table
from penchant.data.reading.cleaning import Cleaned, Cleaner
from penchant.data.reading.columns import assign, parse_columns, parse_kinds
from penchant.data.reading.findings import damage_error, damage_finding, from_reading
from penchant.data.reading.formats import open_source
from penchant.data.reading.items import item_ids, read_items
from penchant.data.reading.opening import attributed_to, expand
from penchant.data.reading.ordering import Trace, event_order, look_for_disorder
from penchant.data.reading.rejects import RejectedRows
from penchant.data.reading.report import ReadReport
from penchant.data.reading.sniffing import guess_roles
from penchant.data.reading.times import MISSING, Clock
from penchant.data.reading.wording import option
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import DataError, ParameterError

Progress = Callable[[str, float], None]
_INTEGER = re.compile(r"^(0|-?[1-9]\d*)$")


@dataclass
class Opened:
    """A source, the roles of its columns, and its clock."""

    table: Table
    roles: dict[str, int]
    clock: Clock = field(default_factory=Clock)


def read(sources: Sequence[Any], **options: Any) -> Interactions:
    """The event table of the sources; see ``read_interactions``."""
    return read_traced(sources, trace=False, **options)[0]


def read_traced(
    sources: Sequence[Any],
    *,
    columns: Mapping[str, str] | str | None = None,
    kinds: Mapping[str, float] | str | None = None,
    values: ValuesAre | None = None,
    positive: str | None = None,
    sep: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    rejected: str | Path | bool | None = None,
    items: Any = None,
    by: str | None = None,
    max_history: int = 500,
    progress: Progress | None = None,
    trace: bool = True,
) -> tuple[Interactions, Trace]:
    """The event table of the sources and, if asked for, where each event stood."""
    given = parse_columns(columns)
    weights = parse_kinds(kinds)
    if values is not None and values not in get_args(ValuesAre):
        raise ParameterError(f"values are 'rating', 'weight' or 'none', not {values!r}")
    Recipe(weights, positive, values or "weight", max_history)  # refuses a bad rule before anything is read
    report = ReadReport()
    opened = [_open(source, given, sep, encoding) for source in expand(sources)]
    by = _row_role(opened, by)
    names = [o.table.names[o.roles["value"]] if "value" in o.roles else None for o in opened]
    name = next((n for n in names if n is not None), None)
    if opened[0].table.source.header is False and name is not None and values is None and "value" not in given:
        name = "rating"  # a log without header has no name to go by: the values alone decide
    cleaner = Cleaner(by, None if values == "none" else name, values)
    target = Path(rejected) if isinstance(rejected, (str, Path)) else rejected is not False
    refused = RejectedRows(report, target, strict)
    parts: list[list[Cleaned]] = []
    try:
        for number, one in enumerate(opened):
            parts.append(_clean(one, number, by, values, cleaner, refused, progress))
    finally:
        refused.close()
    report.sources = [one.table.source for one in opened]
    values_are, report.values_why = cleaner.values_are()
    if name is None and cleaner.kinds and weights:
        values_are, report.values_why = values or "weight", "events count the weight of their kind"
    recipe = Recipe(weights, positive, values_are, max_history)
    log, found = _assemble(opened, parts, cleaner, recipe, report, by=by, trace=trace)
    damaged = [source for source in report.sources if source.damage]
    table = None if items is None else read_items(items)
    if table is not None:
        if table.table.source.damage:
            damaged.append(table.table.source)
            if strict:
                raise damage_error(table.table.source)
        log.vocab.extend(item_ids(table))
        report.notes += [note] if (note := table.note()) else []
    report.rows, report.kept = sum(s.rows for s in report.sources), len(log)
    report.findings += [damage_finding(source) for source in damaged]
    report.findings += [*from_reading(report, cleaner, recipe, found), *glance(log, found, table)]
    return log, found


def _open(source: Any, given: Mapping[str, str], sep: str | None, encoding: str | None) -> Opened:
    table = open_source(source, sep=sep, encoding=encoding, named=list(given.values()))
    with attributed_to(table.source.damage, table.source.name):
        roles = _roles(table, given)
    info = table.source
    info.columns = {role: table.names[i] for role, i in roles.items()}
    info.ignored = [n for i, n in enumerate(table.names) if i not in roles.values()]
    return Opened(table, roles)


def _roles(table: Table, given: Mapping[str, str]) -> dict[str, int]:
    info = table.source
    if info.header is False:
        guessed, info.layout = guess_roles(
            table.sample, info.separator and {"tab": "\t"}.get(info.separator, info.separator)
        )
        named = {role: name for role, name in given.items() if role in given}
        roles = {r: i for r, i in guessed.items() if i not in _taken(named, table, info.name).values()}
        roles.update(_taken(named, table, info.name))
        if "item" not in roles or not {"user", "session"} & set(roles):
            raise DataError(
                f"this log has no header, and its {len(table.names)} columns do not show which is the user, the item",
                file=info.name,
                fix=f"Number them: {option('columns', {'user': '1', 'item': '2'})}",
            )
        if "session" in named and "user" not in named:
            roles.pop("user", None)
        return roles
    return assign(table.names, given, info.name)


def _taken(named: Mapping[str, str], table: Table, file: str) -> dict[str, int]:
    from penchant.data.reading.columns import index_of

    return {role: index_of(name, table.names, role, file) for role, name in named.items()}


def _row_role(opened: Sequence[Opened], by: str | None) -> str:
    if by not in (None, "user", "session"):
        raise ParameterError(f"rows are by 'user' or 'session', not {by!r}")
    for role in [by] if by else ["user", "session"]:
        if all(role in one.roles for one in opened):
            return role
    lacking = next(one for one in opened if (by or "user") not in one.roles)
    raise DataError(
        f"there is no {by or 'user'} column, which the other files have" if not by else f"there is no {by} column",
        file=lacking.table.source.name,
        fix=f"Name it: {option('columns', {by or 'user': 'NAME'})}",
    )


def _clean(
    one: Opened,
    number: int,
    by: str,
    values: ValuesAre | None,
    cleaner: Cleaner,
    refused: RejectedRows,
    progress: Progress | None,
) -> list[Cleaned]:
    left_out = {"user", "session"} - {by} | ({"value"} if values == "none" else set())
    roles = [role for role in one.roles if role not in left_out]
    source, before, out = one.table.source, refused.report.n_rejected, list[Cleaned]()
    batches = one.table.batches([one.roles[role] for role in roles])
    for batch in batches:
        cleaned, bad = cleaner.clean(batch, roles, one.clock, number)
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
    source.time_unit = one.clock.unit
    if not out:
        lost = refused.report.n_rejected - before
        if source.damage:
            raise damage_error(source)
        if not lost:
            raise DataError("the file holds a header and no rows", file=source.name)
        first = (
            next(row for row in refused.report.rejected if row.file == source.name) if refused.report.rejected else None
        )
        raise DataError(
            f"no row of {lost:,} can be used: {refused.report.reasons.most_common(1)[0][0]}",
            file=source.name,
            line=first.line if first else None,
            column=first.column if first and first.column else None,
            value=first.value if first else None,
            fix=f"Check the separator ({option('sep')}), the encoding and the columns ({option('columns')})",
        )
    return out


def _gather(parts: list[list[Cleaned]], name: str, missing: float, dtype: Any) -> Any:
    """One array of a column over all batches, None where no source has it; frees the batches as it goes."""
    flat = [cleaned for source in parts for cleaned in source]
    if all(getattr(cleaned, name) is None for cleaned in flat):
        return None
    arrays = []
    for cleaned in flat:
        array = getattr(cleaned, name)
        arrays.append(
            np.full(len(cleaned.lines), missing, dtype=dtype) if array is None else array.astype(dtype, copy=False)
        )
    out = np.concatenate(arrays)
    for cleaned in flat:
        setattr(cleaned, name, None)
    return out


def _assemble(
    opened: Sequence[Opened],
    parts: list[list[Cleaned]],
    cleaner: Cleaner,
    recipe: Recipe,
    report: ReadReport,
    *,
    by: str,
    trace: bool,
) -> tuple[Interactions, Trace]:
    sizes = [sum(len(cleaned.lines) for cleaned in source) for source in parts]
    values = _gather(parts, "values", np.nan, np.float32)
    kinds = _gather(parts, "kinds", -1, np.int32)
    times = _gather(parts, "times", MISSING, np.int64)
    positions = _gather(parts, "positions", 0, np.float64)
    marks = _gather(parts, "parts", -1, np.int32)
    users = _gather(parts, "users", 0, np.int32)
    items = _gather(parts, "items", 0, np.int32)
    if recipe.positive is not None and values is None and kinds is None:
        raise DataError(
            f"{recipe.positive!r} needs a column of values, and the log has none",
            file=report.sources[0].name if report.sources else None,
        )
    if recipe.values_are == "rating" and values is not None and np.isnan(values).any():
        lacking = next(o.table.source.name for o in opened if "value" not in o.roles)
        raise DataError("there is no column of ratings, which the other files have", file=lacking)
    if marks is not None and (marks < 0).any():
        lacking = next(o.table.source.name for o in opened if "split" not in o.roles)
        raise DataError("there is no split column, which the other files have", file=lacking)
    weighed, liked = recipe.weigh_coded(list(cleaner.kinds), kinds, values)
    del values
    found = Trace(cleaner)
    if trace:
        found.lines, found.kinds = _gather(parts, "lines", 0, np.int64), kinds
        found.sources = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        look_for_disorder(found, users, times)
    order = event_order(users, times, positions)

    def pick(array: Any) -> Any:
        return array if array is None or order is None else array[order]

    seconds = None if times is None or (times == MISSING).all() else np.floor_divide(times, 1_000_000)
    if trace:
        found.lines, found.sources, found.kinds = pick(found.lines), pick(found.sources), pick(found.kinds)
    integers = all(_INTEGER.match(item) for item in cleaner.items.index) and _numbers_or_text(opened)
    labels = np.array([*cleaner.parts, ""], dtype=np.str_)
    log = Interactions(
        Vocab(cleaner.items.index, integers=integers),
        list(cleaner.users.index),
        pick(users),
        pick(items),
        pick(weighed),
        "none" if weighed is None else recipe.values_are,
        pick(liked),
        pick(seconds),
        None if marks is None else labels[pick(marks)],
        by == "session",
        recipe,
        report,
    )
    return log, found


def _numbers_or_text(opened: Sequence[Opened]) -> bool:
    """Whether ids that look like whole numbers are: they came as text from a file or in a column of numbers."""
    for one in opened:
        if one.table.source.has_lines:
            continue
        batch = next(iter(one.table.batches([one.roles["item"]])))
        if not batch.frame.to_series(0).dtype.is_numeric():
            return False
    return True
