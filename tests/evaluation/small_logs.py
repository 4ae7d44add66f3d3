"""Tiny logs, written as what each user did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penchant.core.histories import Histories
from penchant.data.interactions import Interactions
from penchant.data.vocab import Vocab


def a_log(
    rows: Sequence[Sequence[int]],
    *,
    n_items: int = 0,
    times: Sequence[Sequence[int]] | None = None,
    values: Sequence[Sequence[float]] | None = None,
    values_are: str = "none",
    liked: Sequence[Sequence[bool]] | None = None,
    parts: Sequence[Sequence[str]] | None = None,
    sessions: bool = False,
) -> Interactions:
    """Users ``u0, u1, ...`` and items ``i0, i1, ...``."""

    def flat(lists: Sequence[Sequence[Any]] | None, dtype: Any) -> Any:
        return None if lists is None else np.concatenate([np.asarray(row, dtype=dtype) for row in lists])

    n_items = n_items or 1 + max(max(row, default=0) for row in rows)
    return Interactions(
        Vocab(f"i{n}" for n in range(n_items)),
        [f"u{n}" for n in range(len(rows))],
        np.repeat(np.arange(len(rows), dtype=np.int32), [len(row) for row in rows]),
        flat(rows, np.int32),
        flat(values, np.float32),
        values_are,  # type: ignore[arg-type]  # a literal in the caller
        flat(liked, np.bool_),
        flat(times, np.int64),
        flat(parts, np.str_),
        sessions,
    )


def a_market(users: int = 300, items: int = 40, groups: int = 4, length: int = 12, seed: int = 0) -> Interactions:
    """People of ``groups`` tastes: nine of ten things that they take are from their own quarter of the shop."""
    rng = np.random.default_rng(seed)
    taste = np.arange(users) % groups
    rows = []
    for user in range(users):
        own = rng.permutation(np.arange(items)[np.arange(items) % groups == taste[user]])
        other = rng.permutation(np.arange(items)[np.arange(items) % groups != taste[user]])
        n_own = min(len(own), round(0.9 * length))
        rows.append(rng.permutation(np.concatenate([own[:n_own], other[: length - n_own]])).tolist())
    times = [(rng.integers(0, 1000) + np.arange(len(row)) * 10).tolist() for row in rows]
    return a_log(rows, n_items=items, times=times)


def lists_of(histories: Histories) -> list[list[int]]:
    """Rows as lists."""
    return [histories.row(r).tolist() for r in range(len(histories))]
