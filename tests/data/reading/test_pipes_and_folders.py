"""Standard input and named pipes, which can be read only once; and folders of Parquet files."""

from __future__ import annotations

import gzip
import os
import threading
import time

import polars as pl
import pytest

from penchant import read_interactions
from penchant.cli.main import main
from penchant.data.reading import spooling
from penchant.errors import DataError, ParameterError

CSV = b"user,item\n" + b"".join(b"u%d,i%d\n" % (n % 5, n % 7) for n in range(50))


@pytest.fixture
def standard_input(monkeypatch):
    """A function that puts bytes on standard input."""
    ends = []

    def put(content):
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        file = os.fdopen(reading)
        ends.append(file)
        monkeypatch.setattr("sys.stdin", file)

    yield put
    for file in ends:
        file.close()


def test_standard_input_is_a_log_in_any_format(standard_input, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"]}).write_parquet(tmp_path / "log.parquet")
    for content, rows in ((CSV, 50), (gzip.compress(CSV), 50), ((tmp_path / "log.parquet").read_bytes(), 2)):
        standard_input(content)
        log = read_interactions("-")
        assert len(log) == rows
        assert log.report.files == ["standard input"]
    standard_input(CSV + b",i1\n")
    assert main(["inspect", "-"]) == 0
    assert "standard input, line 52, user: the id is missing" in capsys.readouterr().err
    assert (tmp_path / "stdin.rejected.csv").read_text().endswith('",i1"\n')


def test_an_item_table_comes_from_standard_input_to_every_step_of_inspect(standard_input, tmp_path, capsys):
    (tmp_path / "log.csv").write_bytes(CSV)
    standard_input(b"item,title\n" + b"".join(b"i%d,T%d\n" % (n, n) for n in range(7)))
    assert main(["inspect", str(tmp_path / "log.csv"), "--items", "-"]) == 0
    assert "not in the item table" not in capsys.readouterr().out


def test_an_empty_standard_input_is_refused(standard_input):
    standard_input(b"")
    with pytest.raises(DataError, match="standard input: nothing arrived before the end"):
        read_interactions("-")


def test_a_named_pipe_waits_for_its_writer_and_no_longer_than_the_limit(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write():
        time.sleep(0.2)
        pipe.write_bytes(CSV)

    writer = threading.Thread(target=write)
    writer.start()
    assert len(read_interactions(pipe)) == 50
    writer.join()
    monkeypatch.setenv(spooling.LIMIT, "0.2")
    started = time.monotonic()
    with pytest.raises(DataError, match=f"nothing arrived for 0.2 seconds.*set {spooling.LIMIT}"):
        read_interactions(pipe)
    assert time.monotonic() - started < 5
    monkeypatch.setenv(spooling.LIMIT, "soon")
    with pytest.raises(ParameterError, match="a number of seconds above 0, not 'soon'"):
        read_interactions(pipe)


def test_a_writer_that_stops_in_the_middle_is_named_with_what_came(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv(spooling.LIMIT, "0.3")
    held = os.open(pipe, os.O_RDWR)
    try:
        os.write(held, CSV)
        with pytest.raises(DataError, match=f"nothing more arrived after {len(CSV)} bytes for 0.3 seconds"):
            read_interactions(pipe)
    finally:
        os.close(held)


def test_folders_of_parquet_files_are_one_log_and_their_names_columns(tmp_path):
    for shop, rows in (("007", ["a", "b"]), ("x%2Fy", ["c"]), ("__HIVE_DEFAULT_PARTITION__", ["d"])):
        folder = tmp_path / f"log/shop={shop}"
        folder.mkdir(parents=True)
        pl.DataFrame({"user": rows, "item": [f"i{row}" for row in rows]}).write_parquet(folder / "part-0.parquet")
    (tmp_path / "log/_SUCCESS").write_text("")
    log = read_interactions(tmp_path / "log")
    assert log.user_ids == ["a", "b", "d", "c"]
    assert log.report.sources[0].ignored == ["shop"]
    by_shop = read_interactions(str(tmp_path / "log"), columns={"user": "shop"})
    assert by_shop.user_ids == ["007", "x/y"]
    assert by_shop.report.reasons == {"the id is missing": 1}


def test_files_of_a_folder_that_differ_are_refused_by_name(tmp_path):
    pl.DataFrame({"user": ["a"], "item": ["i"]}).write_parquet(tmp_path / "0.parquet")
    pl.DataFrame({"user": ["a"], "item": [1]}).write_parquet(tmp_path / "1.parquet")
    with pytest.raises(DataError, match=r"1.parquet, column 'item': it is Int64 here and String in .*0.parquet"):
        read_interactions(tmp_path)
    (tmp_path / "1.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"1.parquet: this Parquet file is damaged"):
        read_interactions(tmp_path)


def test_a_folder_without_parquet_files_is_refused(tmp_path):
    (tmp_path / "log.csv").write_bytes(CSV)
    with pytest.raises(DataError, match="this is a folder"):
        read_interactions(tmp_path)
