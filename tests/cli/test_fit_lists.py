"""``fit --lists``: a folder and lists for everybody, whole or not at all, from one reading of the log."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import penchant as pc
from penchant.recommender import bulk

MODEL = ("-m", "item-knn:neighbours=6")


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_the_lists_are_those_of_recommend_all(run, shop: Path, tmp_path: Path, ending: str) -> None:
    log, lists, model = shop / "log.csv", tmp_path / f"lists.{ending}", tmp_path / "m"
    said = run("fit", log, "--items", shop / "items.csv", *MODEL, "-o", model, "--lists", lists, "-k", 3)
    assert said.code == 0
    assert said.out.endswith(f"{lists}: up to 3 items for each of 50 users\n")
    again = tmp_path / f"again.{ending}"
    assert run("recommend", model, "--all", "--log", log, "-k", 3, "-o", again).code == 0
    assert lists.read_bytes() == again.read_bytes()
    assert run("verify", model).code == 0
    assert pc.load(model).version == pc.load(shop / "model").version


def test_options_of_lists(run, shop: Path, tmp_path: Path) -> None:
    log = shop / "log.csv"
    said = run("fit", log, *MODEL, "-o", tmp_path / "m", "--lists", tmp_path / "a.csv", "--repeat", "--json")
    assert json.loads(said.out)["lists"] == {"file": str(tmp_path / "a.csv"), "users": 50, "k": 10}
    assert run("recommend", tmp_path / "m", "--all", "--log", log, "--repeat", "-o", tmp_path / "b.csv").code == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert pl.read_csv(tmp_path / "a.csv").group_by("user").len()["len"].max() == 10
    (tmp_path / "odd.csv").write_text("user,item\n=1+1,a\n=1+1,b\nu,b\nu,c\n")
    odd = ("fit", tmp_path / "odd.csv", "-m", "popular", "--force", "-o", tmp_path / "p", "--lists")
    assert run(*odd, tmp_path / "s.csv", "--spreadsheet").code == 0
    assert "'=1+1" in (tmp_path / "s.csv").read_text()
    assert run(*odd, tmp_path / "t.csv").code == 0
    assert "'=1+1" not in (tmp_path / "t.csv").read_text()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["-k", "3"], "-k and --spreadsheet apply to lists: name their file with --lists"),
        (["--spreadsheet"], "-k and --spreadsheet apply to lists: name their file with --lists"),
        (["--repeat"], "--budget, --metric and --repeat apply only when no model is given with -m"),
        (["--lists", "new.parquet", "-k", "0"], "k must be a whole number from 1, got 0"),
        (["--lists", "new.txt"], "lists are written to a .parquet, .jsonl or .csv file, not to 'new.txt'"),
        (["--lists", "new.parquet", "--spreadsheet"], "--spreadsheet applies to a .csv file, not to new.parquet"),
        (["--lists", "old.csv"], "old.csv exists: name another file, or force its replacement (--force, force=True)"),
        (["--lists", "no such log.csv"], "no such log.csv"),
        (["--lists", "m"], "lists are written to a .parquet, .jsonl or .csv file, not to 'm'"),
    ],
)
def test_lists_are_refused_before_the_work(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.csv").write_text("years of work")
    said = run("fit", "no such log.csv", "-m", "popular", "-o", "m", *options)
    assert said.code == 2
    assert why in said.err
    assert (tmp_path / "old.csv").read_text() == "years of work"
    assert not (tmp_path / "m").exists()


def test_lists_never_replace_an_input_or_another_output(run, shop: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes((shop / "log.csv").read_bytes())
    for other in (log, tmp_path / "m" / "inside.csv", tmp_path / "m.csv"):
        said = run("fit", log, "-m", "popular", "-o", tmp_path / "m.csv", "--lists", other, "--force")
        if other != tmp_path / "m" / "inside.csv":
            assert said.code == 2
    assert log.read_bytes() == (shop / "log.csv").read_bytes()


def test_a_failure_leaves_neither_the_folder_nor_the_lists(
    run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    command = ("fit", shop / "log.csv", *MODEL, "-o", tmp_path / "m", "--lists", tmp_path / "l.parquet")
    for place in ("penchant.recommender.bulk._parquet", "penchant.recommender.folder.tensors.write"):
        with monkeypatch.context() as patched:
            patched.setattr(place, full)
            said = run(*command)
        assert said.code == 1
        assert "cannot be written" in said.err and "No space left on device" in said.err
        assert list(tmp_path.iterdir()) == []
    assert run(*command).code == 0


def test_a_disk_that_is_full_is_named(run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars reports a full disk in an error of its own."""

    def full(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    said = run("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "m", "--lists", tmp_path / "l.parquet")
    assert said.code == 1
    assert f"{tmp_path}/l.parquet: cannot be written (No space left on device" in said.err
    assert list(tmp_path.iterdir()) == []


def test_many_small_tables_are_one_file(run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rec, log = pc.load(shop / "model"), pc.read_interactions(shop / "log.csv")
    rec.write_all(log, tmp_path / "whole.parquet", 4)
    whole = pl.read_parquet(tmp_path / "whole.parquet")
    for size in (1, 2000):
        monkeypatch.setattr(bulk, "PART_BYTES", size)
        rec.write_all(log, tmp_path / "parts.parquet", 4, memory=400 * 4 * 3, force=True)
        assert pl.read_parquet(tmp_path / "parts.parquet").equals(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.parquet", "whole.parquet"]


STEPS = {
    "reading": "penchant.data.reading.assemble._assemble",
    "fitting": "penchant.models.item_knn.nearest_items",
    "ranking": "penchant.recommender.bulk.rank_or_popular",
    "writing the lists": "penchant.recommender.bulk.flush",
    "writing the folder": "penchant.recommender.folder.save.seal",
    "between folder and lists": "penchant.core.outputs.publish",
    "after the lists": "penchant.recommender.folder.atomic.settle",
}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_leaves_nothing_half_done_and_the_same_command_works_again(
    shop: Path, tmp_path: Path, step: str
) -> None:
    model, lists = tmp_path / "m", tmp_path / "l.parquet"
    arguments = ["fit", shop / "log.csv", *MODEL, "-o", model, "--lists", lists, "-k", 3]

    def command(killed: str) -> int:
        program = f"{killed}\nimport sys; from penchant.cli.main import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=False, capture_output=True)
        return done.returncode

    module, _, name = STEPS[step].rpartition(".")
    kill = f"import os, {module} as module; module.{name} = lambda *_, **__: os.kill(os.getpid(), {signal.SIGKILL})"
    assert command(kill) == -signal.SIGKILL
    assert model.exists() == (step in {"between folder and lists", "after the lists"})
    assert lists.exists() == (step == "after the lists")
    if model.exists():
        assert pc.load(model).version == pc.load(shop / "model").version
    if step == "between folder and lists":  # no other command may take advantage of it
        other = tmp_path / "thesis.csv"
        other.write_text("years of work")
        assert command(f"import sys; sys.argv[sys.argv.index({str(lists)!r})] = {str(other)!r}") == 2
        assert other.read_text() == "years of work"
    assert command("") == 0
    assert pl.read_parquet(lists).height == 150
    assert not (model / ".pending").exists()
    assert command("") == 2  # both are complete, and neither is replaced
