"""The whole job: which places of two lists count, and what is measured of a process."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from bench.contenders import whole_job
from bench.duel import Side

from bench import older


def side(items: list[list[int]], scores: list[list[float]]) -> Side:
    return Side({}, {"csv items": np.array(items, np.int32), "csv scores": np.array(scores, np.float32)})


def test_places_in_ties_and_the_last_place_do_not_count():
    scores = [[9.0, 8.0, 7.0, 6.0, 5.0], [9.0, 8.0, 8.0, 6.0, 5.0]]
    theirs = side([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]], scores)
    assert whole_job.agreement(theirs, theirs, "csv") == 1
    tied = side([[1, 2, 3, 4, 9], [1, 3, 2, 4, 9]], scores)
    assert whole_job.agreement(tied, theirs, "csv") == 1
    other = side([[1, 3, 2, 4, 5], [1, 2, 3, 9, 5]], scores)
    assert whole_job.agreement(other, theirs, "csv") == pytest.approx(3 / 6)  # four sure places, then two


def test_a_process_is_measured_as_a_whole():
    code = "x = b'1' * (200 << 20); sum(range(3_000_000))"
    found = whole_job.run([sys.executable, "-c", code])
    assert found["peak_mib"] > 200
    assert 0 < found["cpu"] < 60
    assert found["seconds"] > 0
    with pytest.raises(RuntimeError, match="ended with 3"):
        whole_job.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_an_older_build_is_taken_out_of_the_repository_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(older, "BUILDS", tmp_path)
    place = older.source("HEAD")
    assert (place / "penchant" / "__init__.py").is_file()
    assert older.environment(place)["PYTHONPATH"] == str(place)
    monkeypatch.setattr(older.subprocess, "run", lambda *_, **__: pytest.fail("it is there"))
    assert older.source("HEAD") == place
