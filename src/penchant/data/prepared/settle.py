"""The third pass: one bucket after the other is ordered, weighed and appended to the columns of the prepared log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.shown import Shown
from penchant.data.prepared.columns import Growing, mapped
from penchant.data.prepared.sorting import bucket_of
from penchant.data.prepared.working import Working
from penchant.data.reading.cleaning import Cleaner
from penchant.data.reading.dates import MISSING
from penchant.data.reading.gathering import Progress
from penchant.data.reading.settling import Columns, settle
from penchant.data.reading.weights import Sums, positive_sums
from penchant.data.recipe import Recipe
from penchant.data.refunds import Left

LABEL = "U5"  # train, valid, test, or the number of a fold
BLOCK = 1 << 20


def settle_buckets(work: Working, cleaner: Cleaner, recipe: Recipe, progress: Progress | None) -> Left:
    """Append the buckets that are not appended yet; what refunds and weights took away."""
    state = work.state
    done = state.setdefault("settled", {"buckets": 0, "events": 0, "people": 0, "left": asdict(Left()), "liked": False})
    buckets, total = state["people"], Left(**done["left"])
    folder = work / "columns"
    folder.mkdir(exist_ok=True)
    labels = np.array([*cleaner.parts, ""], dtype=np.str_)
    types: dict[str, Any] = {"users": np.int32, "items": np.int32, "kept": np.bool_, "lengths": np.int64}
    names = set(state["columns"])
    weighs = recipe.values_are == "weight" and bool(names & {"values", "kinds"})
    if weighs or (recipe.values_are == "rating" and "values" in names):
        types["values"] = np.float32
    if "times" in names and state["facts"]["latest"] != MISSING:
        types["times"] = np.int64
    if "parts" in names:
        types["parts"] = labels.dtype
    shows = "kinds" in names and any(recipe.is_impression(name) for name in cleaner.kinds)
    if shows:
        types |= {"shown_lengths": np.int64, "shown_items": np.int32}
        types |= {"shown_times": np.int64} if "times" in types else {}
    types |= {"liked": np.bool_} | ({"sums": np.float64} if weighs else {})
    sizes = {"kept": buckets[done["buckets"]], "lengths": done["people"], "sums": done.get("sums", 0)}
    sizes |= {"shown_lengths": done["people"]} | dict.fromkeys(("shown_items", "shown_times"), done.get("shown", 0))
    with ExitStack() as stack:
        out = {
            name: stack.enter_context(Growing(folder / f"{name}.npy", dtype, sizes.get(name, done["events"])))
            for name, dtype in types.items()
        }
        for number in range(done["buckets"], len(buckets) - 1):
            first, n_people = buckets[number], buckets[number + 1] - buckets[number]
            columns = _columns(bucket_of(work, number), first)
            left, shown = settle(columns, cleaner, recipe, people=n_people, latest=state["facts"]["latest"])
            total.add(left)
            weighed, liked = recipe.weigh_coded(list(cleaner.kinds), columns.kinds, columns.values)
            counts = np.bincount(columns.users, minlength=n_people)
            kept = counts > 0
            out["users"].append((np.cumsum(kept) - 1 + done["people"])[columns.users])
            out["items"].append(columns.items)
            out["kept"].append(kept)
            out["lengths"].append(counts[kept])
            out["liked"].append(np.ones(len(columns.items), np.bool_) if liked is None else liked)
            if "values" in types:
                assert weighed is not None
                out["values"].append(weighed)
                if weighs:
                    out["sums"].append(positive_sums(columns.users, columns.items, weighed))
            if "times" in types:
                assert columns.times is not None
                out["times"].append(np.floor_divide(columns.times, 1_000_000))
            if "parts" in types:
                out["parts"].append(labels[columns.parts])
            if shows:
                none = np.zeros(0, np.int32)
                shown = (Shown.of(none.astype(np.int64), none, n_people) if shown is None else shown)[kept]
                out["shown_lengths"].append(np.diff(shown.indptr))
                out["shown_items"].append(shown.items)
                if "times" in types and shown.times is not None:
                    out["shown_times"].append(shown.times)
            for column in out.values():
                column.flush()
            done.update(
                buckets=number + 1, events=out["items"].length, people=out["lengths"].length, left=asdict(total),
                liked=done["liked"] or liked is not None, sums=out["sums"].length if weighs else 0,
                shown=out["shown_items"].length if shows else 0,
            )  # fmt: skip
            work.save()
            (work / f"buckets/{number:06}").unlink(missing_ok=True)
            if progress is not None:
                progress("ordering histories", (number + 1) / (len(buckets) - 1))
    state["types"] = {name: np.dtype(dtype).str for name, dtype in types.items()}
    return total


class SumsOnDisk(Sums):
    """Sums in a file: positive floats have the order of their bits, of which 16 are settled in each of four passes."""

    def __init__(self, path: Path, length: int) -> None:
        super().__init__(mapped(path, np.float64, length))

    def kth(self, k: int) -> float:
        """The k-th smallest, from 0."""
        low, bits = 0, 0
        for shift in (48, 32, 16, 0):
            counts = np.zeros(1 << 16, np.int64)
            for block in self._blocks():
                here = block if not bits else block[block >> np.uint64(64 - bits) == np.uint64(low >> (64 - bits))]
                counts += np.bincount((here >> np.uint64(shift)).astype(np.int64) & 0xFFFF, minlength=1 << 16)
            ends = np.cumsum(counts)
            digit = int(np.searchsorted(ends, k, side="right"))
            k -= int(ends[digit] - counts[digit])
            low, bits = low | digit << shift, bits + 16
        return float(np.array([low], np.uint64).view(np.float64)[0])

    def _blocks(self) -> Iterator[NDArray[np.uint64]]:
        for lo in range(0, len(self.sums), BLOCK):
            yield self.sums[lo : lo + BLOCK].view(np.uint64)


def _columns(rows: NDArray[Any], first: int) -> Columns:
    """The events of a bucket, its people numbered from 0."""
    given = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
    given["users"] = given["users"] - np.int32(first)
    return Columns(**given)
