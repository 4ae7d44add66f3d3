from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from penchant.errors import DataError
from penchant.evaluation.candidates import read_candidates
from tests.evaluation.small_logs import a_log, lists_of

LOG = a_log([[0, 1, 2], [3, 4, 5], [6, 7]])


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("long.csv", "user,item\nu0,i5\nu0,i4\nu1,i1\nu9,i1\nu1,nothing\n"),
        ("long.tsv", "userId\titemId\nu0\ti5\nu0\ti4\nu1\ti1\n"),
        ("lists.csv", 'user,items\nu0,"i5 i4"\nu1,i1\n'),
        ("bars.csv", "user;candidates\nu0;i5|i4\nu1;i1\n"),
        ("json.csv", 'user,negatives\nu0,"[""i5"", ""i4""]"\nu1,"[""i1""]"\n'),
    ],
)
def test_text_in_every_shape(tmp_path: Path, name: str, text: str) -> None:
    assert lists_of(read_candidates(written(tmp_path, name, text), LOG)) == [[4, 5], [1], []]


def test_json_lines_and_parquet_lists_with_the_true_item_beside(tmp_path: Path) -> None:
    rows = [{"user": "u0", "item": "i3", "negatives": ["i5", "i4"]}, {"user": "u1", "item": "i0", "negatives": ["i1"]}]
    lines = written(tmp_path, "lists.jsonl", "\n".join(json.dumps(row) for row in rows))
    pl.DataFrame(rows).write_parquet(tmp_path / "lists.parquet")
    for file in (lines, tmp_path / "lists.parquet"):
        assert lists_of(read_candidates(file, LOG)) == [[3, 4, 5], [0, 1], []]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,item\nu0,i5\nu1,i1\n", []),
        (
            "user,item\nu0,i5\nu9,i1\nu1,nothing\nu1,nil\nu8,none\n",
            [
                "2 of 5 rows ignored: unknown users, such as 'u9'",
                "2 of 5 rows ignored: unknown items, such as 'nothing'",
            ],
        ),
        ("user,items\nu0,i5 i4 x\n", ["1 of 3 candidates ignored: unknown items, such as 'x'"]),
    ],
)
def test_what_is_named_in_vain_is_counted_with_an_example(tmp_path: Path, text: str, said: list[str]) -> None:
    heard: list[str] = []
    file = written(tmp_path, "some.csv", text)
    read_candidates(file, LOG, heard.append)
    assert heard == [f"{file}: {line}" for line in said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column names the user"),
        ("user,b\nu0,2\n", "no column holds items"),
        ("user,item\nx,y\n", "no row holds a user and an item"),
        ("", "cannot be read"),
    ],
)
def test_files_of_no_use_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"bad\.csv.*{said}"):
        read_candidates(written(tmp_path, "bad.csv", text), LOG)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: the file of candidates does not exist$"):
        read_candidates(tmp_path / "none.csv", LOG)
