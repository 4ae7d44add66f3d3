"""Rows of an operator that go to files: the same arrays, and nothing left on the disk."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import numpy as np
import pytest

from penchant.core import blocks
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models import transitions
from penchant.models.parts import spilled
from penchant.models.parts.spilled import SpilledRows
from penchant.models.transitions import Transitions


def drawn(seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    return Histories.from_lists([rng.integers(0, 300, rng.integers(0, 20)).tolist() for _ in range(900)], 310)


@pytest.mark.parametrize("in_memory", [0, 70, 10_000])
def test_rows_in_files_are_those_in_memory(in_memory: int) -> None:
    rng, rows = np.random.default_rng(1), SpilledRows(in_memory)
    parts = [(rng.integers(0, 9, n).astype(np.int32), rng.random(n, dtype=np.float32)) for n in (3, 0, 8, 1, 5)]
    with rows:
        for part in parts:
            rows.append(*part)
        found = rows.arrays()
    for number, dtype in enumerate((np.int32, np.float32)):
        np.testing.assert_array_equal(found[number], np.concatenate([part[number] for part in parts]))
        assert found[number].dtype == dtype
        assert isinstance(found[number].base, np.memmap) == (in_memory < 8 * 17)
    nothing = SpilledRows(in_memory).arrays()
    assert len(nothing[0]) == len(nothing[1]) == 0


@pytest.mark.parametrize("neighbours", [None, 7])
@pytest.mark.parametrize("exponent", [0.0, 0.7])
def test_transitions_of_many_events_are_those_of_few_at_a_time(
    neighbours: int | None, exponent: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log, model = drawn(), Transitions(neighbours=neighbours, user_exponent=exponent)
    whole = transitions.followers(model, log, Run(threads=1))
    monkeypatch.setattr(transitions, "EVENTS_AT_ONCE", 500)
    monkeypatch.setattr(blocks, "EVENTS", 777)
    monkeypatch.setattr(spilled, "IN_MEMORY", 1_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told: list[tuple[int, int]] = []
    run = Run(threads=2, progress=lambda stage, done, total: told.append((done, total)))
    parts = transitions.followers(model, log, run)
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert isinstance(parts.data.base, np.memmap) and not isinstance(whole.data.base, np.memmap)
    assert told == sorted(told) and told[-1] == (log.n_items, log.n_items)
    assert list(tmp_path.iterdir()) == [], "the files have no names"


def test_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: open("/dev/full", "wb", buffering=0))  # noqa: SIM115, PTH123
    with pytest.raises(OSError, match="No space left") as full, SpilledRows(0) as rows:
        rows.append(np.ones(9, np.int32), np.ones(9, np.float32))
    assert full.value.errno == errno.ENOSPC
