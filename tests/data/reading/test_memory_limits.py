"""Inputs that would take all memory are refused in words, within a stated budget."""

from __future__ import annotations

import gzip
import json
import lzma
import resource
import subprocess
import sys

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from penchant import read_interactions
from penchant.cli.main import main
from penchant.core import memory
from penchant.core.memory import MIB, Meter, budget, free_bytes, limited, parse_size
from penchant.data.reading import lines as text_lines
from penchant.data.reading.formats import base, parquet, parquet_footer
from penchant.data.reading.opening import opened
from penchant.errors import DataError, MemoryLimitError, ParameterError
from tests.data.reading.books import write_book

REPORT = (  # not ru_maxrss: a process inherits that of the one it was forked from
    "import sys, atexit\n"
    "most = lambda: next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
    "atexit.register(lambda: print('PEAK', most(), file=sys.stderr))\n"
)
READ = "from penchant.cli.main import run; run()"


def peak(*arguments, address_space=None):
    """Exit code, standard error and peak memory in MiB of the command in a process of its own."""

    def limit():
        if address_space is not None:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))

    command = [sys.executable, "-c", REPORT + READ, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)  # no threads here
    said, _, kilobytes = done.stderr.partition("PEAK ")
    return done.returncode, said, int(kilobytes or 0) // 1024


def test_a_line_of_64_mib_is_refused_within_the_budget(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"user,item\nu,i\n" + b"x" * (64 * MIB))
    code, said, used = peak("inspect", str(tmp_path / "log.csv"))
    assert code == 2
    assert "log.csv, line 3: a line has more than 16 MiB" in said
    assert used < 400


def test_what_expands_a_thousandfold_is_read_in_small_pieces_and_refused(tmp_path):
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(b"user,item\n" + b"0" * (64 * MIB)))
    (tmp_path / "log.csv.zst").write_bytes(zstandard.compress(b"user,item\n" + b"0" * (64 * MIB)))
    for name in ("log.csv.gz", "log.csv.zst"):
        assert (tmp_path / name).stat().st_size < 100_000
        with pytest.raises(DataError, match="line 2: a line has more than 16 MiB"):
            read_interactions(tmp_path / name)
    with opened(tmp_path / "log.csv.zst") as file:
        file.stream.read(1)
        assert len(file.stream.ready) <= 33 * MIB


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_parquet_that_expands_is_refused_by_its_footer(tmp_path, monkeypatch, kind):
    zeros = pl.zeros(4_000_000, dtype=pl.Int32, eager=True)
    table = pl.DataFrame({"user": ["u", "v"], "item": [zeros, zeros[:2]]})
    path = tmp_path / "log.parquet" if kind == "file" else tmp_path / "log" / "part.parquet"
    path.parent.mkdir(exist_ok=True)
    table.write_parquet(path, compression="zstd")
    assert path.stat().st_size < 10_000
    decoded = []
    monkeypatch.setattr(pl.LazyFrame, "collect", lambda self, **_: decoded.append(self) or pl.DataFrame({"len": [2]}))
    monkeypatch.setattr(memory, "free_bytes", lambda: 100 * MIB)
    with pytest.raises(MemoryLimitError, match=r"decoding .* needs more than the 50 MiB .*--memory"):
        read_interactions(path if kind == "file" else path.parent)
    assert len(decoded) == 1, "only the number of rows was asked for"


def varint(number, length=0):
    """A whole number as Thrift writes it, in at least so many bytes."""
    number, out = number << 1, []
    while number >= 128 or len(out) + 1 < length:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_a_footer_that_understates_its_pages_is_not_believed(tmp_path, monkeypatch):
    texts = [chr(97 + n) * MIB for n in range(20)]
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": texts, "item": ["i"] * 20}).write_parquet(path, compression="zstd", statistics=False)
    whole = path.read_bytes()
    (group,) = parquet_footer.row_groups(path)
    stated = varint(group.chunks[0].size)
    assert group.chunks[0].size > 20 * MIB
    assert whole.count(stated) == 2  # of the column and of the row group
    path.write_bytes(whole.replace(stated, varint(9, len(stated))))
    assert parquet_footer.row_groups(path) == [group]
    monkeypatch.setattr(memory, "free_bytes", lambda: 24 * MIB)
    with pytest.raises(MemoryLimitError, match=r"decoding .* needs more than the 12 MiB"):
        read_interactions(path)


