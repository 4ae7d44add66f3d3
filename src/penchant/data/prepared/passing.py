"""The first pass over a log: clean columns and new ids, written in parts, each of which is whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from penchant.core.memory import MIB, Meter, budget, require
from penchant.core.outputs import replacing_file
from penchant.data.prepared.ids import IdsOnDisk
from penchant.data.prepared.working import Working
from penchant.data.reading.batches import BadRow
from penchant.data.reading.cleaning import Cleaned, Cleaner, Seen
from penchant.data.reading.gathering import Begun, Piece, Progress, nothing, pieces
from penchant.data.reading.report import Source
from penchant.data.reading.settling import FILLS

if TYPE_CHECKING:
    from penchant.data.reading.sources import Opened

ROWS = 1 << 22  # of a part at most
ROW_MEMORY = 320  # bytes that a row of a part takes until it is written
FEWEST = 1 << 16
LEAST = 256 * MIB  # of memory without which no batch is read
ID_BYTES = 27  # of memory for an id
ROW_BYTES = 2.5  # times the width of a row on disk at most: in parts, sorted, and the file that is being written
TEXT_BYTES = 48  # of an id on disk
TABLES = ("users", "guests", "items")
SEEN = ("early", "late", "timeless", "blurred")


def read_parts(work: Working, begun: Begun, progress: Progress | None) -> None:
    """Read what has not been read yet; afterwards the state lists all parts, ids and sources."""
    state, cleaner = work.state, begun.cleaner
    done = state.setdefault("reading", {"finished": [], "after": 0, "unit": None, "kept": 0, "parts": 0, "rows": 0})
    secret = bytes.fromhex(state["secret"])
    for role in TABLES:
        (work / role).mkdir(exist_ok=True)
        name = role.removesuffix("s")
        setattr(cleaner, role, IdsOnDisk.restored(name, work / role, secret, state.get("ids", {}).get(role)))
    _restore(cleaner, state.get("cleaner"))
    (work / "parts").mkdir(exist_ok=True)
    meter = Meter("keeping the ids of this log")
    known = 0
    for number, one in enumerate(begun.opened):
        if number < len(done["finished"]):
            _restore_source(one, done["finished"][number])
            continue
        if done["after"]:
            one.clock.unit = done["unit"]
        held, rows = list[Piece](), _rows()
        for piece in pieces(one, number, begun, after=done["after"]):
            begun.refused.add(one.name, one.table.path, piece.bad)
            held.append(piece)
            meter.add(ID_BYTES * (cleaner.n_ids - known))
            known = cleaner.n_ids
            if sum(each.cleaned.rows for each in held) >= rows:
                _save(work, begun, one, number, held)
                _need_disk(work, cleaner, piece.share, number, len(begun.opened))
                held, rows = [], _rows()
            if progress is not None:
                progress(f"reading {Path(one.name).name}", (number + piece.share) / len(begun.opened))
        _save(work, begun, one, number, held)
        if not done["kept"]:
            raise nothing(one, begun.refused, begun.refused.report.n_rejected)
        done["finished"].append(asdict(one.table.source))
        done.update(after=0, unit=None, kept=0)
        work.save()


def _rows() -> int:
    """How many rows of a part the memory allows; raises ``MemoryLimitError`` where it allows none."""
    require(LEAST, "preparing a log", "allow more (--memory, memory=..., ulimit -v); the same command then goes on")
    limit = budget()
    return ROWS if limit is None else max(min(FEWEST, ROWS), min(ROWS, limit // ROW_MEMORY))


def bad_rows(work: Working) -> Iterator[tuple[int, list[BadRow]]]:
    """The rejected rows of the log with the number of their source, in order."""
    for number in range(work.state["reading"]["parts"]):
        file = work / f"parts/{number:06}.bad.json"
        if file.exists():
            source, rows = json.loads(file.read_text(encoding="utf-8"))
            yield source, [BadRow(*row) for row in rows]


def parts(work: Working) -> Iterator[pl.DataFrame]:
    """The clean rows, part by part, with the columns that their source has."""
    for number in range(work.state["reading"]["parts"]):
        yield pl.read_ipc(work / f"parts/{number:06}.arrow")


def restored_sources(work: Working) -> list[Source]:
    """The sources as they were understood."""
    return [Source(**source) for source in work.state["reading"]["finished"]]


def _save(work: Working, begun: Begun, one: Opened, number: int, held: list[Piece]) -> None:
    """Write a part and all that belongs to it, then the state."""
    if not held:
        return
    state, done, cleaner = work.state, work.state["reading"], begun.cleaner
    work.check()
    tables = {role: getattr(cleaner, role) for role in TABLES}
    for table in tables.values():
        table.save()
    cleaned = [piece.cleaned for piece in held if piece.cleaned.rows]
    bad = [list(asdict(row).values()) for piece in held for row in piece.bad]
    place = work / f"parts/{done['parts']:06}"
    (work / f"parts/{done['parts']:06}.bad.json").unlink(missing_ok=True)
    if bad:
        with replacing_file(place.with_suffix(".bad.json")) as fresh:
            fresh.write_text(json.dumps([number, bad]), encoding="utf-8")
    with replacing_file(place.with_suffix(".arrow")) as fresh:
        _frame(cleaned).write_ipc(fresh, compression="uncompressed")
    rows = sum(each.rows for each in cleaned)
    done.update(after=held[-1].last, unit=one.clock.unit, parts=done["parts"] + 1)
    done["kept"] += rows
    done["rows"] += rows
    state["ids"] = {role: table.state() for role, table in tables.items()}
    state["cleaner"] = _state(cleaner)
    work.save()


def _frame(cleaned: list[Cleaned]) -> pl.DataFrame:
    columns: dict[str, Any] = {}
    for name, (missing, dtype) in FILLS.items():
        given = [getattr(each, name) for each in cleaned]
        if any(array is not None for array in given):
            filled = [
                np.full(each.rows, missing, dtype) if array is None else array.astype(dtype, copy=False)
                for each, array in zip(cleaned, given, strict=True)
            ]
            columns[name] = np.concatenate(filled)
    return pl.DataFrame(columns)


def _need_disk(work: Working, cleaner: Cleaner, share: float, number: int, sources: int) -> None:
    """Look whether the disk has room for the rest of the log, as far as can be told from what has been read."""
    done = work.state["reading"]
    first = work / "parts/000000.arrow"
    width = first.stat().st_size / max(1, min(done["rows"], ROWS))
    total = done["rows"] / max((number + share) / sources, 1e-6)
    ids = cleaner.n_ids * total / max(1, done["rows"])
    have = done["rows"] * width
    work.need(total * width * ROW_BYTES + ids * TEXT_BYTES - have, f"preparing about {total:,.0f} rows")


def _state(cleaner: Cleaner) -> dict[str, Any]:
    return {
        "kinds": list(cleaner.kinds), "parts": list(cleaner.parts), "distinct": sorted(cleaner.distinct),
        "whole": cleaner.whole, "low": cleaner.low, "high": cleaner.high, "decided": cleaner.decided,
        "seen": {name: [getattr(cleaner, name).count, getattr(cleaner, name).first] for name in SEEN},
    }  # fmt: skip


def _restore(cleaner: Cleaner, state: dict[str, Any] | None) -> None:
    if state is None:
        return
    cleaner.kinds.update({name: n for n, name in enumerate(state["kinds"])})
    cleaner.parts.update({name: n for n, name in enumerate(state["parts"])})
    cleaner.distinct.update(state["distinct"])
    for name in ("whole", "low", "high", "decided"):
        setattr(cleaner, name, state[name])
    for name, (count, first) in state["seen"].items():
        setattr(cleaner, name, Seen(count, None if first is None else tuple(first)))


def _restore_source(one: Opened, known: dict[str, Any]) -> None:
    for name, value in known.items():
        setattr(one.table.source, name, value)
