"""Columns of ids whose equal rows follow each other are read as those whose rows do not."""

from __future__ import annotations

import random

import polars as pl
import pytest

from penchant.data.read import read_interactions
from penchant.data.reading.ids import IdTable, starts


def test_a_run_starts_where_the_row_before_differs() -> None:
    assert starts(pl.Series(["a", "a", None, None, "b", "a"])).tolist() == [0, 2, 4, 5]
    assert starts(pl.Series([], dtype=pl.String)).tolist() == []
    assert starts(pl.Series([None, None], dtype=pl.String)).tolist() == [0]


@pytest.mark.parametrize("run", [1, 2, 3, 50])
def test_numbers_do_not_depend_on_runs(run: int) -> None:
    dice = random.Random(run)
    rows = [one for _ in range(60) for one in [dice.choice(["a", " a", "b ", "7.0", "7", None, "c"])] * run]
    rows = [one for one in rows if one is not None]
    table, apart = IdTable("user"), IdTable("user")
    raw, lines = pl.Series(rows), pl.Series(range(len(rows))).to_numpy()
    assert table.refused(raw) == []
    together = table.encode(raw, lines, 0)
    single = [int(apart.encode(pl.Series([one]), lines[n : n + 1], 0)[0]) for n, one in enumerate(rows)]
    assert together.tolist() == single
    assert (table.respelled, table.first_line) == (apart.respelled, apart.first_line)


def test_missing_ids_inside_runs_are_refused() -> None:
    frame = pl.DataFrame({"user": ["u"] * 5 + [None] * 4 + ["v"] * 6, "item": [f"i{n % 4}" for n in range(15)]})
    log = read_interactions(frame)
    assert (len(log), log.report.n_rejected, log.user_ids) == (11, 4, ["u", "v"])
