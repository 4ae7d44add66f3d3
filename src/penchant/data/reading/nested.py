"""Nested columns: structures as columns of their own, and lists of items as one row for each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.batches import BadRow, Batch
from penchant.data.reading.wording import option
from penchant.errors import DataError

JSON_LIST = r'(?s)^\s*\[\s*(?:".*|-?\d[\d\s,.eE+\-"]*|\[.*\]|\{.*\}|(?:null|true|false).*)?\s*\]\s*$'
JSON_OBJECT = r'(?s)^\s*\{\s*".*\}\s*$'
LENGTHS = "the lists of this row have different lengths"
EMPTY = "the list of items is empty"
SAMPLE = 200  # cells by which a column of lists is known
_UNFIT = {
    pl.Time: "times of the day without a date",
    pl.Duration: "durations",
    pl.Boolean: "true and false",
    pl.Binary: "bytes",
}


def flat(schema: Mapping[str, Any]) -> dict[str, pl.Expr]:
    """Every column of a table by name; a field of a structure is ``column.field``, in lists of structures, too."""
    out: dict[str, pl.Expr] = {}
    for name, dtype in schema.items():
        _flatten(name, pl.col(name), dtype, out)
    return out


def _flatten(name: str, expression: pl.Expr, dtype: Any, out: dict[str, pl.Expr]) -> None:
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            _flatten(f"{name}.{field.name}", expression.struct.field(field.name), field.dtype, out)
        return
    if isinstance(dtype, pl.Array):
        expression, dtype = expression.arr.to_list(), pl.List(dtype.inner)
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct):
        for field in dtype.inner.fields:
            part = expression.list.eval(pl.element().struct.field(field.name))
            _flatten(f"{name}.{field.name}", part, pl.List(field.dtype), out)
        return
    while name in out:
        name += "_"
    out[name] = expression.alias(name)


def one_event_a_row(batch: Batch, roles: list[str], names: Mapping[str, str], file: str) -> tuple[Batch, list[str]]:
    """The batch with lists of items exploded, in their order, and the roles of its columns.

    Columns of lists beside the items are exploded with them; without a column of positions the place in the list is
    one. ``names`` are the columns of the roles. Raises ``DataError`` for lists where one value belongs, and for times
    that are not moments.
    """
    columns = {role: batch.frame.to_series(i) for i, role in enumerate(roles)}
    columns["item"] = _as_list(columns["item"])
    if columns["item"].dtype == pl.List:
        columns = {role: _as_list(column) for role, column in columns.items()}
    lists = [role for role, column in columns.items() if column.dtype == pl.List]
    time = columns.get("time")
    what = None if time is None else next((words for dtype, words in _UNFIT.items() if time.dtype == dtype), None)
    if what is not None:
        fix = f"Name a column of dates: {option('columns', {'time': 'NAME'})}"
        raise DataError(f"the column of times has {what}", file=file, column=names.get("time"), fix=fix)
    if not lists:
        return batch, roles
    if "item" in lists and columns["item"].dtype.inner.is_nested():  # type: ignore[attr-defined]  # it is a list
        what = "this column holds lists of lists, and an event has one item"
        raise DataError(what, file=file, column=names.get("item"), fix="Write a row, or one list, for each session")
    if "item" not in lists or {"user", "session", "basket"} & set(lists):
        role = next(role for role in lists if role != "item")
        raise DataError(
            f"this column holds lists, and an event has one {role}",
            file=file,
            column=names.get(role),
            value=str(columns[role].drop_nulls().head(1).to_list())[:80],
            fix="Write a row for each event, or give lists of the same length for the items",
        )
    sizes = columns["item"].list.len().fill_null(0).to_numpy().astype(np.int64)
    wrong = np.zeros(len(sizes), dtype=np.bool_)
    for role in lists:
        other = columns[role].list.len()
        wrong |= (other.is_not_null().to_numpy()) & (other.fill_null(0).to_numpy() != sizes)
    bad = [*batch.bad]
    for reason, rows in ((LENGTHS, wrong), (EMPTY, ~wrong & (sizes == 0))):
        bad += [BadRow(int(batch.lines[r]), "item", "", reason, batch.raw_row(int(r))) for r in np.flatnonzero(rows)]
    keep = np.flatnonzero(~wrong & (sizes > 0))
    at = np.repeat(keep, sizes[keep])
    frame: dict[str, pl.Series] = {}
    for n, (role, column) in enumerate(columns.items()):
        if role not in lists:
            frame[f"c{n}"] = column.gather(at)
            continue
        chosen = column.gather(keep)
        if chosen.null_count():  # a list that is missing gives nothing for every item
            filler = pl.Series([[None] * int(sizes[row]) for row in keep], dtype=column.dtype)
            chosen = chosen.zip_with(chosen.is_not_null(), filler)
        frame[f"c{n}"] = chosen.explode()
    if "position" not in roles:
        starts = np.repeat(np.cumsum(sizes[keep]) - sizes[keep], sizes[keep])
        frame[f"c{len(columns)}"] = pl.Series(np.arange(len(at)) - starts)
        roles = [*roles, "position"]
    raw = None if batch.written is None else batch.written.gather(at)
    return replace(batch, frame=pl.DataFrame(frame), lines=batch.lines[at], raw=raw, data=None, bad=bad), roles


def _as_list(column: pl.Series) -> pl.Series:
    """A column of texts that are JSON lists as lists; any other as it is."""
    if isinstance(column.dtype, pl.Categorical):
        few = _as_list(column.head(SAMPLE).cast(pl.String))
        return column if few.dtype == pl.String else _as_list(column.cast(pl.String))
    if column.dtype != pl.String:
        return column
    filled = column.head(SAMPLE).drop_nulls()
    if not len(filled) or filled.str.contains(JSON_LIST).mean() <= 0.5:  # type: ignore[operator]  # a share
        return column
    return pl.Series([_parsed(cell) for cell in column.to_list()], dtype=pl.List(pl.String))


def _parsed(cell: str | None) -> list[str | None] | None:
    try:
        found = json.loads(cell or "null")
    except ValueError:
        return [cell]
    if not isinstance(found, list):
        return None if found is None else [cell]
    return [None if one is None else as_text(one) for one in found]


def as_text(value: Any) -> str:
    """A value of JSON as a cell of text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


Path = tuple[str, ...]  # keys down to a value; ``EACH`` goes into every element of a list
EACH = "\0each"


def json_paths(rows: Sequence[Any]) -> dict[str, Path]:
    """The columns of JSON objects: names and paths of their values, from the first objects."""
    out: dict[str, Path] = {}
    nulls: dict[str, Path] = {}

    def walk(value: Any, name: str, path: Path) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else key, (*path, key))
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            for one in value:
                if isinstance(one, dict):
                    walk(one, name, (*path, EACH))
        elif name:
            (nulls if value is None else out).setdefault(name, path)

    for row in rows:
        if isinstance(row, dict):
            walk(row, "", ())
    # what is null in some rows may be an object in others
    inside = {name[:n] for name in out for n, sign in enumerate(name) if sign == "."}
    return out | {name: path for name, path in nulls.items() if name not in out and name not in inside}


def at_path(value: Any, path: Path) -> Any:
    """The value of a JSON document at a path, None if there is none; a list for a path through a list."""
    for n, key in enumerate(path):
        if key == EACH:
            found = value if isinstance(value, list) else [value]
            return [at_path(one, path[n + 1 :]) for one in found]
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
