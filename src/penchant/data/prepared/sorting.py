"""The second pass: the events of people who follow each other into one file, each of which fits into memory.

With the third pass, which orders one file after the other, this is a counting sort that needs little memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.core.histories import Longs
from penchant.core.memory import budget
from penchant.data.prepared.passing import parts
from penchant.data.prepared.working import Working
from penchant.data.reading.cleaning import Cleaner
from penchant.data.reading.dates import MISSING
from penchant.data.reading.gathering import Progress
from penchant.data.reading.ordering import grouped
from penchant.data.reading.settling import FILLS
from penchant.data.recipe import Recipe

EVENTS = 1 << 22  # of a bucket at most, unless one person has more
EVENT_BYTES = 120  # that ordering and weighing an event takes
FEWEST = 1 << 16
OPEN = 200  # files at once


def sort_parts(
    work: Working, cleaner: Cleaner, recipe: Recipe, registered: int, people: int, progress: Progress | None
) -> None:
    """Write the buckets and note what is true of the whole log; then the parts are deleted.

    ``registered`` people are users, the others guests.
    """
    state = work.state
    shutil.rmtree(work / "buckets", ignore_errors=True)
    (work / "buckets").mkdir()
    counts, facts, names = np.zeros(people, np.int64), {"latest": MISSING, "unvalued": False, "unmarked": False}, set()
    given: list[set[str]] = []
    without = False  # whether a part without values has events that need one
    for frame in parts(work):
        if not frame.width:
            continue
        counts += np.bincount(_users(frame, registered), minlength=people)
        given.append(set(frame.columns))
        names |= given[-1]
        if "times" in frame.columns:
            facts["latest"] = max(facts["latest"], int(frame["times"].max()))  # type: ignore[arg-type]  # a number
        kinds = frame["kinds"].to_numpy() if "kinds" in frame.columns else None
        weighing = recipe.weighing(list(cleaner.kinds), kinds, frame.height)
        if "values" in frame.columns:
            facts["unvalued"] |= bool((frame["values"].is_nan().to_numpy() & weighing).any())
        else:
            without |= bool(weighing.any())
    facts["unvalued"] |= "values" in names and without
    facts["unmarked"] = "parts" in names and any("parts" not in each for each in given)
    starts = np.cumsum(counts) - counts
    bucket = (starts // _events()).astype(np.int32)
    order = [name for name in FILLS if name in names]
    record = np.dtype([(name, FILLS[name][1]) for name in order])
    n_buckets = int(bucket[-1]) + 1
    work.need(int(counts.sum()) * record.itemsize, "sorting")
    for done, frame in enumerate(parts(work), 1):
        if frame.width:
            _spread(work, frame, registered, bucket, n_buckets, record)
        if progress is not None:
            progress("sorting by user", done / state["reading"]["parts"])
    first = np.searchsorted(bucket, np.arange(n_buckets), side="left")
    state.update(stage="settling", facts=facts, columns=order, people=[*first.tolist(), people])
    work.save()


def bucket_of(work: Working, number: int) -> NDArray[Any]:
    """The events of a bucket as records."""
    record = np.dtype([(name, FILLS[name][1]) for name in work.state["columns"]])
    file = work / f"buckets/{number:06}"
    return np.fromfile(file, record) if file.exists() else np.empty(0, record)


def _spread(
    work: Working,
    frame: pl.DataFrame,
    registered: int,
    bucket: NDArray[np.int32],
    n_buckets: int,
    record: np.dtype[Any],
) -> None:
    """Append the events of one part to the files of their buckets, in the order in which they are."""
    users = _users(frame, registered)
    where, order = grouped(bucket[users], n_buckets)
    rows = np.empty(len(users), record)
    for name in record.names or ():
        missing, dtype = FILLS[name]
        column = users if name == "users" else frame[name].to_numpy() if name in frame.columns else None
        rows[name] = np.full(1, missing, dtype) if column is None else column[order]
    for lo in range(0, n_buckets, OPEN):
        _append(work, rows, where, range(lo, min(lo + OPEN, n_buckets)))


def _append(work: Working, rows: NDArray[Any], where: Longs, numbers: Sequence[int]) -> None:
    with ExitStack() as stack:
        for number in numbers:
            some = rows[where[number] : where[number + 1]]
            if len(some):
                stack.enter_context((work / f"buckets/{number:06}").open("ab")).write(some.data)


def _users(frame: pl.DataFrame, registered: int) -> NDArray[np.int32]:
    """The numbers of people: guests follow the users."""
    users = frame["users"].to_numpy()
    return np.where(users < 0, registered - 1 - users, users).astype(np.int32)


def _events() -> int:
    """How many events of a bucket the memory allows."""
    limit = budget()
    return EVENTS if limit is None else max(FEWEST, min(EVENTS, limit // EVENT_BYTES))
