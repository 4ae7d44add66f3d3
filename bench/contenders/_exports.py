"""A log as shops export it: one function for each export, all with the same rows in the same order.

The clean table has user, session, item, rating or quantity, and time (a datetime without a zone). Each function writes
a file and returns the options with which the commands read it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import polars as pl
from tests.data.reading.books import write_book

Write = Callable[[pl.DataFrame, Path], list[str]]
KINDS = ("--kind", "buy=1,return=-1:cancels")
GERMAN = {
    "user": "Kundennummer", "session": "Bestellnummer", "item": "Artikelnummer", "rating": "Bewertung",
    "quantity": "Menge", "time": "Datum",
}  # fmt: skip
AMERICAN = {
    "user": "Customer ID", "session": "Order ID", "item": "Product ID", "rating": "Rating", "quantity": "Quantity",
    "time": "Order Date",
}  # fmt: skip


def _named(table: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    return table.rename({ours: theirs for ours, theirs in names.items() if ours in table.columns})


def german(table: pl.DataFrame, path: Path) -> list[str]:
    """Semicolons, cp1252, decimal commas, dates with dots, and a column with letters that cp1252 needs."""
    numbers = [name for name in ("rating", "quantity") if name in table.columns]
    commas = [pl.format("{},00", pl.col(name).cast(pl.Int64)).alias(name) for name in numbers]
    text = _named(table.with_columns(*commas, pl.col("time").dt.strftime("%d.%m.%Y %H:%M:%S")), GERMAN)
    text = text.with_columns(pl.lit("Größe „M“, geprüft").alias("Bemerkung"))
    path.write_bytes(text.write_csv(separator=";").encode("cp1252"))
    return []


def american(table: pl.DataFrame, path: Path) -> list[str]:
    """Month first, twelve hours with AM and PM."""
    _named(table.with_columns(pl.col("time").dt.strftime("%-m/%-d/%Y %-I:%M:%S %p")), AMERICAN).write_csv(path)
    return []


def excel(table: pl.DataFrame, path: Path) -> list[str]:
    """A workbook with real dates under a title."""
    rows = [list(row) for row in table.rows()]
    write_book(path, Export=[["Export of the shop"], [], list(_named(table, AMERICAN).columns), *rows])
    return []


def sqlite(table: pl.DataFrame, path: Path) -> list[str]:
    """A table of a database, with times as text."""
    told = table.with_columns(pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S"))
    with sqlite3.connect(path) as base:
        base.execute(f"create table events ({', '.join(told.columns)})")
        base.executemany(f"insert into events values ({', '.join('?' * told.width)})", told.rows())  # noqa: S608  # only question marks
    base.close()
    return []


def json_array(table: pl.DataFrame, path: Path) -> list[str]:
    """One indented document, with the user in an object of its own."""
    told = table.with_columns(pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    rows = [{**row, "user": {"id": row["user"]}} for row in told.iter_rows(named=True)]
    path.write_text(json.dumps({"events": rows}, indent=2))
    return []


def nested(table: pl.DataFrame, path: Path) -> list[str]:
    """Parquet with a row for each order, and in it a list of structures."""
    lines = [name for name in table.columns if name not in ("user", "session", "time")]
    keys = [name for name in ("user", "session", "time") if name in table.columns]
    runs = table.with_columns(run=pl.struct(keys).rle_id())
    runs.group_by("run", *keys, maintain_order=True).agg(lines=pl.struct(lines)).drop("run").write_parquet(path)
    return []


def guests(table: pl.DataFrame, path: Path) -> list[str]:
    """Every third order without its user."""
    table.with_columns(user=pl.when(is_guest()).then(None).otherwise(pl.col("user"))).write_csv(path)
    return []


def is_guest() -> pl.Expr:
    """Which rows a guest wrote."""
    return pl.col("session").rank("dense") % 3 == 0


def bought(table: pl.DataFrame) -> pl.DataFrame:
    """The table without its numbers: who bought what, when."""
    return table.drop("quantity", "rating", strict=False)


def refunds(table: pl.DataFrame, path: Path) -> list[str]:
    """Every tenth row bought once more a second later, and taken back a minute later."""
    table = bought(table)
    more = table.gather_every(10).with_columns(pl.col("time").dt.offset_by("1s"), quantity=pl.lit(1))
    back = more.with_columns(pl.col("time").dt.offset_by("1m"), quantity=pl.lit(-1))
    pl.concat([table.with_columns(quantity=pl.lit(1)), more, back], how="diagonal_relaxed").write_csv(path)
    return []


def refund_kinds(table: pl.DataFrame, path: Path) -> list[str]:
    """The same by a kind of event."""
    table = bought(table)
    kinds = [
        part.with_columns(pl.lit(kind).alias("kind"), pl.col("time").dt.offset_by(f"{seconds}s"))
        for part, kind, seconds in (
            (table, "buy", 0), (table.gather_every(10), "buy", 1), (table.gather_every(10), "return", 61)
        )
    ]  # fmt: skip
    pl.concat(kinds).write_csv(path)
    return list(KINDS)


EXPORTS: dict[str, tuple[Write, str]] = {  # and the ending of the file
    "German CSV": (german, "csv"),
    "American CSV": (american, "csv"),
    "Excel": (excel, "xlsx"),
    "SQLite": (sqlite, "db"),
    "indented JSON": (json_array, "json"),
    "nested Parquet": (nested, "parquet"),
    "guests": (guests, "csv"),
    "refunds by quantity": (refunds, "csv"),
    "refunds by kind": (refund_kinds, "csv"),
}
