"""Blocks of plainly written numbers are read faster, and as all others are."""

import gzip

import numpy as np
import pytest

from penchant.data.read import read_interactions
from penchant.data.reading import ids, lines, plain
from penchant.errors import DataError

HEADER = "user,item,rating,time\n"


def rows(count: int, *, seed: int = 0, user: str = "{}", item: str = "{}", rating: str = "{}", time: str = "{}") -> str:
    rng = np.random.default_rng(seed)
    return "".join(
        f"{user.format(rng.integers(1, 40))},{item.format(rng.integers(0, 30))},"
        f"{rating.format(rng.integers(1, 11) / 2)},{time.format(900_000_000 + int(rng.integers(0, 99)))}\n"
        for _ in range(count)
    )


LOGS = {
    "plain": HEADER + rows(300),
    "no header": rows(300),
    "no line end": HEADER + rows(300)[:-1],
    "cut off": HEADER + rows(300)[:-4],
    "empty lines": HEADER + rows(100) + "\n\n" + rows(100),
    "carriage returns": (HEADER + rows(300)).replace("\n", "\r\n"),
    "one carriage return": HEADER + rows(100) + "5,5\r,5,900000000\n" + rows(100),
    "header again": HEADER + rows(100) + HEADER + rows(100),
    "a header of numbers": "1,2,3,4\n" + rows(100) + "1,2,3,4\n" + rows(100),
    "zeros in front": HEADER + rows(100) + rows(100, user="0{}", item="00{}") + rows(100),
    "spaces": HEADER + rows(100) + rows(100, user=" {}", item="{} ", rating=" {} "),
    "floats": HEADER + rows(100) + rows(100, user="{}.0", item="{}.00"),
    "large numbers": HEADER + rows(100, user="{}00000000000", item="9999999{}") + rows(9, user="9{}99999999999999999"),
    "negative ids": HEADER + rows(100, user="-{}", item="-{}"),
    "text ids": HEADER + rows(100, item="sku-{}") + rows(100),
    "letters outside ASCII": HEADER + rows(100) + rows(100, item="äpfel-{}"),
    "quotes": HEADER + rows(100) + rows(100, item='"{}"') + rows(100),
    "bad ratings": HEADER + rows(100) + rows(5, rating="x{}") + rows(5, rating="") + rows(5, rating="9e12") + rows(90),
    "large ratings": HEADER + rows(100) + rows(5, rating="9{}000000000.50") + rows(5, rating="{}2345678"),
    "bad times": HEADER + rows(100) + rows(3, time="soon") + rows(3, time="") + rows(3, time="9{}9999") + rows(90),
    "milliseconds": HEADER + rows(200, time="{}123"),
    "nanoseconds": HEADER + rows(200, time="{}123456789"),
    "dates as numbers": HEADER + rows(200, time="20170102").replace("9000000", ""),
    "written dates": HEADER + rows(200, time="2017-01-02T03:04:05Z"),
    "missing fields": HEADER + rows(100) + "1,2\n1,2,3,900000000,7\n" + rows(100),
    "a field more in one line, less in the next": HEADER + rows(100) + "1,2,3,900000000,1\n2,3,900000000\n" + rows(100),
    "kinds": "user,item,event,time\n" + rows(100, rating="view").replace(".0", "") + rows(100, rating="cart"),
    "a column that nobody reads": "user,item,page,time\n" + rows(300, rating="www"),
    "guests": "user,item,session,time\n" + rows(100) + rows(100, user="", rating="{}"),
    "prices": "user,item,price,time\n" + rows(300, rating="{}9"),
}  # fmt: skip


def read(path, monkeypatch, *, large, block, **options):
    monkeypatch.setattr(plain, "LARGE", large)
    monkeypatch.setattr(lines, "BLOCK", block)
    log = read_interactions(path, force=True, **options)
    report = log.report.to_json()
    rejected = path.with_name(path.name + ".rejected.csv")
    return {
        "user_ids": log.user_ids,
        "items": log.vocab.ids,
        **{name: None if (a := getattr(log, name)) is None else (a.dtype, a.tolist())
           for name in ("users", "values", "times", "liked", "guests")},
        "indexes": log.items.tolist(),
        "values_are": log.values_are,
        "report": report,
        "rejected": rejected.read_text() if report["rejected_files"] else None,
    }  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("block", [1 << 24, 999])
def test_the_fast_way_reads_what_the_other_does(name, block, tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    path.write_text(LOGS[name], encoding="utf-8", newline="")
    used = []
    real = plain.PlainReader._columns
    monkeypatch.setattr(plain.PlainReader, "_columns", lambda *given: used.append(1) or real(*given))
    slow = read(path, monkeypatch, large=1 << 40, block=block)
    assert not used
    fast = read(path, monkeypatch, large=1, block=block)
    assert fast == slow
    assert used or name in {"no line end", "cut off", "a header of numbers", "one carriage return"} or block == 999


@pytest.mark.parametrize("options", [{"values": "none"}, {"values": "weight"}, {"time_format": "%s"}, {"by": "user"}])
def test_options_do_not_change_that(options, tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    path.write_text(LOGS["plain"])
    slow = read(path, monkeypatch, large=1 << 40, block=999, **options)
    assert read(path, monkeypatch, large=1, block=999, **options) == slow


def test_compressed_files_are_read_so_too(tmp_path, monkeypatch):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(LOGS["plain"].encode()))
    slow = read(path, monkeypatch, large=1 << 40, block=999)
    assert read(path, monkeypatch, large=1, block=999) == slow


def test_a_column_that_is_never_plain_is_tried_a_few_times_only(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    path.write_text(HEADER + rows(2000, item="a{}"))
    tried = []
    real = plain.PlainReader._columns
    monkeypatch.setattr(
        plain.PlainReader, "_columns", lambda self, data, count, columns: tried.append(columns) or real(
            self, data, count, columns)
    )  # fmt: skip
    read(path, monkeypatch, large=1, block=999)
    assert sum(1 in columns for columns in tried) == plain.TRIES
    assert len(tried) > 20


@pytest.mark.parametrize("numbers", [[3, 1, 3, 7, 1], [2**24 - 1, 0, 5], [2**24, 5], [-1, 5, -1], [2**62, 1]])
def test_whole_numbers_get_codes_in_the_order_of_their_first_rows(numbers):
    import polars as pl

    table, texts = ids.IdTable("item"), ids.IdTable("item")
    for part in (numbers, [9, *numbers, 4]):
        at = np.arange(len(part)) + 10
        codes = table.encode(pl.Series(part, dtype=pl.Int64), at, 0)
        assert codes.tolist() == texts.encode(pl.Series([str(n) for n in part]), at, 0).tolist()
    assert table.index == texts.index
    assert table.first_line == texts.first_line


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_file_that_changes_while_it_is_read_is_an_error(ending, tmp_path):
    import polars as pl

    path = tmp_path / f"log.{ending}"
    frame = pl.DataFrame({"user": [1, 2] * 50, "item": [3, 4] * 50})
    write = {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[ending]
    write(path)

    def grow(what: str, share: float) -> None:
        with path.open("ab") as file:
            file.write(b" ")

    assert len(read_interactions(path)) == 100

    with pytest.raises(DataError, match="the file changed while it was read"):
        read_interactions([path, path], progress=grow)
