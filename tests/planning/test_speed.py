"""The speed of this machine: measured once, kept, and measured again where the file is not what was written."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from penchant.planning import speed
from penchant.planning.coefficients import coefficients

TOOK = {"scattered": 0.01, "sorting": 0.02, "products": 0.03}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENCHANT_CACHE", str(tmp_path))
    return tmp_path


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    monkeypatch.setattr(speed, "measure", lambda: calls.append(1) or TOOK)
    return calls


def test_it_is_measured_once_and_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch)
    assert speed.seconds_here(calibrate=False) == coefficients().machine and not calls
    assert speed.seconds_here() == TOOK and speed.seconds_here() == TOOK and len(calls) == 1
    assert speed.seconds_here(calibrate=False) == TOOK
    (key,) = json.loads((folder / "speed.json").read_text())
    assert speed.processor() in key and "cores" in key and "penchant" in key
    monkeypatch.setattr(speed, "processor", lambda: "another")
    assert speed.seconds_here() == TOOK and len(calls) == 2
    assert len(json.loads((folder / "speed.json").read_text())) == 2, "both machines are kept"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"here": {"sorting": 1}}', '{"here": 3}', '{"here": {"sorting": -1}}']
)
def test_a_file_that_is_not_ours_is_written_again(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / "speed.json").write_text(text)
    calls = counted(monkeypatch)
    assert speed.seconds_here() == TOOK and len(calls) == 1
    assert speed.seconds_here() == TOOK and len(calls) == 1


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PENCHANT_CACHE", str(tmp_path / "file" / "below"))
    calls = counted(monkeypatch)
    assert speed.seconds_here() == TOOK and speed.seconds_here() == TOOK and len(calls) == 2


def test_the_folder_follows_the_desktop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PENCHANT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert speed.cache_file() == tmp_path / "penchant" / "speed.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert speed.cache_file() == Path.home() / ".cache" / "penchant" / "speed.json"


def test_measuring_takes_at_most_three_seconds() -> None:
    start = time.process_time()
    found = speed.measure()
    assert set(found) == set(speed.KINDS) and min(found.values()) > 0
    assert time.process_time() - start < 3
