"""Logs for the tests of preparation, and how two logs are compared."""

from __future__ import annotations

import numpy as np
import polars as pl

COLUMNS = ("users", "items", "values", "liked", "times", "parts", "guests", "indptr")


def assert_same(one, other):
    """Every column, every id and every number of two logs is equal."""
    for name in COLUMNS:
        mine, others = getattr(one, name), getattr(other, name)
        assert (mine is None) == (others is None), name
        assert mine is None or (mine.dtype == others.dtype and np.array_equal(mine, others)), name
    assert list(one.user_ids) == list(other.user_ids)
    assert one.vocab.ids == other.vocab.ids
    assert (one.vocab.integers, one.sessions, one.values_are) == (
        other.vocab.integers,
        other.sessions,
        other.values_are,
    )
    assert one.recipe == other.recipe
    assert one.ordered == other.ordered
    assert (one.shown is None) == (other.shown is None)
    for name in ("indptr", "items", "times") if one.shown is not None else ():
        mine, others = getattr(one.shown, name), getattr(other.shown, name)
        assert (mine is None) == (others is None), name
        assert mine is None or np.array_equal(mine, others), name
    mine, others = one.report, other.report
    assert (mine.rows, mine.kept, mine.n_rejected) == (others.rows, others.kept, others.n_rejected)
    assert mine.rejected == others.rejected
    assert (mine.reasons, mine.values_why, mine.notes) == (others.reasons, others.values_why, others.notes)
    assert mine.sources == others.sources
    assert mine.findings == others.findings


def shop(rows=3000, seed=0):
    """A log with guests, kinds, quantities, refunds, missing times, positions and bad rows."""
    rng = np.random.default_rng(seed)
    user = [f"u{n}" if n % 7 else None for n in rng.integers(0, 90, rows)]
    return pl.DataFrame(
        {
            "user": user,
            "session": [f"s{n}" for n in rng.integers(0, 40, rows)],
            "item": [["", " 7", "7.0", "ä-3", "x y"][n] if n < 5 else f"i{n}" for n in rng.integers(0, 60, rows)],
            "event": [["view", "cart", "buy", "dislike", "impression"][n] for n in rng.integers(0, 5, rows)],
            "quantity": [float(n) for n in rng.integers(-2, 5, rows)],
            "time": [int(n) if n % 11 else None for n in rng.integers(1_500_000_000, 1_500_100_000, rows)],
            "position": rng.integers(0, 5, rows),
        }
    )
