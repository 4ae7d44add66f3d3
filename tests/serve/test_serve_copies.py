"""Model files that change while they are served: the process answers from copies of its own."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from penchant.errors import PenchantError
from penchant.serve.common.settings import Settings
from tests.serve.conftest import Make
from tests.serve.serving import Process


def copies(store: Path) -> list[str]:
    folder = store.with_name(store.name + ".models")
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def answer(process: Process) -> list[dict[str, Any]]:
    status, told = process.ask("POST", "/v1/recommendations", {"history": ["i00", "i12"], "why": True, "k": 20})
    assert status == 200
    return list(told["items"])


@pytest.mark.parametrize("change", ["cut", "overwritten", "gone"])
def test_a_model_file_that_changes_in_place_does_not_end_the_process(knn: Path, tmp_path: Path, change: str) -> None:
    own = Path(shutil.copytree(knn, tmp_path / "own"))
    process = Process(own, tmp_path / "store.db")
    try:
        before = answer(process)
        path = own / "model.safetensors"
        if change == "cut":
            os.truncate(path, 0)
        elif change == "overwritten":
            path.write_bytes(b"\xff" * path.stat().st_size)
        else:
            shutil.rmtree(own)
        for _ in range(5):
            assert answer(process) == before
        assert len(before) == 20
        refused = process.ask("POST", "/v1/models/own/activate")
        assert refused[0] == (404 if change == "gone" else 409)
        assert answer(process) == before
    finally:
        assert process.stop() == 0


def test_processes_share_copies_and_a_start_removes_what_nobody_uses(models: Path, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    one, other = Process(models / "knn", store), Process(models / "knn", store)
    (first,) = copies(store)
    one.kill()
    third = Process(models / "second", tmp_path / "other.db", settings={"model_copies": f"{store}.models"})
    assert len(copies(store)) == 2
    assert first in copies(store)  # the process that was killed left it, another one uses it
    other.kill()
    third.kill()
    third = Process(models / "second", store)
    assert len(copies(store)) == 1
    assert first not in copies(store)
    third.stop()


def test_copies_of_models_that_are_no_longer_loaded_are_removed(make: Make, models: Path, tmp_path: Path) -> None:
    client = make(folder=str(models))
    for name in ("second", "popular", "knn", "second"):
        assert client.post(f"/v1/models/{name}/activate").status_code == 200
        until = time.monotonic() + 20
        while len(copies(tmp_path / "store.db")) != 2:  # of the active and the previous model
            assert time.monotonic() < until, copies(tmp_path / "store.db")
            time.sleep(0.05)  # a thread that has activated it still holds an older one
            client.service.copies.tidy()


def test_the_folder_of_copies_is_a_setting(make: Make, knn: Path, tmp_path: Path) -> None:
    make(model_copies=str(tmp_path / "elsewhere"))
    assert len(list((tmp_path / "elsewhere").glob("*.safetensors"))) == 1
    assert Settings(store="sqlite:////a/b.db").shown()["model_copies"] == "/a/b.db.models"
    assert Settings(store="sqlite:////a/b.db").copies_folder == Path("/a/b.db.models")
    assert Settings(store="postgresql://host/name").copies_folder == Path("penchant.models")
    (tmp_path / "file").write_text("x")
    with pytest.raises(PenchantError, match=r"model copies .* cannot be used"):
        make(model_copies=str(tmp_path / "file"))
