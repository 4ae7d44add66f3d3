"""A store into a file: Parquet, CSV or JSON lines, in parts, while the service writes."""

from __future__ import annotations

import hashlib
import hmac
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from penchant.core.outputs import beside, replacing_file
from penchant.errors import DataError, ParameterError
from penchant.recommender.bulk import join_parts
from penchant.store.log import EVER, Span, store_log

ENDINGS = (".parquet", ".csv", ".jsonl")
FEWEST_KEY_BYTES = 16
PSEUDONYM_BYTES = 16
Progress = Callable[[str, int, int], None]


def export_log(
    url: str, file: str | Path, span: Span = EVER, *, key: bytes | None = None, progress: Progress | None = None
) -> int:
    """Write the events of a store to a file and return their number; a log that ``fit`` reads as it reads the store.

    With ``key``, ids of people become HMAC-SHA256 under it, cut to 128 bits: the same person under the same key has the
    same pseudonym. Contexts, in which anything may stand, are left out then. The file appears when it is complete.
    Memory: two parts of a million events. Raises as ``store_log``, and ``ParameterError`` for another ending.
    """
    target = checked_ending(file)
    stream = store_log(url, span, context=key is None)
    written = 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal written
        for frame, share in stream.parts(stream.names):
            written += frame.height
            yield (
                frame
                if key is None
                else frame.with_columns(
                    _pseudonyms(frame[name], key) for name in ("user", "session") if name in frame.columns
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


def read_key(file: str | Path) -> bytes:
    """The key of pseudonyms from a file; raises ``DataError`` if it cannot be read or is too short."""
    try:
        key = Path(file).read_bytes()
    except OSError as wrong:
        raise DataError(f"the key cannot be read ({wrong.strerror})", file=str(file)) from None
    if len(key) < FEWEST_KEY_BYTES:
        raise DataError(
            f"a key has at least {FEWEST_KEY_BYTES} bytes",
            file=str(file),
            fix="head -c 32 /dev/urandom > FILE makes one",
        )
    return key


def _pseudonyms(ids: pl.Series, key: bytes) -> pl.Series:
    distinct = ids.drop_nulls().unique()
    hashed = [_pseudonym(f"{ids.name}:{one}", key) for one in distinct.to_list()]
    return ids.replace_strict(distinct, pl.Series(hashed, dtype=pl.String), default=None, return_dtype=pl.String)


def _pseudonym(person: str, key: bytes) -> str:
    digest = hmac.new(key, person.encode(), hashlib.sha256).digest()[:PSEUDONYM_BYTES]
    return "p_" + urlsafe_b64encode(digest).rstrip(b"=").decode()


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