def test_heads_of_pages_may_be_long(tmp_path):
    texts = [chr(97 + n) * 9_000 for n in range(20)]
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"user": texts, "item": texts}), path, use_dictionary=False)
    (group,) = parquet_footer.row_groups(path)
    assert [chunk.values for chunk in group.chunks] == [20, 20]
    assert all(180_000 < chunk.size < 250_000 for chunk in group.chunks)


def test_parquet_of_wide_rows_is_read_in_smaller_batches_of_the_columns_that_count(tmp_path, monkeypatch):
    log = pl.DataFrame({"user": [f"u{n % 99}" for n in range(20_000)], "item": [f"i{n % 7}" for n in range(20_000)]})
    log.with_columns(text=pl.format("{}" + "x" * 2_000, pl.int_range(20_000))).write_parquet(tmp_path / "log.parquet")
    groups = parquet_footer.row_groups(tmp_path / "log.parquet")
    assert sum(group.rows for group in groups) == 20_000
    assert {chunk.name: chunk.values for chunk in groups[0].chunks} == dict.fromkeys(
        ("user", "item", "text"), groups[0].rows
    )
    sizes = []
    real = base.numbered
    monkeypatch.setattr("penchant.data.reading.formats.columnar.numbered", lambda a, n: sizes.append(n) or real(a, n))
    monkeypatch.setattr(memory, "free_bytes", lambda: 24 * MIB)
    assert parquet.rows_at_once(groups, ["text"], 20_000, "f") < 3_000
    assert parquet.rows_at_once(groups, ["user", "item"], 20_000, "f") == 20_000
    assert parquet.rows_at_once([], None, 20_000, "f") == 20_000
    log = read_interactions(tmp_path / "log.parquet")
    assert (len(log), sizes) == (20_000, [20_000])


@pytest.mark.parametrize("compression", ["uncompressed", "zstd"])
def test_an_arrow_file_is_read_a_batch_at_a_time(tmp_path, monkeypatch, compression):
    rows = 20_000
    log = pl.DataFrame({"user": pl.int_range(rows, eager=True) % 99, "item": pl.int_range(rows, eager=True) % 7})
    log = log.with_columns(text=pl.lit("x" * 5_000))
    path = tmp_path / "a*[b].arrow"
    log.write_ipc(path, compression=compression, record_batch_size=500)
    assert read_interactions(path).n_items == 7
    monkeypatch.setattr(base, "ROWS", 1_000)
    before = pl.LazyFrame.collect
    sizes = []

    def collect(self, **options):
        frame = before(self, **options)
        sizes.append(frame.estimated_size())
        return frame

    monkeypatch.setattr(pl.LazyFrame, "collect", collect)
    monkeypatch.setattr(type(path), "read_bytes", lambda _: pytest.fail("the whole file was read"))
    assert len(read_interactions(path)) == rows
    assert max(sizes) < 200 * 5_100  # the sample has all columns, of some rows


@pytest.mark.parametrize("size", [0, 1, 4, 20])
def test_a_footer_that_is_damaged_has_no_row_groups(tmp_path, size):
    pl.DataFrame({"user": ["u"], "item": ["i"]}).write_parquet(tmp_path / "log.parquet")
    whole = (tmp_path / "log.parquet").read_bytes()
    assert len(parquet_footer.row_groups(tmp_path / "log.parquet")) == 1
    (tmp_path / "cut.parquet").write_bytes(whole[: size - 40] + b"\xff" * 32 + whole[-8:])
    assert parquet_footer.row_groups(tmp_path / "cut.parquet") == []
    (tmp_path / "cut.parquet").write_bytes(whole[-8:] if size else b"")
    assert parquet_footer.row_groups(tmp_path / "cut.parquet") == []


def test_json_is_counted_while_it_is_read_and_xz_has_a_limit(tmp_path, monkeypatch):
    rows = [{"user": "u", "item": "i" * 5_000}] * 1_000
    (tmp_path / "log.json.xz").write_bytes(lzma.compress(json.dumps(rows).encode()))
    monkeypatch.setattr(memory, "free_bytes", lambda: 20 * MIB)
    monkeypatch.setattr(json, "loads", lambda *_: pytest.fail("the document was read"))
    with pytest.raises(MemoryLimitError, match=r"log.json.xz needs more than the 10 MiB"):
        read_interactions(tmp_path / "log.json.xz")
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 64 * MIB}]
    (tmp_path / "wide.csv.xz").write_bytes(lzma.compress(b"user,item\nu,i\n", filters=filters))
    with pytest.raises(MemoryLimitError, match=r"this xz file needs more than the 10 MiB"):
        read_interactions(tmp_path / "wide.csv.xz")


