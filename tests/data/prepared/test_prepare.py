"""A prepared log is the log that is read in memory, whatever its format, its options and the size of its parts."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from penchant import read_interactions
from penchant.cli.main import main
from penchant.data.prepared import passing, sorting
from penchant.data.prepared.prepare import prepare
from penchant.data.reading.formats import base
from penchant.errors import DataError, FormatError, ParameterError
from tests.data.prepared.logs import assert_same, shop
from tests.data.reading.corpus import exports

READABLE = [one.file for one in exports() if not one.refused]
REFUSED = [one.file for one in exports() if one.refused]
EXPORTS = {one.file: one for one in exports()}


@pytest.fixture
def small(monkeypatch):
    """Parts of 200 rows and buckets of 150 events, so that small logs have many."""
    monkeypatch.setattr(base, "ROWS", 100)
    monkeypatch.setattr(passing, "ROWS", 200)
    monkeypatch.setattr(sorting, "_events", lambda: 150)


@pytest.mark.parametrize("name", READABLE)
def test_every_export_of_the_corpus_is_the_same_log(tmp_path, name):
    one = EXPORTS[name]
    log = prepare(one.path, tmp_path / "log", rejected=False, **one.options)
    assert_same(log, read_interactions(one.path, rejected=False, **one.options))
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_in_memory_is_refused_here_in_the_same_words(tmp_path, name):
    one = EXPORTS[name]
    with pytest.raises(DataError) as mine:
        prepare(one.path, tmp_path / "log", rejected=False, **one.options)
    with pytest.raises(DataError) as others:
        read_interactions(one.path, rejected=False, **one.options)
    assert str(mine.value) == str(others.value)
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"values": "weight"},
        {"values": "weight", "refund": "oldest", "weight": "log"},
        {"values": "none", "kinds": {"view": 0.0, "buy": 3.0}},
        {"kinds": {"view": 0.0, "cart": 2.0, "buy": "-1:cancels"}, "positive": "value>=1"},
        {"by": "session"},
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_log_with_every_kind_of_column_in_many_parts(tmp_path, small, options, ending):
    table = shop()
    file = tmp_path / f"shop.{ending}"
    getattr(table, f"write_{ending}")(file)
    log = prepare(file, tmp_path / "log", rejected=False, **options)
    assert_same(log, read_interactions(file, rejected=False, **options))
    assert_same(read_interactions(tmp_path / "log"), log)


def test_skewed_weights_become_logarithms_with_the_same_cap(tmp_path, small):
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {"user": rng.integers(0, 80, 2000), "item": rng.integers(0, 50, 2000), "plays": rng.lognormal(0, 3, 2000)}
    )
    table.write_parquet(tmp_path / "plays.parquet")
    log = prepare(tmp_path / "plays.parquet", tmp_path / "log", values="weight")
    assert log.recipe.weight == "log"
    assert_same(log, read_interactions(tmp_path / "plays.parquet", values="weight"))


def test_several_files_with_different_columns_and_types(tmp_path, small):
    one, other = tmp_path / "a.csv", tmp_path / "b.parquet"
    shop(500, 1).drop("quantity", "position").write_csv(one)
    table = shop(700, 2).drop("event").with_columns(pl.int_range(700).mod(30).alias("item"))
    table.write_parquet(other)
    log = prepare([one, other], tmp_path / "log", rejected=False)
    assert_same(log, read_interactions(one, other, rejected=False))
    with pytest.raises(ParameterError, match="read alone"):
        read_interactions(tmp_path / "log", one)


def test_whole_numbers_come_back_as_they_were_given(tmp_path):
    pl.DataFrame({"user": [1, 2, 2], "item": [30, 10, 30]}).write_parquet(tmp_path / "a.parquet")
    prepare(tmp_path / "a.parquet", tmp_path / "log")
    assert read_interactions(tmp_path / "log", ids="as given").vocab.external(0) == 30
    assert read_interactions(tmp_path / "log").vocab.external(0) == "30"


def test_an_item_table_is_given_when_the_folder_is_read(tmp_path):
    shop(50).select("session", "item").write_csv(tmp_path / "a.csv")
    (tmp_path / "items.csv").write_text("item,title\ni9,Nine\nnew,New\n")
    prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    log = read_interactions(tmp_path / "log", items=tmp_path / "items.csv", max_history=7)
    assert log.vocab.ids[-1] == "new"
    assert log.recipe.max_history == 7


def test_rejected_rows_are_written_as_they_are_in_memory(tmp_path, small):
    text = shop(1000).write_csv()
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(text)
    prepare(tmp_path / "a.csv", tmp_path / "log")
    read_interactions(tmp_path / "b.csv")
    mine, others = ((tmp_path / f"{name}.csv.rejected.csv").read_text() for name in ("a", "b"))
    assert mine.replace("a.csv", "b.csv") == others
    assert others.count("\n") > 20


def test_options_that_preparing_has_settled_are_refused(tmp_path):
    shop(50).write_csv(tmp_path / "a.csv")
    prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    for option in ({"values": "none"}, {"kinds": "view=2"}, {"strict": True}, {"refund": "oldest"}):
        with pytest.raises(ParameterError, match=f"{next(iter(option))} is an option of its preparation"):
            read_interactions(tmp_path / "log", **option)


def test_an_existing_folder_is_replaced_only_by_force_and_only_if_it_is_ours(tmp_path):
    shop(50).write_csv(tmp_path / "a.csv")
    first = prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    with pytest.raises(ParameterError, match="exists"):
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    shop(60).write_csv(tmp_path / "b.csv")
    second = prepare(tmp_path / "b.csv", tmp_path / "log", rejected=False, force=True)
    assert len(first) < len(second) == len(read_interactions(tmp_path / "log"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ParameterError, match="is not a prepared log"):
        prepare(tmp_path / "a.csv", tmp_path / "mine", rejected=False, force=True)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_damaged_folder_is_refused(tmp_path):
    shop(50).write_csv(tmp_path / "a.csv")
    prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    column = tmp_path / "log" / "items.npy"
    whole = column.read_bytes()
    for damaged in (whole[:-4], whole[:50], b""):
        column.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"items\.npy"):
            read_interactions(tmp_path / "log")
    column.write_bytes(whole)
    manifest = tmp_path / "log" / "prepared.json"
    newer = json.loads(manifest.read_text()) | {"format": 99}
    for text, words in (
        (json.dumps(newer), "upgrade"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": 1}', "damaged"),
    ):
        manifest.write_text(text)
        with pytest.raises(FormatError, match=words):
            read_interactions(tmp_path / "log")


def test_the_command_prepares_and_the_others_take_the_folder(tmp_path, capsys):
    shop(900).write_csv(tmp_path / "a.csv")
    log, model, lists = (str(tmp_path / name) for name in ("log", "model", "lists.csv"))
    assert main(["prepare", str(tmp_path / "a.csv"), "-o", log, "--kind", "buy=2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["folder"] == log
    assert main(["fit", log, "-m", "item-knn", "-o", model, "--lists", lists]) == 0
    assert (
        main(
            [
                "fit",
                str(tmp_path / "a.csv"),
                "--kind",
                "buy=2",
                "-m",
                "item-knn",
                "-o",
                model + "2",
                "--lists",
                lists + "2.csv",
            ]
        )
        == 0
    )
    assert (tmp_path / "lists.csv").read_bytes() == (tmp_path / "lists.csv2.csv").read_bytes()
    assert main(["recommend", model, "--all", "--log", log, "-o", f"{lists}3.csv"]) == 0
    assert (tmp_path / "lists.csv3.csv").read_bytes() == (tmp_path / "lists.csv").read_bytes()
    assert main(["recommend", model, "--user", "u1", "--log", log]) == 0
    assert main(["evaluate", log, "-m", "popular"]) == 0
    assert main(["plan", log, "-m", "popular"]) == 0
    capsys.readouterr()
    assert main(["inspect", log]) == 2
    assert "name the files that it was made from" in capsys.readouterr().err
    assert main(["prepare", str(tmp_path / "a.csv"), "-o", log, "--items", "x"]) == 2


def test_a_command_prepares_a_log_that_does_not_fit_into_the_memory(tmp_path, capsys, monkeypatch):
    shop(900).write_csv(tmp_path / "a.csv")
    model = str(tmp_path / "model")
    assert main(["fit", str(tmp_path / "a.csv"), "-m", "item-knn", "-o", model, "--lists", f"{model}.csv"]) == 0
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("penchant.data.reading.gathering.ASSEMBLING", 1e9)
    capsys.readouterr()
    command = ["fit", str(tmp_path / "a.csv"), "-m", "item-knn", "-o", model, "--lists", f"{model}.csv", "--force"]
    before = (tmp_path / "model.csv").read_bytes()
    (tmp_path / "model.csv").unlink()
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "reading this log needs more than the" in said
    assert "it is prepared in" in said
    assert (tmp_path / "model.csv").read_bytes() == before
    assert main([*command[:-2], str(tmp_path / "a.csv"), "--force"]) == 2
    assert "is an input" in capsys.readouterr().err
