"""Sources of one log before their rows are read: the roles of columns, whose rows they are, how dates are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from penchant.core.histories import ValuesAre
from penchant.data.opinions import HEARD, TEXT
from penchant.data.reading.batches import Table
from penchant.data.reading.columns import CONTEXT, assign, index_of
from penchant.data.reading.dates import Order, are_dates, evidence
from penchant.data.reading.formats import open_source
from penchant.data.reading.names import NAMES, plain
from penchant.data.reading.numbers import are_numbers
from penchant.data.reading.opening import attributed_to
from penchant.data.reading.sniffing import guess_roles
from penchant.data.reading.times import Clock, order_of
from penchant.data.reading.wording import option
from penchant.errors import DataError, ParameterError
from penchant.text.comment import COMMENT

# dates of an item or of a person, not of an event
_OTHER_DATES = re.compile(
    r"releas|birth|publi|expir|valid|join|regist|signup|member|geburt|erschein|naiss|nacim|modified|updated|deliver|due",
    re.IGNORECASE,
)

CONTEXT_INSIDE = "context."  # before the name of a context of a structure, or of the events of a store
_BLANK = {"", "nan", "na", "n/a", "null", "none", "-"}


@dataclass
class Opened:
    """A source, the roles of its columns, and its clock."""

    table: Table
    roles: dict[str, int]
    clock: Clock = field(default_factory=Clock)

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.table.source.name

    def column(self, role: str) -> str | None:
        """The name of the column of a role; None if there is none."""
        return self.table.names[self.roles[role]] if role in self.roles else None


def open_log(
    source: Any,
    given: Mapping[str, str],
    values: ValuesAre | None,
    sep: str | None,
    encoding: str | None,
    contexts: Sequence[str] = (),
    text: str | None = None,
    opinions: bool = False,
) -> tuple[Opened, str | None]:
    """A source with its roles, and a note about a column of dates with an unusual name."""
    table = open_source(source, sep=sep, encoding=encoding, named=list(given.values()))
    with attributed_to(table.source.damage, table.source.name):
        asked = _contexts(table, contexts) | _texts(table, text, opinions=opinions)
        roles = _roles(table, given, asked)
    if "value" not in roles and "quantity" in roles and values in ("weight", "rating"):
        roles["value"] = roles.pop("quantity")  # asked for
    note = None if "time" in roles or table.source.header is False else _look_for_dates(table, roles)
    info = table.source
    info.columns = {role: table.names[i] for role, i in roles.items()}
    info.ignored = [n for i, n in enumerate(table.names) if i not in roles.values()]
    return Opened(table, roles), note


def _contexts(table: Table, contexts: Sequence[str]) -> dict[str, int]:
    """The columns of contexts, as roles; a source may lack some."""
    found: dict[str, int] = {}
    for name in contexts:
        for spelled in (name, f"{CONTEXT_INSIDE}{name}"):  # or inside a structure or the events of a store
            try:
                found[CONTEXT + name] = index_of(spelled, table.names, "context", table.source.name)
            except DataError:
                continue
            break
    return found


def _texts(table: Table, text: str | None, *, opinions: bool) -> dict[str, int]:
    """The columns of texts, and of comments that a store has kept, as roles."""
    if not opinions:
        return {}
    kept = f"{CONTEXT_INSIDE}{COMMENT}"
    found = {HEARD: table.names.index(kept)} if kept in table.names else {}
    if text is not None and (not found or text in table.names):
        found[TEXT] = index_of(text, table.names, "text", table.source.name)
    return found


def _roles(table: Table, given: Mapping[str, str], contexts: Mapping[str, int]) -> dict[str, int]:
    info = table.source
    if not given:
        _refuse_wide(table)
    if info.header is not False:
        names = [CONTEXT if at in contexts.values() else name for at, name in enumerate(table.names)]
        roles = assign(names, given, info.name, table.sample)
        return roles | dict(contexts)
    guessed, info.layout = guess_roles(
        table.sample, info.separator and {"tab": "\t"}.get(info.separator, info.separator)
    )
    named = {role: index_of(name, table.names, role, info.name) for role, name in given.items()}
    roles = {r: i for r, i in guessed.items() if i not in named.values()} | named
    if "item" not in roles or not {"user", "session", "basket"} & set(roles):
        raise DataError(
            f"this log has no header, and its {len(table.names)} columns do not show which is the user, the item",
            file=info.name,
            fix=f"Number them: {option('columns', {'user': '1', 'item': '2'})}",
        )
    if "session" in named and "user" not in named:
        roles.pop("user", None)
    return {r: i for r, i in roles.items() if i not in contexts.values()} | dict(contexts)


def _refuse_wide(table: Table) -> None:
    """Refuse a table with one row per user and one column per item, which would be read as pairs of its first columns.

    Such a table has names of items above numbers or blanks, and no name in its first column or one that is known.
    """
    rows, names = table.sample, list(table.names)
    if table.source.header is False and rows:
        names, rows = [cell or "" for cell in rows[0]], rows[1:]
    first, items = plain(names[0]) if names else None, names[1:]
    if first is None or len(items) < 3 or not rows or len(set(items)) < len(items) or not all(items):
        return
    known = {name for usual in NAMES.values() for name in usual}
    people = {*NAMES["user"], *NAMES["session"], ""}
    if first not in people or any(plain(name) in known for name in items):
        return
    cells = [cell for row in rows for cell in row[1:] if cell is not None and cell.strip().lower() not in _BLANK]
    if cells and are_numbers(cells):
        raise DataError(
            f"this is a table with one row per user and one column per item ({items[0]!r}, {items[1]!r}, …)",
            file=table.source.name,
            fix="Write one row per user and item, e.g. with polars' unpivot or pandas' melt: user, item, rating",
        )


def _look_for_dates(table: Table, roles: dict[str, int]) -> str | None:
    """Take the only column of dates as the time, or say which there are."""
    free = [i for i in range(len(table.names)) if i not in roles.values()]
    found = [i for i in free if are_dates([row[i] for row in table.sample if i < len(row)])]
    if not found:
        return None
    likely = [i for i in found if not _OTHER_DATES.search(table.names[i])]
    if len(likely) == 1:
        roles["time"] = likely[0]
        return f"column {table.names[likely[0]]!r} has dates and is used as the time of the events"
    names = " and ".join(repr(table.names[i]) for i in found[:3])
    name_it = option("columns", {"time": table.names[found[0]]})
    return (
        f"{names} {'has' if len(found) == 1 else 'have'} dates, but no column is known as the time: {name_it} names one"
    )


def row_roles(opened: Sequence[Opened], by: str | None) -> tuple[str, str | None]:
    """The role whose ids are the rows, and the role of the person in a row without a user."""
    if by not in (None, "user", "session", "basket"):
        raise ParameterError(f"rows are by 'user', 'session' or 'basket', not {by!r}")
    if by == "basket" and not all("basket" in one.roles for one in opened):
        for one in opened:  # an order is a basket
            if "basket" not in one.roles and "session" in one.roles:
                one.roles["basket"] = one.roles.pop("session")
    if by is not None:
        _need(opened, [by], by)
        return by, None
    roles = [role for role in ("user", "session", "basket") if any(role in one.roles for one in opened)]
    _need(opened, roles, None)
    if roles[0] != "user" or len(roles) == 1:
        return roles[0], None
    return "user", roles[1]


def _need(opened: Sequence[Opened], roles: Sequence[str], by: str | None) -> None:
    lacking = next((one for one in opened if not set(roles) & set(one.roles)), None)
    if lacking is not None:
        what = "there is neither a user nor a session column" if by is None else f"there is no {by} column"
        name = option("columns", {by or "user": "NAME"})
        raise DataError(what, file=lacking.name, fix=f"Name it: {name}")


def settle_dates(opened: Sequence[Opened], day_first: bool | None) -> None:
    """Decide over each whole time column whether day or month comes first.

    Files of one log are alike: one that does not show it follows the others. Raises ``DataError`` if none shows it.
    """
    given: Order | None = None if day_first is None else "day" if day_first else "month"
    open_ones: list[Opened] = []
    for one in opened:
        if "time" not in one.roles or one.clock.format is not None:
            continue
        column = one.roles["time"]
        sample = pl.Series([row[column] for row in one.table.sample if column < len(row)], dtype=pl.String)
        order, needed = order_of([sample])
        one.clock.order = given or order
        if given is None and needed and (order is None or len(sample) == 0 or not _sure(sample)):
            one.clock.order, _ = order_of(_column(one, column))
            if one.clock.order is None:
                open_ones.append(one)
    known = {one.clock.order for one in opened if one.clock.order is not None}
    for one in open_ones:
        if len(known) != 1:
            raise _ambiguous(one)
        one.clock.order = next(iter(known))


def _sure(sample: pl.Series) -> bool:
    """Whether the first rows alone show the order, without contradiction."""
    _, days, months, _ = evidence(sample.drop_nulls())
    return (days > 0) != (months > 0)


def _column(one: Opened, column: int) -> Iterator[pl.Series]:
    for batch in one.table.batches([column]):
        series = batch.frame.to_series(0)
        yield series.str.strip_chars() if series.dtype == pl.String else series


def _ambiguous(one: Opened) -> DataError:
    column = one.roles["time"]
    found = next((cell for row in one.table.sample if column < len(row) and (cell := row[column])), "")
    return DataError(
        "the dates do not show whether the day or the month comes first",
        file=one.name,
        column=one.column("time"),
        value=found,
        fix=f"Say it with {option('day_first', value=True)} or {option('day_first', value=False)}, or give the format: "
        f"{option('time_format', '%d/%m/%Y')}",
    )
