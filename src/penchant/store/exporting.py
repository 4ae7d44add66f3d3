"""A store into a file: Parquet, CSV or JSON lines, in parts, while the service writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from penchant.core.outputs import beside, replacing_file
from penchant.data.pseudonyms import Pseudonyms
from penchant.errors import ParameterError
from penchant.recommender.bulk import join_parts
from penchant.store.log import EVER, Span, store_log

ENDINGS = (".parquet", ".csv", ".jsonl")
Progress = Callable[[str, int, int], None]


def export_log(
    url: str, file: str | Path, span: Span = EVER, *, key: bytes | None = None, progress: Progress | None = None
) -> int:
    """Write the events of a store to a file and return their number; a log that ``fit`` reads as it reads the store.

    With ``key``, ids of people become pseudonyms under it (see ``data.pseudonyms``). Contexts, in which anything may
    stand, are left out then. The file appears when it is complete.
    Memory: two parts of a million events. Raises as ``store_log``, and ``ParameterError`` for another ending.
    """
    target = checked_ending(file)
    stream = store_log(url, span, context=key is None)
    names = None if key is None else Pseudonyms(key)
    written = 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal written
        for part, share in stream.parts(stream.names):
            frame = part.with_columns(pl.selectors.categorical().cast(pl.String))
            written += frame.height
            yield (
                frame
                if names is None
                else frame.with_columns(
                    names.column(frame[name]) for name in ("user", "session") if name in frame.columns
                )
            )
            if progress is not None:
                progress("exporting", written, round(written / share))

    with replacing_file(target) as fresh:
        if target.suffix == ".parquet":
            _parquet(frames(), fresh)
        else:
            with fresh.open("wb") as opened:
                for at, frame in enumerate(frames()):
                    if target.suffix == ".csv":
                        frame.write_csv(opened, include_header=at == 0)
                    else:
                        frame.write_ndjson(opened)
    return written


def checked_ending(file: str | Path) -> Path:
    """The path; raises ``ParameterError`` for an ending that is not one of ``ENDINGS``."""
    target = Path(file)
    if target.suffix not in ENDINGS:
        raise ParameterError(f"events are written to a .parquet, .csv or .jsonl file, not to {target.name!r}")
    return target


def _parquet(frames: Iterator[pl.DataFrame], target: Path) -> None:
    scratch = beside(target)
    scratch.mkdir()
    parts: list[Path] = []
    try:
        for frame in frames:
            part = scratch / f"{len(parts)}.parquet"
            frame.write_parquet(part, compression="zstd")
            parts.append(part)
        join_parts(parts, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
