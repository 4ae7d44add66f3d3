"""``fit`` and ``verify``: a log becomes a folder, and the folder is what was saved."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import penchant as pc


def test_a_folder_is_written_and_described(run, shop: Path, tmp_path: Path) -> None:
    said = run("fit", shop / "log.csv", "--items", shop / "items.csv", "-m", "item-knn", "-o", tmp_path / "m", "--json")
    document = json.loads(said.out)
    rec = pc.load(tmp_path / "m")
    assert document["model"] == {"name": "item-knn", "version": rec.version}
    assert document["fitted_on"] == rec.fitted_on
    assert rec.fitted_on["events"] == 200
    text = run("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "p")
    assert "200 events of 50 users and 12 items" in text.out.replace("\n", " ")
    assert text.err == ""


def rated(folder: Path) -> Path:
    """Three users, four items; 3 of 7 ratings are 4 or more, by two users, of two items."""
    rows = ["a,x,5", "a,y,4", "a,z,1", "b,x,4", "b,z,2", "c,z,1", "c,w,2"]
    (folder / "rated.csv").write_text("user,item,rating\n" + "\n".join(rows) + "\n")
    return folder / "rated.csv"


def test_positives_and_all_rows_are_told_apart(run, tmp_path: Path) -> None:
    said = run("fit", rated(tmp_path), "--positive", "value>=4", "-m", "popular", "-o", tmp_path / "m")
    assert "(3 positive of 7 events, 2 of 3 users, 2 of 4 items)" in said.out
    said = run("fit", rated(tmp_path), "-m", "popular", "-o", tmp_path / "all")
    assert "on 7 events of 3 users and 4 items" in said.out


@pytest.mark.parametrize("command", ["fit", "evaluate", "tune"])
def test_a_rule_that_fits_nothing_is_bad_input(run, tmp_path: Path, command: str) -> None:
    output = [] if command == "evaluate" else ["-o", tmp_path / "out"]
    said = run(command, rated(tmp_path), "--positive", "value>=9", "-m", "popular", *output)
    assert (said.code, said.out) == (2, "")
    assert said.err == "penchant: no row matches value>=9; values go from 1 to 5\n"


def test_an_output_folder_that_exists_is_refused_before_the_work(run, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    said = run("fit", tmp_path / "no such log.csv", "-m", "popular", "-o", tmp_path / "m")
    assert said.code == 2
    assert "exists" in said.err
    assert "no such log" not in said.err
    (tmp_path / "m" / "thesis.txt").write_text("years of work")
    assert run("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "m", "--force").code == 2
    (tmp_path / "m" / "thesis.txt").unlink()
    assert run("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "m", "--force").code == 0
    assert run("fit", shop / "log.csv", "-m", "random", "-o", tmp_path / "m", "--force").code == 0
    assert pc.load(tmp_path / "m").model == pc.Random()


@pytest.mark.parametrize("command", ["fit", "tune"])
def test_a_model_that_does_not_exist_is_named_before_the_output_that_does(run, shop: Path, command: str) -> None:
    said = run(command, "log.csv", "-m", "popluar", "-o", shop / "model")
    assert said.code == 2
    assert "popluar" in said.err and "exists" not in said.err and "is a folder" not in said.err


def test_a_device_without_use_is_a_note(run, shop: Path, tmp_path: Path) -> None:
    said = run("fit", shop / "log.csv", "-m", "popular", "--device", "cuda", "-o", tmp_path / "m")
    assert said.code == 0
    assert said.err == "penchant: popular was fitted on the CPU: only neural models use the device 'cuda'\n"


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "log.csv", "-m", "popular", "-o", "OUT/m"],
        ["fit", "log.csv", "-m", "popular", "-o", "m", "--curve", "OUT/c.svg"],
        ["tune", "log.csv", "-m", "popular", "-o", "OUT/p.json"],
        ["recommend", "model", "--all", "--log", "log.csv", "-o", "OUT/lists.parquet"],
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(
    run, shop: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(shop)
    before = sorted(shop.iterdir())
    for out, why in (("log.csv", "log.csv is not a folder"), ("log.csv/deep", "log.csv is not a folder")):
        said = run(*(word.replace("OUT", out) for word in command))
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f"penchant: {out}/")
        assert said.err.endswith(f"{why}\n")
    assert sorted(shop.iterdir()) == before


def test_a_folder_that_takes_nothing_is_bad_input_and_a_write_that_fails_is_not(
    run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", forbidden)
        said = run("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "m")
    told = f"penchant: {tmp_path}/m cannot be written: {tmp_path} is not writable (Permission denied)\n"
    assert (said.code, said.err) == (2, told)

    def full(path: Path, arrays: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("penchant.recommender.folder.tensors.write", full)
    said = run("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "m")
    told = rf"penchant: {tmp_path}/m: cannot be written \(No space left on device: [\d,.]+ MiB are free\)\n"
    assert said.code == 1
    assert re.fullmatch(told, said.err)
    assert list(tmp_path.iterdir()) == []


def test_rows_marked_test_are_left_out_and_it_says_so(run, tmp_path: Path) -> None:
    rows = [f"u{u},i{n},{'test' if n == 3 else 'train'}" for u in range(9) for n in range(4)]
    (tmp_path / "log.csv").write_text("user,item,split\n" + "\n".join(rows) + "\n")
    said = run("fit", tmp_path / "log.csv", "-m", "popular", "-o", tmp_path / "m")
    assert said.code == 0
    assert "9 rows with split=test were not used" in said.err
    assert pc.load(tmp_path / "m").item_counts.tolist() == [9, 9, 9, 0]


def test_what_fit_had_to_cut_is_said(run, shop: Path, tmp_path: Path) -> None:
    said = run("fit", shop / "log.csv", "-m", "item-knn:max_history=2", "-o", tmp_path / "m")
    assert "50 histories were cut to their newest 2 events" in said.err


def test_a_model_can_stand_in_a_file(run, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text('{"model": "item-knn", "params": {"neighbours": 3, "shrink": 2}}')
    assert run("fit", shop / "log.csv", "-m", f"@{tmp_path}/spec.json", "-o", tmp_path / "m").code == 0
    assert pc.load(tmp_path / "m").model == pc.ItemKNN(neighbours=3, shrink=2.0)


@pytest.mark.parametrize(
    "model",
    [
        "nothing",
        "item-knn:neighbours",
        "item-knn:neighbours=-1",
        "item-knn:neighbours=some",
        "item-knn:nieghbours=3",
        "@missing.json",
        "@broken.json",
        "@list.json",
        "@strange.json",
    ],
)
def test_a_model_that_cannot_be_is_bad_input(
    run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    Path("list.json").write_text("[1]")
    Path("strange.json").write_text('{"model": "popular", "params": {}, "code": "x"}')
    said = run("fit", shop / "log.csv", "-m", model, "-o", "m")
    assert said.code == 2
    assert said.err.startswith("penchant: ")
    assert not Path("m").exists()


def test_verify_tells_sound_from_damaged(run, shop: Path, tmp_path: Path) -> None:
    assert run("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "m").code == 0
    document = json.loads(run("verify", tmp_path / "m", "--json").out)
    assert document["model"]["name"] == "popular"
    assert "is intact" in run("verify", tmp_path / "m").out.replace("\n", " ")
    data = bytearray((tmp_path / "m" / "model.safetensors").read_bytes())
    data[-1] ^= 255
    (tmp_path / "m" / "model.safetensors").write_bytes(data)
    said = run("verify", tmp_path / "m")
    assert said.code == 1
    assert "has changed since it was saved" in said.err
    assert said.out == ""


@pytest.mark.parametrize("rows", [["u,i"], [f"u,i{n}" for n in range(3)], [f"u{n},i" for n in range(3)]])
@pytest.mark.parametrize("model", ["popular", "random", "item-knn"])
def test_one_user_and_one_item_are_enough(run, tmp_path: Path, rows: list[str], model: str) -> None:
    (tmp_path / "log.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    assert run("fit", tmp_path / "log.csv", "-m", model, "-o", tmp_path / "m").code == 0
    said = run("recommend", tmp_path / "m", "--history", rows[0].partition(",")[2], "--repeat", "-k", 5, "--json")
    assert len(json.loads(said.out)["items"]) == len({row.partition(",")[2] for row in rows})
