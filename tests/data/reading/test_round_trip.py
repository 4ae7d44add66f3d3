"""Whatever table is written, in whatever format, the same events come back."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penchant import read_interactions
from penchant.data.reading import lines as text_lines
from penchant.data.reading.formats import base
from penchant.data.reading.ids import normalised
from penchant.data.reading.nested import JSON_LIST, JSON_OBJECT
from penchant.data.reading.splitting import is_open, split_record
from penchant.data.vocab import normalise_id
from penchant.errors import DataError

many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# ids as they come out of reading: no control characters, no space around them, not "1.0"
identifiers = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
numbers = st.integers(0, 10**9).map(str)
ratings = st.sampled_from([1.0, 2.0, 2.5, 3.0, 4.5, 5.0])


def _fixed_point(text: str) -> bool:
    try:
        return normalise_id(text) == text and not re.match(f"{JSON_LIST}|{JSON_OBJECT[4:]}", text)
    except DataError:
        return False


ids = st.one_of(identifiers.filter(_fixed_point), numbers)
events = st.tuples(ids, ids, ratings, st.integers(2**30, 2**31))


def naive(rows):
    """Users in order of appearance, their events by time, equal times in the order of the rows."""
    users = dict.fromkeys(user for user, *_ in rows)
    ordered = [[row for row in rows if row[0] == user] for user in users]
    return [row for mine in ordered for row in sorted(mine, key=lambda row: row[3])]


def read_back(log):
    return [
        (log.user_ids[u], log.vocab.ids[i], float(v), int(t))
        for u, i, v, t in zip(log.users, log.items, log.values, log.times, strict=True)
    ]


def as_csv(rows, path, *, separator=",", quoting=csv.QUOTE_MINIMAL, newline="\n"):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=newline)
    writer.writerow(["user", "item", "rating", "timestamp"])
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode())


def as_json_lines(rows, path):
    names = ("user", "item", "rating", "timestamp")
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows), encoding="utf-8")


def frame(rows):
    return pl.DataFrame(rows, schema=["user", "item", "rating", "timestamp"], orient="row")


WRITERS = {
    "comma": as_csv,
    "tab": lambda rows, path: as_csv(rows, path, separator="\t"),
    "semicolon, all quoted, crlf": lambda rows, path: as_csv(
        rows, path, separator=";", quoting=csv.QUOTE_ALL, newline="\r\n"
    ),
    "bar, text quoted": lambda rows, path: as_csv(rows, path, separator="|", quoting=csv.QUOTE_NONNUMERIC),
    "json lines": as_json_lines,
    "parquet": lambda rows, path: frame(rows).write_parquet(path),
    "arrow": lambda rows, path: frame(rows).write_ipc(path),
}


@pytest.mark.parametrize("how", WRITERS)
@many
@given(rows=st.lists(events, min_size=1, max_size=40))
def test_every_format_gives_back_what_was_written(tmp_path, how, rows):
    path = tmp_path / "log"
    WRITERS[how](rows, path)
    log = read_interactions(path, strict=True)
    assert read_back(log) == naive(rows)
    assert log.values_are == "rating"


@pytest.mark.parametrize("block", [1, 7, 64])
@many
@given(rows=st.lists(events, min_size=1, max_size=30), notes=st.lists(st.text('a",\n', max_size=12), min_size=30))
def test_blocks_may_end_anywhere(tmp_path, monkeypatch, block, rows, notes):
    """Fields over several lines are whole, and line numbers true, however small the blocks are."""
    monkeypatch.setattr(text_lines, "BLOCK", block)
    path = tmp_path / "log.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["note", "user", "item", "rating", "timestamp"])
        writer.writerows((note, *row) for note, row in zip(notes, rows, strict=False))
        file.write("a bad row\n")
    lines = path.read_text(encoding="utf-8").count("\n")
    log = read_interactions(path)
    assert read_back(log) == naive(rows)
    assert [(bad.line, bad.value) for bad in log.report.rejected] == [(lines, "a bad row")]


@many
@given(rows=st.lists(events, min_size=1, max_size=30))
def test_tables_in_memory(monkeypatch, rows):
    monkeypatch.setattr(base, "ROWS", 7)
    table = frame(rows)
    for source in (table, table.lazy(), table.to_pandas(), table.to_arrow()):
        assert read_back(read_interactions(source, strict=True)) == naive(rows)


@many
@given(rows=st.lists(events, min_size=2, max_size=40), cut=st.integers(1, 39))
def test_several_files_are_one_log(tmp_path, rows, cut):
    cut = min(cut, len(rows) - 1)
    as_csv(rows[:cut], tmp_path / "a.csv")
    as_json_lines(rows[cut:], tmp_path / "b.jsonl")
    assert read_back(read_interactions([tmp_path / "a.csv", tmp_path / "b.jsonl"])) == naive(rows)


def read_or_refuse(path):
    """The log, or None where it was refused with an error that names the file."""
    try:
        return read_interactions(path)
    except DataError as refused:
        message = str(refused)
    assert str(path) in message
    return None


@many
@given(data=st.binary(min_size=1, max_size=400))
def test_any_bytes_are_read_or_refused_with_a_clear_error(tmp_path, data):
    path = tmp_path / "log"
    path.write_bytes(data)
    log = read_or_refuse(path)
    if log is not None:
        assert log.report.kept == len(log) > 0
        assert log.report.rows == log.report.kept + log.report.n_rejected


@many
@given(
    rows=st.lists(events, min_size=3, max_size=20),
    damage=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5),
    zipped=st.booleans(),
)
def test_a_damaged_log_never_crashes(tmp_path, rows, damage, zipped):
    path = tmp_path / "log"
    as_csv(rows, path, quoting=csv.QUOTE_NONNUMERIC)
    data = bytearray(gzip.compress(path.read_bytes()) if zipped else path.read_bytes())
    for at, byte in damage:
        data[at % len(data)] = byte
    path.write_bytes(data)
    log = read_or_refuse(path)
    if log is not None:
        assert np.isfinite(log.values).all() if log.values is not None else True
        assert log.report.rows == log.report.kept + log.report.n_rejected


def as_the_vocabulary_does(raw):
    spelled, reasons = normalised(raw)
    for value, got, reason in zip(raw.to_list(), spelled.to_list(), reasons.to_list(), strict=True):
        try:
            expected = normalise_id(value)
        except DataError:
            assert reason
        else:
            assert (got, reason) == (expected, None)


@many
@given(values=st.lists(st.one_of(st.none(), st.text(max_size=8), st.floats().map(str), numbers), max_size=20))
def test_ids_are_normalised_as_the_vocabulary_does(values):
    as_the_vocabulary_does(pl.Series(values, dtype=pl.String))


@many
@given(values=st.lists(st.one_of(st.none(), st.floats(allow_nan=True), st.floats(-1e6, 1e6).map(round).map(float))))
def test_numeric_ids_are_normalised_as_the_vocabulary_does(values):
    as_the_vocabulary_does(pl.Series(values, dtype=pl.Float64))


@many
@given(cells=st.lists(st.text('ab"\n;:', max_size=6), min_size=2, max_size=5), separator=st.sampled_from([";", "::"]))
def test_a_record_written_with_quotes_is_split_into_its_fields(cells, separator):
    written = separator.join('"' + cell.replace('"', '""') + '"' for cell in cells)
    assert not is_open(written, separator)
    assert split_record(written, separator) == cells
    assert is_open(written[:-1], separator) or written.endswith('"""')
