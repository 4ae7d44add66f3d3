"""From a path to a stream of bytes: empty, compressed and damaged files."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from penchant.core.memory import MIB, budget
from penchant.errors import DataError, MemoryLimitError

CUT_OFF = "the compressed file ends too early"
AGAIN = "Fetch the file again, or write it again"
PIECE = 1 << 10  # compressed bytes that are expanded at once: zstd makes up to 128 KiB of four bytes
HEAD = 1 << 18  # bytes of a file that sniffing looks at

COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}


@dataclass(frozen=True)
class Opened:
    """A stream of decompressed bytes, and how much of its file has been read."""

    stream: BinaryIO
    raw: BinaryIO
    size: int

    def share(self) -> float:
        """The share of the file that has been read, from 0 to 1."""
        return min(1.0, self.raw.tell() / self.size) if self.size else 1.0


def compression_of(head: bytes) -> str | None:
    """The compression that the first bytes of a file show; None if there is none."""
    return next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), None)


class Frames:
    """Decompresses frames that follow each other, each with a fresh decompressor.

    Unlike the readers of zstd's library, it notices a last frame that is cut off; unlike that of the standard library
    for xz, it lets the decompressor have a limit.
    """

    def __init__(self, raw: BinaryIO, fresh: Callable[[], Any]) -> None:
        self.raw, self.fresh = raw, fresh
        self.frame: Any = None
        self.started = False
        self.compressed = self.ready = b""
        self.at = 0  # how many of the ready bytes have been returned

    def read1(self, size: int) -> bytes:
        """From 1 to ``size`` bytes, none at the end. Raises ``EOFError`` if a frame is not complete."""
        while self.at >= len(self.ready):
            between = self.frame is None and self.started
            while True:
                read = self.compressed or self.raw.read(PIECE)
                self.compressed = read.lstrip(b"\0") if between else read  # xz may have padding between streams
                if self.compressed or not read:
                    break
            if not self.compressed:
                if self.frame is not None:
                    raise EOFError
                return b""
            self.frame, self.started = self.frame or self.fresh(), True
            try:
                self.ready, self.at = self.frame.decompress(self.compressed), 0
            except lzma.LZMAError as error:
                if "limit" not in str(error).lower():
                    raise
                limit = (budget() or 0) / MIB
                raise MemoryLimitError(
                    f"expanding this xz file needs more than the {limit:,.0f} MiB of memory that it may take: allow "
                    "more (--memory, memory=...), or compress it with a smaller dictionary (xz -6)"
                ) from error
            self.compressed = self.frame.unused_data if self.frame.eof else b""
            if self.frame.eof:
                self.frame = None
        start, self.at = self.at, self.at + size
        return self.ready[start : self.at]

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, fewer only at the end."""
        parts, have = [], 0
        while have < size and (part := self.read1(size - have)):
            parts.append(part)
            have += len(part)
        return b"".join(parts)


def _limit() -> int | None:
    limit = budget()
    return None if limit is None else max(1, limit)


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The decompressed bytes of a file; raises ``DataError`` if it cannot be opened."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise DataError(f"the file cannot be opened: {error.strerror}", file=str(path)) from error
    with raw:
        kind = compression_of(raw.read(8))
        raw.seek(0)
        size = path.stat().st_size
        if kind == "gzip":
            stream: Any = gzip.GzipFile(fileobj=raw)
        elif kind == "bzip2":
            stream = bz2.BZ2File(raw)
        elif kind == "xz":
            stream = Frames(raw, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _limit()))
        elif kind == "zstd":
            import zstandard

            stream = Frames(raw, zstandard.ZstdDecompressor().decompressobj)
        else:
            stream = raw
        yield Opened(cast("BinaryIO", stream), raw, size)


class Watch:
    """Notices that a file changes while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = self._state()

    def check(self, name: str) -> None:
        """Raise ``DataError`` if the file is not what it was."""
        now = self._state()
        if now != self.before:
            raise DataError(
                f"the file changed while it was read: it had {self.before[0]:,} bytes and has {now[0]:,}",
                file=name,
                fix="Run the command again when nothing writes to the file, or give it a copy",
            )

    def _state(self) -> tuple[int, int, int]:
        """Bytes, the moment of the last change, and which file it is; zeros if it is gone."""
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_size, found.st_mtime_ns, found.st_ino


def read_fully(stream: BinaryIO, size: int) -> tuple[bytes, str | None]:
    """Up to ``size`` bytes, fewer only at the end; and the damage, if the compressed file is damaged there."""
    parts: list[bytes] = []
    have = 0
    # a plain read of a damaged archive loses the bytes before the damage
    read = getattr(stream, "read1", stream.read)
    try:
        while have < size:
            part = read(min(size - have, 1 << 16))
            if not part:
                break
            parts.append(part)
            have += len(part)
    except EOFError:
        return b"".join(parts), CUT_OFF
    except Exception as error:  # each compression has an error class of its own
        if isinstance(error, (MemoryError, MemoryLimitError)):
            raise
        return b"".join(parts), f"the compressed file is damaged ({error})"
    return b"".join(parts), None


@contextmanager
def attributed_to(damage: str | None, file: str | Path) -> Iterator[None]:
    """Blame the damage of a file for whatever is wrong with its columns."""
    try:
        yield
    except DataError as error:
        if damage is None:
            raise
        raise DataError(
            f"{damage}, and the part that could be read is not a log: {error.what}", file=str(file), fix=AGAIN
        ) from error


def head_of(path: Path) -> tuple[bytes, str | None, str | None]:
    """The first bytes, decompressed; the compression; and what is wrong with them if they are damaged.

    Raises ``DataError`` for an empty file, and for a damaged one of which nothing can be read.
    """
    with opened(path) as file:
        first = file.raw.read(16)
        file.raw.seek(0)
        compression = compression_of(first)
        head, damage = read_fully(file.stream, HEAD)
    if not head:
        if damage:
            raise DataError(damage, file=str(path), fix=AGAIN)
        raise DataError("the file is empty", file=str(path))
    return head, compression, damage
