"""Ragged batches: what stands twice in a history."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core import histories
from penchant.core.histories import Histories


def naive(log: Histories) -> list[list[int]]:
    """Each item once a row, at the place of its last event."""
    rows = [log.row(r).tolist() for r in range(len(log))]
    return [[item for at, item in enumerate(row) if item not in row[at + 1 :]] for row in rows]


@pytest.mark.parametrize("many", [0, 1000], ids=["by marks", "by sorting"])
@pytest.mark.parametrize("repeat", [False, True])
def test_repeats_are_found_and_merged(many: int, repeat: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MANY", many)
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = [rng.permutation(7)[: rng.integers(0, 7)].tolist() for _ in range(9)]
        if repeat:
            row = rows[int(rng.integers(9))]
            row += [3, 1, 3]
        log = Histories.from_lists(rows, 7)
        merged = log.distinct()
        assert (merged is log) != repeat
        assert [merged.row(r).tolist() for r in range(len(merged))] == naive(log)
