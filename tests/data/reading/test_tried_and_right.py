"""Every oddity of a log that people bring, one row of a table each."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import zstandard

from penchant import read_interactions
from penchant.errors import DataError

ROWS = "user,item,rating,timestamp\nann,x,5,1000000000\nbob,y,3,1000000050\nann,y,4,1000000100\n"


def events(log):
    """Events as (user, item, value, time), in the order of the log."""
    values = [None] * len(log) if log.values is None else log.values.tolist()
    times = [None] * len(log) if log.times is None else log.times.tolist()
    return [
        (log.user_ids[u], log.vocab.ids[i], v, t)
        for u, i, v, t in zip(log.users, log.items, values, times, strict=True)
    ]


EXPECTED = [("ann", "x", 5, 1000000000), ("ann", "y", 4, 1000000100), ("bob", "y", 3, 1000000050)]


def write(folder: Path, content: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


SAME = {
    "plain": ROWS.encode(),
    "byte order mark": b"\xef\xbb\xbf" + ROWS.encode(),
    "utf-16": ROWS.encode("utf-16"),
    "crlf": ROWS.replace("\n", "\r\n").encode(),
    "old mac": ROWS.replace("\n", "\r").encode(),
    "no newline at the end": ROWS.rstrip().encode(),
    "blank lines": ROWS.replace("\n", "\n\n").encode(),
    "blank lines first": b"\n\n" + ROWS.encode(),
    "tab": ROWS.replace(",", "\t").encode(),
    "semicolon": ROWS.replace(",", ";").encode(),
    "bar": ROWS.replace(",", "|").encode(),
    "double colon": ROWS.replace(",", "::").encode(),
    "white space": ROWS.replace(",", "   ").encode(),
    "all quoted": "\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in ROWS.strip().split("\n")
    ).encode(),
    "some quoted": ROWS.replace("ann", '"ann"').encode(),
    "quoted double colon": ROWS.replace(",", "::").replace("ann", '"ann"').encode(),
    "gzip": gzip.compress(ROWS.encode()),
    "zstd": zstandard.ZstdCompressor().compress(ROWS.encode()),
    "two zstd frames": zstandard.compress(ROWS[:30].encode()) + zstandard.compress(ROWS[30:].encode()),
    "two gzip members": gzip.compress(ROWS[:30].encode()) + gzip.compress(ROWS[30:].encode()),
    "spaces around names": ROWS.replace("user,item", " User ID , Item-Id ").encode(),
    "other names": ROWS.replace("user,item,rating,timestamp", "userId,movieId,stars,date").encode(),
    "chinese names": ROWS.replace("user,item,rating,timestamp", "用户,物品,评分,时间").encode(),
    "chinese names in gb18030": ROWS.replace("user,item,rating,timestamp", "用户,物品,评分,时间").encode("gb18030"),
    "recbole": ROWS.replace(",", "\t")
    .replace("user\titem\trating\ttimestamp", "user_id:token\titem_id:token\trating:float\ttimestamp:float")
    .encode(),
    "separator at the end of rows": ROWS.replace("\n", ",\n").replace("timestamp,", "timestamp", 1).encode(),
    "columns in another order": (
        b"timestamp,rating,item,user\n1000000000,5,x,ann\n1000000050,3,y,bob\n1000000100,4,y,ann\n"
    ),
    "json lines": (
        b'{"user":"ann","item":"x","rating":5,"timestamp":1000000000}\n'
        b'{"timestamp":1000000050,"user":"bob","item":"y","rating":3.0}\n'
        b'{"user":"ann","item":"y","rating":"4","timestamp":1000000100}'
    ),
    "amazon reviews": (
        b'{"reviewerID":"ann","asin":"x","overall":5.0,"unixReviewTime":1000000000,"reviewText":"a \\"b\\", c"}\n'
        b'{"reviewerID":"bob","asin":"y","overall":3.0,"unixReviewTime":1000000050,"reviewText":"d"}\n'
        b'{"reviewerID":"ann","asin":"y","overall":4.0,"unixReviewTime":1000000100,"reviewText":"e"}\n'
    ),
    "milliseconds": ROWS.replace("1000000000", "1000000000000")
    .replace("1000000050", "1000000050000")
    .replace("1000000100", "1000000100000")
    .encode(),
    "iso": ROWS.replace("1000000000", "2001-09-09T01:46:40Z")
    .replace("1000000050", "2001-09-09 01:47:30")
    .replace("1000000100", "2001-09-09T03:48:20.000+02:00")
    .encode(),
    "unsorted": b"user,item,rating,timestamp\nann,y,4,1000000100\nbob,y,3,1000000050\nann,x,5,1000000000\n",
}


@pytest.mark.parametrize("how", SAME)
def test_the_same_log_however_it_is_written(tmp_path, how):
    log = read_interactions(write(tmp_path, SAME[how]), strict=True)
    assert events(log) == EXPECTED
    assert log.values_are == "rating"
    assert log.report.n_rejected == 0
    assert log.report.rows == 3


NOTHING = {
    "empty": (b"", "empty"),
    "header alone": (b"user,item,rating\n", "header and no rows"),
    "blank lines alone": (b"\n \n\n", "blank lines"),
    "binary": (bytes(range(256)) * 20, "binary"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "picture"),
    "zip": (b"PK\x03\x04" + b"x" * 50, "zip"),
    "start of a Parquet file": (b"PAR1" + b"x" * 50, "this Parquet file is truncated: its end is missing"),
    "damaged Parquet file": (b"PAR1" + b"x" * 50 + b"PAR1", "this Parquet file is damaged"),
    "start of an Arrow file": (b"ARROW1" + b"x" * 50, "this Arrow file is truncated: its end is missing"),
    "one column": (b"hello\nworld\n", "separator"),
    "no item column": (b"user,colour\na,red\nb,blue\n", "item"),
    "no user column": (b"colour,item\nred,a\nblue,b\n", "user"),
    "every row bad": (b"user,item,rating\na,x,much\nb,y,little\n", "not a number"),
    "truncated gzip": (gzip.compress(ROWS.encode() * 50)[:12], "too early"),
}


@pytest.mark.parametrize("what", NOTHING)
def test_a_file_of_which_nothing_can_be_used_is_one_clear_error(tmp_path, what):
    content, expected = NOTHING[what]
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=expected) as error:
        read_interactions(path)
    assert str(path) in str(error.value)


def test_a_folder_and_names_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="folder"):
        read_interactions(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_interactions(tmp_path / "nobody.csv")
    with pytest.raises(DataError, match="no file matches"):
        read_interactions(str(tmp_path / "*.csv"))


def test_a_glob_reads_all_files_but_those_of_rejected_rows(tmp_path):
    write(tmp_path, "user,item,rating\na,x,5\na,y,bad\n", "1.csv")
    write(tmp_path, "user,item,rating\nb,y,4\n", "2.csv")
    for _ in range(2):  # the second time 1.csv.rejected.csv lies there too
        log = read_interactions(str(tmp_path / "*.csv"))
        assert events(log) == [("a", "x", 5, None), ("b", "y", 4, None)]
    assert (tmp_path / "1.csv.rejected.csv").exists()


BAD = (
    "user,item,rating,timestamp\n"  # 1
    "ann,x,5,1000000000\n"  # 2
    "ann,,4,1000000000\n"  # 3
    '"ann","a\nb",4,1000000000\n'  # 4 and 5: an id over two lines
    "ann,y,NaN,1000000000\n"  # 6
    "ann,y,inf,1000000000\n"  # 7
    "\n"  # 8
    "ann,y,good,1000000000\n"  # 9
    "ann,y,4,yesterday\n"  # 10
    "ann,y\n"  # 11
    "user,item,rating,timestamp\n"  # 12
    "ann,y,,1000000000\n"  # 13
    "bob,y,2,1000000000,extra,more\n"  # 14
    'bob,"y,2,1000000000\n'  # 15: a quote that never closes
    "bob,z,1,1000000000\n"  # 16
    "bob,y"  # 17
)
REASONS = {
    3: ("item", "the id is missing"),
    4: ("item", "the id contains a control character"),
    6: ("value", "the value is not a number (NaN)"),
    7: ("value", "the value is infinite"),
    9: ("value", "this is not a number"),
    10: ("time", "this is not a time"),
    11: ("", "2 fields, expected 4"),
    12: ("", "the header again"),
    13: ("value", "the value is missing"),
    14: ("", "6 fields, expected 4"),
    15: ("", "a quote is opened and never closed"),
    17: ("", "2 fields, expected 4: the last line is cut off"),
}


def test_bad_rows_are_named_with_line_column_value_and_reason_and_the_good_ones_stay(tmp_path):
    path = write(tmp_path, BAD)
    log = read_interactions(path)
    assert events(log) == [("ann", "x", 5, 1000000000), ("bob", "z", 1, 1000000000)]
    assert {row.line: (row.column, row.reason) for row in log.report.rejected} == REASONS
    assert log.report.n_rejected == len(REASONS)
    assert (log.report.rows, log.report.kept) == (len(REASONS) + 2, 2)
    with (tmp_path / "log.csv.rejected.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [int(row["line"]) for row in written] == sorted(REASONS)
    assert {row["file"] for row in written} == {str(path)}
    assert next(row["value"] for row in written if row["line"] == "9") == "good"
    assert next(row["row"] for row in written if row["line"] == "11") == "ann,y"


def test_strict_makes_a_bad_row_an_error(tmp_path):
    with pytest.raises(DataError, match=r"log\.csv, line 3, column 'item': the id is missing"):
        read_interactions(write(tmp_path, BAD), strict=True)
    assert not (tmp_path / "log.csv.rejected.csv").exists()


def test_rejected_rows_go_to_the_working_folder_where_the_logs_folder_cannot_be_written(tmp_path, monkeypatch):
    path = write(tmp_path, BAD)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    real = Path.open

    def refuse(self, mode="r", *args, **kwargs):
        if "w" in mode and self.parent == tmp_path:
            raise PermissionError(13, "Permission denied")
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    log = read_interactions(path)
    assert log.report.rejected_files == [str(work / "log.csv.rejected.csv")]
    assert (work / "log.csv.rejected.csv").exists()
    assert any("cannot be written" in note for note in log.report.notes)


def test_a_folder_that_is_marked_read_only_is_left_alone_even_by_the_superuser(tmp_path, monkeypatch):
    folder, work = tmp_path / "data", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    path = write(folder, BAD)
    folder.chmod(0o555)
    monkeypatch.chdir(work)
    try:
        log = read_interactions(path)
        assert [found.name for found in folder.iterdir()] == ["log.csv"]
    finally:
        folder.chmod(0o755)
    assert log.report.rejected_files == [str(work / "log.csv.rejected.csv")]
    assert any("cannot be written" in note for note in log.report.notes)


def test_where_no_folder_can_be_written_the_log_is_read_all_the_same_and_it_says_so(tmp_path, monkeypatch):
    path = write(tmp_path, BAD)
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o555)
    try:
        log = read_interactions(path)
        assert [found.name for found in tmp_path.iterdir()] == ["log.csv"]
    finally:
        tmp_path.chmod(0o755)
    assert (len(log), log.report.rejected_files) == (2, [])
    assert any("could not be written" in note for note in log.report.notes)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "gb18030"])
def test_encodings_are_told_apart(tmp_path, encoding):
    names = ["Amélie", "Señor", "Über", "naïve"] if encoding != "gb18030" else ["霸王别姬", "活着", "卧虎藏龙", "英雄"]
    text = "user,item\n" + "".join(f"u{i},{name}\n" for i, name in enumerate(names))
    log = read_interactions(write(tmp_path, text.encode(encoding)))
    assert log.vocab.ids == names
    assert read_interactions(write(tmp_path, text.encode(encoding)), encoding=encoding).vocab.ids == names


def test_a_damaged_row_in_a_utf8_log_is_rejected_and_no_other(tmp_path):
    good = "".join(f"u{i},größe{i}\n" for i in range(50)).encode()
    log = read_interactions(write(tmp_path, b"user,item\n" + good + b"u,gr\xf6\xdfe\n" + good))
    assert log.report.n_rejected == 1
    assert log.report.rejected[0].line == 52
    assert "encoding" in log.report.rejected[0].reason
    assert len(log) == 100


def test_ids_are_one_however_they_are_written(tmp_path):
    log = read_interactions(write(tmp_path, 'user,item\n1,7\n"1",7\n 1,7 \n1.0,7.0\n'))
    assert log.user_ids == ["1"]
    assert log.vocab.ids == ["7"]
    assert log.vocab.external(0) == "7"
    assert len(log) == 4


def test_one_user_one_item(tmp_path):
    log = read_interactions(write(tmp_path, "user,item\nu,i\n"))
    assert (log.n_users, log.n_items, len(log), log.values_are) == (1, 1, 1, "none")


def test_times_before_1970_and_after_2100_stay_and_are_flagged(tmp_path):
    log = read_interactions(
        write(tmp_path, "user,item,time\nu,a,-86400\nu,b,1500000000\nu,c,5000000000\nv,a,1500000001\n")
    )
    assert log.times.tolist() == [-86400, 1500000000, 5000000000, 1500000001]
    found = [finding for finding in log.report.findings if finding.check == "impossible times"]
    assert [(finding.line, finding.column, finding.value) for finding in found] == [
        (2, "time", "-86400"),
        (4, "time", "5000000000"),
    ]


def test_ten_thousand_events_of_one_user_in_any_order(tmp_path):
    rng = np.random.default_rng(5)
    times = rng.permutation(10_000) + 1_500_000_000
    log = read_interactions(write(tmp_path, "user,item,time\n" + "".join(f"u,{t % 97},{t}\n" for t in times)))
    assert (np.diff(log.times) == 1).all()
    assert (log.items == log.vocab.encode([str(t % 97) for t in log.times])).all()


def test_quotes_separators_and_newlines_inside_fields(tmp_path):
    text = 'note,user,item\n"a, b",u,"x, ""y"""\n"over\ntwo lines",u,z\n,v,"w"\n5" disk,v,q\n'
    log = read_interactions(write(tmp_path, text), strict=True)
    assert [log.vocab.ids[i] for i in log.items] == ['x, "y"', "z", "w", "q"]


