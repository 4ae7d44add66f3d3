"""Ids and times that lost digits before they were read are pointed out, and refused where reading is strict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from penchant import read_interactions
from penchant.errors import DataError

STEAM = 76561198000000000


def found(log, check):
    return [finding for finding in log.report.findings if finding.check == check]


def test_ids_that_pandas_made_floats_of():
    frame = pd.DataFrame({"user": [STEAM + 1, STEAM + 2, None, 5], "item": list("abca")})
    assert frame["user"].nunique() == 2  # two people have become one
    log = read_interactions(frame)
    (finding,) = found(log, "merged ids")
    assert (finding.severity, finding.count, finding.column, finding.line) == ("error", 2, "user", 1)
    assert "dtype=" in finding.fix
    with pytest.raises(DataError, match="cannot tell neighbours apart"):
        read_interactions(frame.dropna(), strict=True)


@pytest.mark.parametrize(
    ("ids", "merged"),
    [
        (pl.Series([2.0**53, 7.0]), 1),
        (pl.Series([2.0**53 - 1, 7.5]), 0),
        (pl.Series([2**24, 7], dtype=pl.Float32), 1),
        (pl.Series([2**24 - 1, 7], dtype=pl.Float32), 0),
        (pl.Series([2**60, 7]), 0),
        (pl.Series(["7.656119800000000e+16", "76561198000000001"]), 1),
        (pl.Series(["76561198000000000.0", "12E4"]), 1),
        (pl.Series([str(2**70), "1e5"]), 0),
    ],
)
def test_what_floats_hold_exactly_is_fine(ids, merged):
    for column in ("user", "item"):
        other = {"user": "item", "item": "user"}[column]
        log = read_interactions(pl.DataFrame({column: ids, other: ["x", "y"]}))
        assert sum(finding.count for finding in found(log, "merged ids")) == merged


def test_times_in_short_floats():
    times = np.array([1_500_000_000, 1_500_000_060], dtype=np.float32)
    log = read_interactions(pl.DataFrame({"user": ["u", "u"], "item": ["a", "b"], "time": times}))
    (finding,) = found(log, "merged times")
    assert (finding.count, finding.column) == (2, "time")
    assert "64-bit" in finding.fix
    steps = pl.DataFrame({"user": ["u"], "item": ["a"], "time": np.array([5], dtype=np.float32)})
    assert found(read_interactions(steps), "merged times") == []
