"""``prepare``: from files of any size to a folder that is a log like any other."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant.core.curve import Shape
from penchant.core.histories import ValuesAre
from penchant.core.memory import MIB, free_bytes, limited, require_start
from penchant.core.outputs import flush, refuse_inputs
from penchant.data.doctor import glance
from penchant.data.interactions import Interactions
from penchant.data.prepared import texts
from penchant.data.prepared.columns import Growing, mapped
from penchant.data.prepared.layout import Manifest, report_to_json
from penchant.data.prepared.opening import open_prepared
from penchant.data.prepared.passing import bad_rows, read_parts, restored_sources
from penchant.data.prepared.settle import SumsOnDisk, settle_buckets
from penchant.data.prepared.sorting import sort_parts
from penchant.data.prepared.working import Working
from penchant.data.reading.assemble import INTEGER, check_columns, numbers_or_text, planned, understood
from penchant.data.reading.columns import is_quantity
from penchant.data.reading.findings import damage_finding, from_reading, refund_finding
from penchant.data.reading.gathering import Begun, begin, refuse_merged
from penchant.data.reading.ordering import Trace
from penchant.data.reading.places import expand, is_prepared
from penchant.data.reading.rejects import RejectedRows
from penchant.data.reading.report import ReadReport
from penchant.data.reading.settling import note_what_is_left
from penchant.data.reading.weights import shape_weights
from penchant.data.reading.wording import option
from penchant.data.recipe import Recipe
from penchant.data.refunds import Left, Refund
from penchant.errors import MemoryLimitError, ParameterError

QUICK = 20_000_000  # events up to which their values are examined


def prepare(
    source: Any,
    folder: str | PathLike[str],
    *,
    columns: Mapping[str, str] | str | None = None,
    kinds: Mapping[str, float | str] | str | None = None,
    values: ValuesAre | None = None,
    weight: Shape | None = None,
    positive: str | None = None,
    refund: Refund = "newest",
    sep: str | None = None,
    encoding: str | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    day_first: bool | None = None,
    by: str | None = None,
    strict: bool = False,
    rejected: str | PathLike[str] | bool | None = None,
    force: bool = False,
    memory: int | str | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Interactions:
    """Read a log of any size into a folder, which then is a log like any other, and open it.

    The options are those of ``read_interactions``, and so is the result, except that its columns stay on disk. Memory:
    about 700 MiB and 27 bytes an id, whatever the number of rows; disk: while it works about 2.5 times what the
    folder takes. Stopped at any moment, the same call goes on. An existing folder is refused; with ``force`` a prepared
    log is replaced, and an interrupted preparation starts again. Raises ``DataError`` where nothing can be used or a
    file changes while it is read, ``ParameterError`` for invalid options, ``MemoryLimitError`` where ids do not fit
    into the memory, and ``OSError`` with the numbers where the disk is too small.
    """
    require_start()
    target = Path(folder)
    sources = expand(source if isinstance(source, (list, tuple)) else [source])
    if target.exists() and not (force and (is_prepared(target) or (target.is_dir() and not any(target.iterdir())))):
        why = "exists" if not force else "is not a prepared log, and is not replaced"
        raise ParameterError(f"{target} {why}: choose another name" + ("" if force else f", or {option('force')}"))
    plan = planned(kinds, values, weight, positive, refund, 0)
    options = {
        "columns": columns if isinstance(columns, (str, type(None))) else dict(columns),
        "recipe": plan.to_json(), "values": values, "weight": weight, "sep": sep, "encoding": encoding,
        "time_format": time_format, "time_zone": time_zone, "day_first": day_first, "by": by, "strict": strict,
    }  # fmt: skip
    work = Working(target)
    with limited(memory), work.locked():
        begun = begin(
            sources, columns=columns, values=values, sep=sep, encoding=encoding, time_format=time_format,
            time_zone=time_zone, day_first=day_first, strict=strict,
            rejected=str(rejected) if isinstance(rejected, PathLike) else rejected, force=force, by=by,
            plan=plan,
        )  # fmt: skip
        refuse_inputs(target, begun.report.inputs)
        work.start(options, sources, force=force)
        try:
            _passes(work, begun, plan, weight, progress)
        except MemoryError as error:
            left = (free_bytes() or 0) / MIB
            raise MemoryLimitError(
                f"preparing this log ran out of memory ({str(error) or 'out of memory'}), and {left:,.0f} MiB are "
                "left: allow more (ulimit -v), or less at a time (--memory); the same command then goes on"
            ) from error
    return open_prepared(target)


def _passes(
    work: Working, begun: Begun, plan: Recipe, weight: Shape | None, progress: Callable[[str, float], None] | None
) -> None:
    cleaner, refused, report = begun.cleaner, begun.refused, begun.report
    begun.refused = RejectedRows(ReadReport(), False, refused.strict, report.inputs)  # files are written at the end
    read_parts(work, begun, progress)
    work.check()
    report.sources = restored_sources(work)
    if refused.strict:
        refuse_merged(cleaner, report)
    recipe = understood(plan, begun.opened, cleaner, report, begun.values)
    registered, people = len(cleaner.users.index), len(cleaner.users.index) + len(cleaner.guests.index)
    if work.state["stage"] == "reading":
        sort_parts(work, cleaner, recipe, registered, people, progress)
    facts, names = work.state["facts"], set(work.state["columns"])
    check_columns(begun.opened, recipe, names, unvalued=facts["unvalued"], unmarked=facts["unmarked"])
    left = settle_buckets(work, cleaner, recipe, progress)
    if progress is not None:
        progress("writing", 1.0)
    _publish(work, begun, refused, recipe, weight, left, registered)


def _publish(
    work: Working,
    begun: Begun,
    refused: RejectedRows,
    recipe: Recipe,
    weight: Shape | None,
    left: Left,
    registered: int,
) -> None:
    """Put the folder together; it appears complete or not at all."""
    state, cleaner, report, done = work.state, begun.cleaner, begun.report, work.state["settled"]
    if left.refunds:
        report.findings.append(refund_finding(left, report, option("refund", "oldest")))
    note_what_is_left(left, done["events"], report)
    if "sums" in state["types"]:
        bought = is_quantity(cleaner.value_name)
        sums = work / "columns/sums.npy"
        recipe, why = shape_weights(recipe, lambda: SumsOnDisk(sums, done["sums"]), weight, quantity=bought)
        report.values_why += why
    with refused:
        for number, rows in bad_rows(work):
            one = begun.opened[number].table
            refused.add(one.source.name, one.path, rows)
    report.rows, report.kept = sum(source.rows for source in report.sources), done["events"]
    report.findings += [damage_finding(source) for source in report.sources if source.damage]
    report.findings += from_reading(report, cleaner, recipe, Trace(cleaner))
    ready = work / "ready"
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir()
    columns = {n: t for n, t in state["types"].items() if n in {"users", "items", "values", "times", "parts"}}
    columns |= {"liked": state["types"]["liked"]} if done["liked"] else {}
    for name in columns:
        _link(work / f"columns/{name}.npy", ready / f"{name}.npy")
    shown = {n: t for n, t in state["types"].items() if n in {"shown_items", "shown_times"} and done["shown"]}
    for name in shown:
        _link(work / f"columns/{name}.npy", ready / f"{name}.npy")
    for name, lengths in (("indptr", "lengths"), *([("shown_indptr", "shown_lengths")] if shown else [])):
        with Growing(ready / f"{name}.npy", np.int64) as indptr:
            of_people = mapped(work / f"columns/{lengths}.npy", np.int64, done["people"])
            indptr.append(np.concatenate([[0], np.cumsum(of_people)]))
            indptr.flush()
    kept = mapped(work / "columns/kept.npy", np.bool_, state["people"][-1])
    users, items = _people(work, cleaner, ready, kept), _linked(work / "items", ready / "items", cleaner.items)
    item_texts = texts.Texts(ready / "items", items)
    integers = all(INTEGER.match(item) for item in item_texts) and numbers_or_text(begun.opened)
    manifest = Manifest(
        done["events"], users, items, columns, "none" if "values" not in columns else recipe.values_are,
        recipe.to_json(), cleaner.by != "user", integers, report_to_json(report),
        int(np.count_nonzero(kept[registered:])), done["shown"], shown, version=_version(),
    )  # fmt: skip
    manifest.write(ready)
    log = open_prepared(ready)
    report.findings += glance(log, Trace(cleaner), None, quick=len(log) > QUICK)
    replace(manifest, report=report_to_json(report)).write(ready)
    for file in ready.rglob("*"):
        if file.is_file():
            flush(file)
    _put(work, ready)


def _people(work: Working, cleaner: Any, ready: Path, kept: np.ndarray) -> list[int]:
    """Link or write the ids of people of whom events are left, users before guests; the number in each file."""
    if kept.all() and not len(cleaner.guests.index):
        return _linked(work / "users", ready / "users", cleaner.users)
    sizes, at = list[int](), 0
    (ready / "users").mkdir()
    for table in (cleaner.users, cleaner.guests):
        for number in range(len(table.saved)):
            part = table.written().part(number)
            part, at = part.filter(pl.Series(kept[at : at + len(part)])), at + len(part)
            texts.write(part, ready / "users", len(sizes))
            sizes.append(len(part))
    return sizes


def _linked(source: Path, target: Path, table: Any) -> list[int]:
    target.mkdir()
    for number in range(len(table.saved)):
        _link(source / texts.name(number), target / texts.name(number))
    return list(table.saved)


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the disk has no links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _put(work: Working, ready: Path) -> None:
    target, aside = work.target, work.folder / f"old-{uuid.uuid4().hex[:12]}"
    if target.exists():  # it was forced
        target.rename(aside)
    ready.rename(target)
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(handle)
        os.close(handle)
    work.remove()


def _version() -> str:
    from penchant import __version__

    return __version__
