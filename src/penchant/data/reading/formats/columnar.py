"""What Parquet and Arrow files share: batches of a lazy polars table, and what to say about a damaged file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from penchant.data.reading.batches import Batch, Table, numbered
from penchant.data.reading.formats import base
from penchant.data.reading.formats.base import SAMPLE_ROWS, Format, Peek, as_sample, check_width
from penchant.data.reading.nested import flat
from penchant.data.reading.opening import AGAIN, Watch
from penchant.errors import DataError
from penchant.kernels.threads import ahead

UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)  # polars may panic on damaged bytes


def _as_many(_names: Sequence[str] | None, rows: int) -> int:
    return rows


def open_columnar(
    one: Format,
    peek: Peek,
    *,
    magic: bytes,
    scan: Callable[[Path], pl.LazyFrame],
    step: Callable[[Sequence[str] | None, int], int] = _as_many,
) -> Table:
    """A columnar file as a table, read ``ROWS`` rows at a time.

    ``step`` says how many of that many rows of some columns (None: all) can be decoded at once, or raises
    ``MemoryLimitError``.
    """
    path, kind = peek.file, one.name
    if peek.compression is not None:
        raise DataError(f"this is {kind} inside {peek.compression}", file=peek.name, fix="Decompress it first")
    watch = Watch(path)
    try:
        lazy = scan(path)
        columns = flat(lazy.collect_schema())
        names = list(columns)
        check_width(len(names), peek.name)
        rows = int(lazy.select(pl.len()).collect().item())
        step(None, SAMPLE_ROWS)
        sample = lazy.head(SAMPLE_ROWS).select(columns.values()).collect()
    except UNREADABLE as error:
        raise _unreadable(path, kind, magic, error) from error

    def batches(wanted: Sequence[int]) -> Iterator[Batch]:
        chosen = lazy.select([columns[names[i]].alias(f"c{at}") for at, i in enumerate(wanted)])
        size = step([root for i in wanted for root in columns[names[i]].meta.root_names()], base.ROWS)
        for start in range(0, rows, size):
            try:
                frame = chosen.slice(start, size).collect()
            except UNREADABLE as error:
                watch.check(peek.name)
                raise _unreadable(path, kind, magic, error) from error
            watch.check(peek.name)
            yield Batch(frame, numbered(start + 1, frame.height), share=min(1.0, (start + size) / rows))

    if not rows:
        raise DataError(f"this {kind} file holds no rows", file=peek.name)
    return Table(
        one.described(peek, header=True), path, names, lambda wanted: ahead(batches(wanted)), as_sample(sample)
    )


def _unreadable(path: Path, kind: str, magic: bytes, error: BaseException) -> DataError:
    """What is wrong with a file that starts as a columnar file does."""
    with path.open("rb") as file:
        file.seek(max(len(magic), path.stat().st_size - len(magic)))
        whole = file.read() == magic
    if not whole:
        return DataError(f"this {kind} file is truncated: its end is missing", file=str(path), fix=AGAIN)
    what = f"this {kind} file is damaged, or uses a feature that is not supported ({str(error)[:200]})"
    return DataError(what, file=str(path), fix=AGAIN)
