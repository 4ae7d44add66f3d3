"""Saved folders that were made to harm: pipes, links, endless members and arrays, NaN; and errors that are not the
folder's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import penchant as pc
from penchant.errors import FormatError
from penchant.recommender.folder import load as folder_load
from penchant.recommender.folder import tensors
from penchant.recommender.folder.load import verify
from penchant.recommender.folder.manifest import naming, open_regular
from penchant.recommender.recommender import load
from tests.recommender.test_folder import make, restate
from tests.recommender.test_folder_members import recommender

FILES = ("manifest.json", "items.parquet", "model.safetensors")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    make().save(tmp_path / "model")
    return tmp_path / "model"


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def endpoint(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("other", [pipe, endpoint, folder, device])
def test_only_regular_files_are_opened(saved: Path, name: str, other: Callable[[Path], None]) -> None:
    """A pipe without a writer would be waited for, for ever."""
    other(saved / name)
    for work in (load, verify, lambda folder: open_regular(folder / name)):
        with pytest.raises(FormatError, match=f"{name} is (not a regular file|a symbolic link)"):
            work(saved)


def arrays(folder: Path, **changed: np.ndarray) -> None:
    path = folder / "model.safetensors"
    found = {name: array.copy() for name, array in tensors.read(path).items()}
    found |= {name.replace("__", "."): array for name, array in changed.items()}
    path.unlink()
    tensors.write(path, found)
    described = {name: tensors.describe(array) for name, array in found.items()}
    restate(folder, lambda manifest: manifest.update(arrays=described))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, -1])
def test_numbers_that_are_none_are_refused(saved: Path, wrong: float, at: int) -> None:
    weights = tensors.read(saved / "model.safetensors")["weights.data"].copy()
    weights[at] = wrong
    arrays(saved, weights__data=weights)
    for work in (load, verify):
        with pytest.raises(FormatError, match=r"model\.safetensors: 'weights\.data' is not finite"):
            work(saved)
    weights[at] = 3.0e38
    arrays(saved, weights__data=weights)
    assert load(saved).model.n_items


def test_numbers_are_checked_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "_CHUNK", 16)
    good = {"b": np.ones(9), "a": np.zeros(3, np.float32), "i": np.arange(3), "z": np.empty((0, 4), np.float16)}
    tensors.write(tmp_path / "good", good)
    assert set(tensors.read(tmp_path / "good", finite=True)) == set(good)
    tensors.write(tmp_path / "bad", {**good, "b": np.array([*[1.0] * 8, np.nan])})
    with pytest.raises(FormatError, match="bad: 'b' is not finite"):
        tensors.read(tmp_path / "bad", finite=True)
    assert np.isnan(tensors.read(tmp_path / "bad")["b"][-1])


def test_the_number_of_arrays_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "MOST_ARRAYS", 5)
    for n in (5, 6):
        tensors.write(tmp_path / str(n), {f"a{m}": np.zeros(1) for m in range(n)})
    assert len(tensors.read(tmp_path / "5")) == 5
    with pytest.raises(FormatError, match="6 has 6 arrays: more than 5"):
        tensors.read(tmp_path / "6")


def test_members_inside_members_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = pc.Blend(members=[pc.Popular(), pc.EASE()])
    recommender(pc.Blend(members=[inner, pc.Popular()])).save(tmp_path / "model")
    monkeypatch.setattr(folder_load, "MOST_DEPTH", 3)
    assert load(tmp_path / "model").model.n_items
    monkeypatch.setattr(folder_load, "MOST_DEPTH", 2)
    with pytest.raises(FormatError, match="members inside members, deeper than 2 folders"):
        load(tmp_path / "model")


@pytest.mark.parametrize("n", [folder_load.MOST_MEMBERS + 1, 10**9])
def test_the_number_of_members_is_bounded(saved: Path, n: int) -> None:
    restate(saved, lambda manifest: manifest.update(members=n))
    with pytest.raises(FormatError, match=f"manifest.json says {n} members"):
        load(saved)


def test_an_error_of_an_import_is_not_damage(tmp_path: Path) -> None:
    (tmp_path / "broken_module.py").write_text("None.attribute\n")
    (tmp_path / "empty_module.py").write_text("")
    code = (
        "from pathlib import Path\n"
        "from penchant.recommender.folder.manifest import naming\n"
        "with naming(Path('folder')):\n    {}\n"
    )
    for work, says in (("import broken_module", "NoneType"), ("import empty_module as m; m.message", "no attribute")):
        ended = subprocess.run(
            [sys.executable, "-c", code.format(work)],
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.stderr.splitlines()[-1].startswith("AttributeError") and says in ended.stderr
        assert "damaged" not in ended.stderr
    with pytest.raises(FormatError, match="damaged"), naming(tmp_path):
        None.attribute  # type: ignore[attr-defined]  # noqa: B018  # what a damaged document leads to
