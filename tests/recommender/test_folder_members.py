"""Folders of composites, statistics and refusals: where each part goes, and what exactly is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.outputs import reachable_file
from penchant.data.catalog import Catalog
from penchant.data.vocab import Vocab
from penchant.errors import DataError, FormatError, ParameterError
from penchant.recommender.folder import atomic
from penchant.recommender.folder.load import verify
from penchant.recommender.recommender import Recommender, load, save

N = 8
TRAIN = Histories.from_lists([[0, 1, 2], [1, 2, 3], [4, 5], [5, 6, 7], [0, 7]], N)
EVERY = Histories.from_lists([[item] for item in range(N)], N)


def recommender(model: pc.Model) -> Recommender:
    return Recommender(Vocab([f"i{n}" for n in range(N)]), model.fit(TRAIN))


@pytest.fixture
def blend() -> Recommender:
    inner = pc.Blend(members=[pc.Popular(), pc.EASE(reg=5.0)])
    return recommender(pc.Blend(members=[pc.ItemKNN(neighbours=3), inner], weights=[1.0, 2.0]))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_members_have_folders_of_their_own(blend: Recommender, tmp_path: Path) -> None:
    save(blend, tmp_path / "m")
    members = ["models/0", "models/1", "models/1/models/0", "models/1/models/1"]
    assert files(tmp_path / "m") == sorted(
        ["items.parquet", "manifest.json", "model.safetensors"]
        + [f"{member}/{name}" for member in members for name in ("manifest.json", "model.safetensors")]
    )
    text = (tmp_path / "m" / "manifest.json").read_text()
    manifest = json.loads(text)
    assert text == json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    assert manifest["members"] == 2 and manifest["format"] == 1
    inner = json.loads((tmp_path / "m/models/1/manifest.json").read_text())
    assert set(inner) == {"format", "model", "members", "arrays", "files", "sha256"}
    assert inner["format"] == 1 and inner["members"] == 2 and inner["model"]["model"] == "blend"
    assert set(inner["files"]) == {"model.safetensors"}
    assert inner["arrays"]["mix"] == "F32[2]" and inner["arrays"]["item_counts"] == f"I64[{N}]"


def test_members_come_back(blend: Recommender, tmp_path: Path) -> None:
    blend.save(tmp_path / "m")
    back = load(tmp_path / "m")
    np.testing.assert_array_equal(back.model.score(EVERY), blend.model.score(EVERY))
    assert back.version == blend.version == pc.load(str(tmp_path / "m")).version
    checked = verify(tmp_path / "m")
    assert checked["files"]["models/1/models/0/model.safetensors"] > 0
    assert (
        checked["bytes"]
        == sum(checked["files"].values())
        == sum(path.stat().st_size for path in (tmp_path / "m").rglob("*") if path.is_file())
    )
    assert checked["model"] == {"name": "blend", "version": blend.version} and checked["items"] == N
    assert set(checked) == {"folder", "format", "penchant", "created", "model", "items", "bytes", "files"}
    assert checked["folder"] == str(tmp_path / "m") and checked["format"] == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(members=1), "manifest.json says 1 members, the model 'blend' has 2"),
        (lambda m: m.update(members="2"), "manifest.json says '2' members, the model 'blend' has 2"),
        (lambda m: m.update(members=-1), "manifest.json says -1 members, the model 'blend' has 2"),
        (
            lambda m: m["model"]["params"]["members"].reverse(),
            "models/0 is another model than the one manifest.json names",
        ),
    ],
)
def test_members_that_do_not_fit_are_refused(blend: Recommender, tmp_path: Path, change: object, says: str) -> None:
    blend.save(tmp_path / "m")
    forge(tmp_path / "m", change)
    with pytest.raises(FormatError) as refused:
        load(tmp_path / "m")
    assert str(refused.value) == f"{tmp_path / 'm'}: {says}"


def forge(folder: Path, change: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.pop("sha256")
    change(manifest)  # type: ignore[operator]  # a function
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_model_without_members_takes_none(tmp_path: Path) -> None:
    recommender(pc.Popular()).save(tmp_path / "m")
    recommender(pc.Popular()).save(tmp_path / "m/models/0")
    member = tmp_path / "m/models/0"
    forge(member, lambda m: [m.pop(key) for key in ("penchant", "created", "version", "input", "fitted_on", "vocab")])
    manifest = json.loads((member / "manifest.json").read_text())
    manifest["files"].pop("items.parquet")
    (member / "manifest.json").write_text(json.dumps(manifest))
    forge(tmp_path / "m", lambda m: m.update(members=1))
    with pytest.raises(FormatError) as refused:
        load(tmp_path / "m")
    assert str(refused.value) == f"{tmp_path / 'm'}: manifest.json says 1 members, the model 'popular' takes none"


def test_statistics_are_loaded_only_on_request(tmp_path: Path) -> None:
    model = pc.Popular()
    model.fit(TRAIN, updatable=True)
    Recommender(Vocab([f"i{n}" for n in range(N)]), model).save(tmp_path / "m")
    assert "statistics.safetensors" in files(tmp_path / "m")
    assert load(tmp_path / "m").model.statistics is None
    back = load(tmp_path / "m", statistics=True)
    np.testing.assert_array_equal(back.model.statistics.weight, model.statistics.weight)
    recommender(pc.Popular()).save(tmp_path / "plain")
    with pytest.raises(FormatError) as refused:
        load(tmp_path / "plain", statistics=True)
    assert str(refused.value) == f"{tmp_path / 'plain'}: it holds no statistics: fit the model with updatable=True"


def test_what_cannot_be_loaded_or_replaced_is_named(tmp_path: Path) -> None:
    rec = recommender(pc.Popular())
    (tmp_path / "file").write_text("text")
    with pytest.raises(DataError) as refused:
        load(tmp_path / "nothing")
    assert str(refused.value) == (
        f"{tmp_path / 'nothing'}: there is no such folder. penchant fit LOG -o FOLDER makes one."
    )
    with pytest.raises(DataError) as refused:
        load(tmp_path / "file")
    assert str(refused.value) == f"{tmp_path / 'file'}: this is a file, a saved recommender is a folder"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    rec.save(tmp_path / "m")
    for folder, force, says in (
        ("file", True, "exists and is not a folder: choose another name"),
        ("m", False, "exists: choose another name, or force its replacement (--force, force=True)"),
        ("other", True, "is not a saved recommender: it is not replaced, not even by force"),
        ("file/m", False, f"cannot be written: {tmp_path / 'file'} is not a folder"),
    ):
        with pytest.raises(ParameterError) as kept:
            rec.save(tmp_path / folder, force=force)
        assert str(kept.value) == f"{tmp_path / folder} {says}"
    assert (tmp_path / "other" / "notes.txt").read_text() == "mine"
    with pytest.raises(ParameterError) as kept:
        reachable_file(tmp_path / "other")
    assert str(kept.value) == f"{tmp_path / 'other'} is a folder: name a file"
    reachable_file(tmp_path / "other" / "new" / "file.parquet")
    with pytest.raises(ParameterError, match="is not a folder"):
        reachable_file(tmp_path / "file" / "new")


def test_the_name_of_a_folder_is_only_a_name(tmp_path: Path) -> None:
    """Neither a pattern of files nor a partition of a table."""
    vocab = Vocab([f"i{n}" for n in range(N)])
    catalog = Catalog(vocab, ["Title"] * N, {"year": [1990 + n for n in range(N)]})
    rec = Recommender(vocab, pc.Popular().fit(TRAIN), catalog=catalog)
    folder = tmp_path / "year=2020" / "m[1]*"
    rec.save(folder)
    back = load(folder)
    assert back.catalog.attributes == catalog.attributes and back.catalog.titles == catalog.titles


def test_folders_are_exchanged_only_where_the_system_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / folder.name).write_text("")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert atomic._exchange(one, other) is False and files(one) == ["one"]
    monkeypatch.setattr(sys, "platform", "linux")

    def without(name: object, use_errno: bool) -> object:
        return object()  # a library without the call

    with monkeypatch.context() as patch:
        patch.setattr(atomic.ctypes, "CDLL", without)
        assert atomic._exchange(one, other) is False
    assert atomic._exchange(one, tmp_path / "nothing") is False and files(one) == ["one"]
    swapped = atomic._exchange(one, other)
    assert files(one) == (["other"] if swapped else ["one"])