def test_columns_by_name_by_number_and_wrong_ones(tmp_path):
    path = write(tmp_path, "who,what,how\na,x,1\nb,y,2\n")
    for columns in ("user=who,item=what,value=how", {"user": "1", "item": "2", "value": "3"}):
        log = read_interactions(path, columns=columns)
        assert events(log) == [("a", "x", 1, None), ("b", "y", 2, None)]
        assert log.values_are == "weight"
    with pytest.raises(DataError, match="no column 'whom'"):
        read_interactions(path, columns="user=whom,item=what")
    with pytest.raises(DataError, match="same column"):
        read_interactions(path, columns="user=who,item=who")


@pytest.mark.parametrize(
    ("text", "layout", "expected"),
    [
        ("196\t242\t3\t881250949\n186\t302\t4\t891717742\n", "MovieLens", ("196", "242", 3, 881250949)),
        ("1::1193::5::978300760\n1::661::3::978302109\n", "MovieLens", ("1", "1193", 5, 978300760)),
        ("A2SUAM1J3GNN3B,0001393774,5.0,1371340800\nA2SUAM1J3GNN3C,B00005B6CB,1.0,1371340801\n",
         "Amazon reviews, ratings only", ("A2SUAM1J3GNN3B", "0001393774", 5, 1371340800)),
        ("0001393774,A2SUAM1J3GNN3B,5.0,1371340800\nB00005B6CB,A2SUAM1J3GNN3C,1.0,1371340801\n",
         "Amazon reviews, ratings only", ("A2SUAM1J3GNN3B", "0001393774", 5, 1371340800)),
    ],
)  # fmt: skip
def test_layouts_without_header(tmp_path, text, layout, expected):
    log = read_interactions(write(tmp_path, text))
    assert log.report.sources[0].layout == layout
    assert expected in events(log)
    assert log.values_are == "rating"


def test_a_damaged_parquet_file_is_read_or_refused(tmp_path: Path) -> None:
    whole = pl.DataFrame({"user": [f"u{n % 50}" for n in range(500)], "item": [f"i{n % 70}" for n in range(500)]})
    whole.write_parquet(tmp_path / "log.parquet")
    data = (tmp_path / "log.parquet").read_bytes()
    refused: list[str] = []
    for place in range(4, len(data), 23):
        (tmp_path / "damaged.parquet").write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            read_interactions(tmp_path / "damaged.parquet", rejected=tmp_path / "rejected.csv")
        except DataError as wrong:
            refused.append(str(wrong))
    assert len(refused) > 10
    assert all("damaged.parquet" in message for message in refused)