def test_xz_files_may_have_several_streams_and_padding(tmp_path):
    one, two = lzma.compress(b"user,item\nu,i\n"), lzma.compress(b"v,j\n")
    for number, whole in enumerate((one + two, one + bytes(8) + two, one + bytes(9000) + two, one + two + bytes(4096))):
        (tmp_path / f"{number}.csv.xz").write_bytes(whole)
        assert read_interactions(tmp_path / f"{number}.csv.xz").user_ids == ["u", "v"]


def test_rows_beyond_the_memory_that_is_allowed_are_refused_with_their_number(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "BLOCK", 1 << 18)
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(b"user,item\n" + b"u1,i1\n" * 2_000_000))
    monkeypatch.setattr(memory, "free_bytes", lambda: 80 * MIB)
    with pytest.raises(MemoryLimitError, match=r"more than the 40 MiB .* after [\d,]+ rows of .*log.csv.gz.*--memory"):
        read_interactions(tmp_path / "log.csv.gz")
    monkeypatch.setattr(memory, "free_bytes", lambda: 20 * MIB)
    with pytest.raises(MemoryLimitError, match="needs at least 32 MiB of memory, and may take 10 MiB"):
        read_interactions(tmp_path / "log.csv.gz")


@pytest.mark.parametrize("kind", ["csv", "parquet", "table"])
def test_300_000_columns_are_refused(tmp_path, kind):
    names = [f"c{n}" for n in range(300_000 if kind == "csv" else base.MAX_COLUMNS + 1)]
    source = tmp_path / f"log.{kind}"
    if kind == "csv":
        source.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    else:
        table = pl.DataFrame({name: [1] for name in names})
        if kind == "parquet":
            table.write_parquet(source)
        else:
            source = table
    with pytest.raises(DataError, match="it has more than 20,000 columns"):
        read_interactions(source)


def test_a_workbook_that_expands_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    path = write_book(tmp_path / "log.xlsx", S=[["user", "item"], ["u", "x" * (2 * MIB)]])
    monkeypatch.setattr(memory, "free_bytes", lambda: 8 * MIB)
    with pytest.raises(MemoryLimitError, match=r"log\.xlsx needs more than the 4 MiB"):
        read_interactions(path)


def test_under_ulimit_v_reading_works_or_is_refused_and_never_aborts(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("user,item\n" + "".join(f"u{n % 999},i{n * 7 % 1009}\n" for n in range(50_000)))
    code, said, _ = peak("inspect", str(log), address_space=700 * MIB)
    assert (code, said.startswith("penchant: reading needs 1024 MiB of address space, and ulimit -v leaves")) == (
        1,
        True,
    )
    code, said, _ = peak("inspect", str(log), address_space=3000 * MIB)
    assert (code, said) == (0, "")


def test_the_memory_option_limits_the_process(tmp_path, capsys):
    log = tmp_path / "log.csv"
    log.write_text("user,item\nu,i\n")
    assert main(["inspect", str(log), "--memory", "1MiB"]) == 1
    assert "needs at least 32 MiB of memory, and may take 0 MiB" in capsys.readouterr().err
    assert main(["inspect", str(log), "--memory", "lots"]) == 2
    assert "'lots' is not an amount of memory: write 4GiB" in capsys.readouterr().err
    assert main(["inspect", str(log), "--memory", "64GiB"]) == 0
    with pytest.raises(MemoryLimitError):
        read_interactions(log, memory="1MiB")


def test_sizes_and_budgets(monkeypatch):
    assert [parse_size(text) for text in ("1024", 5, "2k", "1.5 MiB", "4GB")] == [
        1024,
        5,
        2048,
        3 * MIB // 2,
        4 * 2**30,
    ]
    for text in ("0", "-1", "4 apples", ""):
        with pytest.raises(ParameterError, match="not an amount of memory"):
            parse_size(text)
    free = free_bytes()
    assert free is not None
    with limited(MIB):
        assert free_bytes() == budget() == 0
    monkeypatch.setattr(memory, "free_bytes", lambda: 100)
    assert budget() == 50
    meter = Meter("this", factor=2)
    meter.add(25)
    with pytest.raises(MemoryLimitError, match="this needs more than the 0 MiB"):
        meter.add(1)
