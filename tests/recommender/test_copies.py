"""Copies that a service maps instead of the originals: one for each content, removed when unused."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.errors import FormatError
from penchant.models.item_knn import ItemKNN
from penchant.recommender.folder import copies as module
from penchant.recommender.folder.copies import Copies, CopyError
from penchant.recommender.folder.load import verify
from penchant.recommender.recommender import Recommender, load

HOLD = """
import sys, time
from penchant.recommender.folder.copies import Copies
from penchant.recommender.recommender import load
held = load(sys.argv[1], copies=Copies(sys.argv[2]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log = pc.read_interactions(pl.DataFrame([{"user": f"u{n % 20}", "item": f"i{n * 7 % 13}"} for n in range(100)]))
    pc.fit(log, ItemKNN(neighbours=3)).save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    return Copies(tmp_path / "deep" / "copies")


def files(copies: Copies) -> list[str]:
    return sorted(path.suffix for path in copies.folder.iterdir() if path.name != module.LOCK)


def answer(rec: Recommender) -> list[float]:
    return [item.score for item in rec.recommend(["i0", "i7"], k=5)]


def test_the_original_may_change_once_it_is_copied(folder: Path, copies: Copies) -> None:
    rec, before = load(folder, copies=copies), answer(load(folder))
    os.truncate(folder / "model.safetensors", 0)  # a process that maps it would be killed
    assert answer(rec) == before
    (copy,) = copies.folder.glob("*.safetensors")
    assert copy.stat().st_mode & 0o777 == 0o400 and copies.folder.stat().st_mode & 0o777 == 0o700


def test_equal_contents_have_one_copy(folder: Path, copies: Copies, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    held = [load(one, copies=copies) for one in (folder, tmp_path / "other", folder)]
    assert files(copies) == [".safetensors"]
    assert answer(held[0]) == answer(held[1])


def test_what_is_used_stays_and_what_is_not_goes(folder: Path, copies: Copies) -> None:
    rec = load(folder, copies=copies)
    (copies.folder / f"{'a' * 64}.part").write_bytes(b"left by a crash")
    (copies.folder / "notes.txt").write_text("of somebody else")
    assert copies.tidy() == 1
    assert files(copies) == [".safetensors", ".txt"]
    del rec
    gc.collect()
    assert copies.tidy() == 1
    assert files(copies) == [".txt"]


def test_other_processes_keep_their_copies_until_they_are_killed(folder: Path, copies: Copies) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), str(copies.folder)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        assert copies.tidy() == 0
        assert files(copies) == [".safetensors"]
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert copies.tidy() == 1


@pytest.mark.parametrize("spoil", ["cut", "changed"])
def test_a_copy_that_was_changed_is_made_again(folder: Path, copies: Copies, spoil: str) -> None:
    load(folder, copies=copies)
    gc.collect()
    (copy,) = copies.folder.glob("*.safetensors")
    copy.chmod(0o600)
    content = copy.read_bytes()
    copy.write_bytes(content[:-4] if spoil == "cut" else content[:-4] + b"\x7f\x7f\x7f\x7f")
    assert answer(load(folder, copies=copies)) == answer(load(folder))
    assert copy.read_bytes() == content


def test_a_file_is_hashed_while_it_is_copied(folder: Path, copies: Copies) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(FormatError, match=r"model\.safetensors has changed since it was saved"):
        load(folder, copies=copies)
    assert files(copies) == []


def test_verifying_reads_the_original_too(folder: Path, copies: Copies) -> None:
    held = load(folder, copies=copies)
    assert verify(folder, copies=copies)["items"] == held.model.n_items
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(FormatError, match="has changed"):
        verify(folder, copies=copies)


@pytest.mark.parametrize("spare", [10, 2**26])
def test_room_on_the_disk_is_checked_first(
    folder: Path, copies: Copies, monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    size = (folder / "model.safetensors").stat().st_size
    monkeypatch.setattr(module, "SPARE", spare)
    needed = size + min(size, spare)
    for free in (needed - 1, needed):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        if free < needed:
            with pytest.raises(
                CopyError,
                match=rf"needs {size:,} bytes and leaves {needed - size:,} free, but .* has {free:,}: make room",
            ):
                load(folder, copies=copies)
            assert files(copies) == []
        else:
            assert np.isfinite(answer(load(folder, copies=copies))).all()


def test_a_folder_that_cannot_be_used_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CopyError, match=r"file/copies cannot be used"):
        load(folder, copies=Copies(tmp_path / "file" / "copies"))
    assert Copies(tmp_path / "nowhere").tidy() == 0


def test_a_hash_is_no_path(folder: Path, copies: Copies) -> None:
    manifest = folder / "manifest.json"
    path = folder / "model.safetensors"
    stated = module.hashlib.sha256(path.read_bytes()).hexdigest()
    text = manifest.read_text().replace(stated, "../../evil")
    lines = [line for line in text.splitlines() if not line.startswith('  "sha256"')]
    manifest.write_text("\n".join(lines).replace("},\n}", "}\n}"))
    with pytest.raises(FormatError, match="is not 64 hex digits"):
        load(folder, copies=copies)
