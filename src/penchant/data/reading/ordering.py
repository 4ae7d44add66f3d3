"""Where events are in their files, and the order in which they happened."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from penchant.core.histories import MANY, Longs
from penchant.data.reading.cleaning import Cleaner
from penchant.data.reading.dates import MISSING

USERS_A_BLOCK = 4096
EVENTS_A_BLOCK = 1 << 20
PARTS = 4  # of a counting sort, at most


@dataclass
class Trace:
    """The file and line of each event of a log, for the doctor; empty arrays if not asked for."""

    cleaner: Cleaner
    lines: Longs = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # (events,) as in the interactions
    sources: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int32))  # (events,) which source
    unsorted: tuple[int, int] | None = None  # source and line of the first event older than one of its user before it
    n_unsorted: int = 0
    kinds: np.ndarray | None = None  # (events,) which kind, -1 for none


def event_order(
    users: np.ndarray,
    times: np.ndarray | None,
    positions: np.ndarray | None,
    nanos: np.ndarray | None = None,
    latest: int | None = None,
) -> np.ndarray | None:
    """The order by user, time, position and row of the log; fills in missing times. None if they are sorted already.

    ``latest`` is the newest time of the log, if these are the events of some of its users.
    """
    keys: list[np.ndarray] = []
    newest_of_all = MISSING if times is None else int(times.max()) if latest is None else latest
    if times is not None and newest_of_all != MISSING and (missing := times == MISSING).any():
        # an event without a time follows the others of its user, at the newest known time
        newest = np.full(int(users.max()) + 1, MISSING, dtype=np.int64)
        np.maximum.at(newest, users, times)
        newest[newest == MISSING] = newest_of_all
        times[missing] = newest[users[missing]]
        keys = [missing, times]
    elif times is not None:
        keys = [times]
    if nanos is not None:
        keys = [nanos, *keys]
    if positions is not None:
        keys = [positions, *keys]
    keys.append(users)
    same = np.ones(len(users) - 1, dtype=np.bool_)
    for key in reversed(keys):
        if (same & (key[1:] < key[:-1])).any():
            return _sorted(keys)
        same &= key[1:] == key[:-1]
    return None


def _sorted(keys: list[np.ndarray]) -> np.ndarray:
    """The order by the last key, then the ones before it; equal rows stay as they are.

    Many events are counted by user; of few, times and users fit into one number of 64 bits as a rule, which sorts
    several times faster.
    """
    if len(keys) <= 2 and len(keys[0]) > MANY:
        return _counted(keys[-1], keys[0] if len(keys) == 2 else None)
    if len(keys) == 2:
        times, users = keys
        low = int(times.min())
        since = times - low
        step = 1 if (since % 1_000_000).any() else 1_000_000
        span = (int(since.max()) // step) + 1
        if low > -(2**61) and span * (int(users.max()) + 1) < 2**63:
            packed = pl.DataFrame({"key": users.astype(np.int64) * span + since // step})
            return packed.select(pl.arg_sort_by("key", maintain_order=True)).to_series().to_numpy()
    return np.lexsort(keys)


def _counted(users: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    """The order by user and time."""
    from penchant.kernels.grouping import by_time
    from penchant.kernels.threads import over_blocks

    starts, order = grouped(users, int(users.max()) + 1)
    if times is not None and (times[1:] < times[:-1]).any():
        over_blocks(lambda lo, hi: by_time(lo, hi, times, starts, order), len(starts) - 1, size=USERS_A_BLOCK)
    return order


def grouped(users: np.ndarray, n_users: int) -> tuple[Longs, Longs]:
    """Where the events of each user begin, and the order by user, else that of the rows: a counting sort."""
    from penchant.kernels.grouping import by_user, count_users
    from penchant.kernels.threads import available, over_blocks

    rows = len(users)
    parts = max(1, min(available(), PARTS, rows // max(n_users, EVENTS_A_BLOCK)))  # each has a number for every user
    size = max(1, -(-rows // parts))
    places, order = np.zeros((parts, n_users), dtype=np.int64), np.empty(rows, dtype=np.int64)
    over_blocks(lambda lo, hi: count_users(lo, hi, users, places[lo // size]), rows, size=size)
    starts = np.zeros(n_users + 1, dtype=np.int64)
    np.cumsum(places.sum(axis=0), out=starts[1:])
    before = starts[:-1].copy()
    for sizes in places:
        sizes[:], before = before, before + sizes
    over_blocks(lambda lo, hi: by_user(lo, hi, users, places[lo // size], order), rows, size=size)
    return starts, order


def picked(array: np.ndarray, order: Longs) -> np.ndarray:
    """``array[order]``, on all cores where there are many."""
    if len(order) < EVENTS_A_BLOCK:
        return array[order]
    from penchant.kernels.threads import over_blocks

    out = np.empty(len(order), dtype=array.dtype)
    # the order is within bounds, and with "clip" NumPy writes without a buffer
    over_blocks(
        lambda lo, hi: np.take(array, order[lo:hi], out=out[lo:hi], mode="clip"), len(order), size=EVENTS_A_BLOCK
    )
    return out


def look_for_disorder(trace: Trace, users: np.ndarray, times: np.ndarray | None) -> None:
    """Note in ``trace`` how many events follow a later one of their user, and where the first of them is."""
    if times is None or (times == MISSING).all():
        return
    order = np.argsort(users, kind="stable")
    who, when = users[order], times[order]
    back = (who[1:] == who[:-1]) & (when[1:] < when[:-1]) & (when[1:] != MISSING)
    if back.any():
        at = order[1:][back]
        trace.n_unsorted = int(back.sum())
        row = int(at.min())
        trace.unsorted = (int(trace.sources[row]), int(trace.lines[row]))
