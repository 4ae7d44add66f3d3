"""Folders of Parquet files, as Spark, Hive and polars write them; folders ``key=value`` become columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from penchant.data.reading.batches import Batch, Table, numbered
from penchant.data.reading.formats import base
from penchant.data.reading.formats.base import SAMPLE_ROWS, Format, Peek, as_sample, check_width
from penchant.data.reading.formats.columnar import UNREADABLE
from penchant.data.reading.formats.parquet import rows_at_once
from penchant.data.reading.formats.parquet_footer import row_groups
from penchant.data.reading.opening import AGAIN
from penchant.data.reading.places import parquet_files
from penchant.errors import DataError


class PartitionedParquet(Format):
    """A folder of Parquet files with the same columns, in order of their names."""

    name = "Parquet folder"
    rank = 5

    def recognises(self, peek: Peek) -> bool:
        """Any folder; one without Parquet files was refused before."""
        return peek.path is not None and peek.path.is_dir()

    def open(self, peek: Peek) -> Table:
        """The table; values of ``key=value`` folders are text, so that 007 stays an id."""
        files = parquet_files(peek.file)
        keys = _checked(peek, files)
        try:
            lazy = pl.scan_parquet(
                files,
                glob=False,
                hive_partitioning=bool(keys),
                hive_schema=dict.fromkeys(keys, pl.String) if keys else None,
            )
            names = lazy.collect_schema().names()
            check_width(len(names), peek.name)
            rows = int(lazy.select(pl.len()).collect().item())
            groups = [group for file in files for group in row_groups(file)]
            rows_at_once(groups, None, SAMPLE_ROWS, peek.name)
            sample = lazy.head(SAMPLE_ROWS).collect()
        except UNREADABLE as error:
            raise _unreadable(peek, error) from error
        if not rows:
            raise DataError("the files in this folder hold no rows", file=peek.name)

        def batches(wanted: Sequence[int]) -> Iterator[Batch]:
            chosen = lazy.select([pl.col(names[i]).alias(f"c{at}") for at, i in enumerate(wanted)])
            size = rows_at_once(groups, [names[i] for i in wanted], base.ROWS, peek.name)
            for start in range(0, rows, size):
                try:
                    frame = chosen.slice(start, size).collect()
                except UNREADABLE as error:
                    raise _unreadable(peek, error) from error
                yield Batch(frame, numbered(start + 1, frame.height), share=min(1.0, (start + size) / rows))

        return Table(self.described(peek, header=True), peek.path, names, batches, as_sample(sample))


def _checked(peek: Peek, files: Sequence[Path]) -> list[str]:
    """The keys of the folders; raises ``DataError`` for a file that is damaged or differs from the first."""
    first: tuple[list[str], dict[str, pl.DataType]] | None = None
    for path in files:
        folders = path.relative_to(peek.file).parts[:-1]
        keys = [folder.partition("=")[0] for folder in folders if "=" in folder]
        try:
            columns = pl.read_parquet_schema(path)
        except UNREADABLE as error:
            what = f"this Parquet file is damaged ({str(error)[:200]})"
            raise DataError(what, file=str(path), fix=AGAIN) from error
        first = first or (keys, columns)
        if keys != first[0]:
            words = ", ".join(first[0]) or "none"
            raise DataError(f"its folders are not named by the same keys as the others ({words})", file=str(path))
        odd = [name for name in {**first[1], **columns} if first[1].get(name) != columns.get(name)]
        if odd:
            here, there = columns.get(odd[0], "missing"), first[1].get(odd[0], "missing")
            what = f"it is {here} here and {there} in {files[0]}"
            raise DataError(what, file=str(path), column=odd[0], fix="Read the files one by one, or write them alike")
    return [] if first is None else first[0]


def _unreadable(peek: Peek, error: BaseException) -> DataError:
    return DataError(f"a file of this folder is damaged ({str(error)[:200]})", file=peek.name, fix=AGAIN)


FORMAT = PartitionedParquet()
