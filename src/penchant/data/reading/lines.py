"""The lines of a text file, read and decoded a block at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from penchant.core.memory import budget
from penchant.data.reading.batches import BadRow, lines_of
from penchant.data.reading.encoding import sniff_encoding
from penchant.data.reading.opening import HEAD, Watch, opened, read_fully
from penchant.data.reading.report import Source
from penchant.data.reading.sniffing import SAMPLE_LINES
from penchant.errors import DataError, MemoryLimitError

if TYPE_CHECKING:
    from penchant.data.reading.formats.base import Peek

BLOCK = 1 << 24  # bytes of text that are parsed at once
LONGEST = 1 << 24  # bytes of a line; no log has longer ones
LEAST = 1 << 25  # bytes of memory without which no text is read
SHARE = 64  # a block is at most this part of the budget: its rows take about forty times its size in the worst case


@dataclass(frozen=True)
class Block:
    """Some whole lines of a text."""

    text: str | None  # None: only ``data`` is known so far
    data: bytes | None  # the same as UTF-8 with plain line ends; None if it is anything else
    first: int  # the number of the first line
    final: bool
    damaged: bool
    unfinished: bool  # whether the last line has no line end
    share: float  # of the file that has been read

    @cached_property
    def lines(self) -> pl.Series:
        """The lines, without line ends."""
        if self.text is None:
            assert self.data is not None  # one of the two is there
            return lines_of(self.data)
        lines = pl.Series([self.text.removesuffix("\n")], dtype=pl.String).str.split("\n").explode()
        if not self.text:
            return lines.clear()
        return lines.str.strip_suffix("\r") if "\r" in self.text else lines

    @cached_property
    def count(self) -> int:
        """The number of lines."""
        if self.data is None:
            return len(self.lines)
        return self.data.count(b"\n") + (len(self.data) > 0 and not self.data.endswith(b"\n"))


class Lines:
    """The decoded lines of a text file, in blocks; notes in ``source`` the encoding and any damage.

    A damaged file may break off inside a line. That line is not among the blocks; after the last block it is ``torn``.
    """

    def __init__(self, path: Path, source: Source, encoding: str, *, guessed: bool) -> None:
        self.path, self.source, self.encoding, self.guessed = path, source, encoding, guessed
        self.torn: BadRow | None = None
        self.watch = Watch(path)

    def _block(self) -> int:
        """The size of a block that fits into the budget; raises ``MemoryLimitError`` if none does."""
        limit = budget()
        if limit is None:
            return BLOCK
        if limit < LEAST:
            raise MemoryLimitError(
                f"reading {self.source.name} needs at least {LEAST // 2**20} MiB of memory, and may take "
                f"{limit / 2**20:,.0f} MiB: allow more (--memory, memory=..., ulimit -v), or use a larger machine"
            )
        return min(BLOCK, max(1 << 18, limit // SHARE))

    def blocks(self) -> Iterator[Block]:
        """The whole text; raises ``DataError`` if the file changes meanwhile."""
        size = self._block()
        with opened(self.path) as file:
            wide = self.encoding.startswith(("utf-16", "utf-32"))  # a line end takes several bytes
            recode = codecs.getincrementaldecoder(self.encoding)("replace") if wide else None
            encoding = "utf-8-sig" if wide else self.encoding
            first, rest, ascii_so_far, old_mac = 1, b"", True, False
            ended = False
            while not ended:
                data, broken = read_fully(file.stream, size)
                self.source.damage = self.source.damage or broken
                ended = len(data) < size
                if recode is not None:
                    data = recode.decode(data, ended).encode()
                data = rest + data
                if first == 1:
                    old_mac = b"\r" in data and b"\n" not in data
                if old_mac:
                    data = data.replace(b"\r", b"\n")
                cut = len(data) if ended and not broken else data.rfind(b"\n") + 1
                block, rest = data[:cut], data[cut:]
                longest = max(LONGEST, size)
                if len(rest) > longest or (block and len(block) > longest and len(block.split(b"\n", 1)[0]) > longest):
                    at = first + block.count(b"\n")
                    what = f"a line has more than {longest // 2**20:,} MiB"
                    raise DataError(
                        what, file=self.source.name, line=at, fix="Check that this is a log, with line ends"
                    )
                if not block and not ended:
                    continue
                damaged, ascii_here, text = False, block.isascii(), None
                try:
                    if not (ascii_here and encoding in {"utf-8", "utf-8-sig"}):
                        text = block.decode(encoding)
                        damaged = wide and "\ufffd" in text
                except UnicodeDecodeError:
                    guess = sniff_encoding(block)
                    # these are the first bytes outside ASCII, so the first that show the encoding
                    if self.guessed and ascii_so_far and guess != "utf-8-sig":
                        encoding, self.source.encoding = guess, guess
                    text, damaged = block.decode(encoding, errors="replace"), True
                ascii_so_far = ascii_so_far and ascii_here
                if encoding == "utf-8-sig":
                    encoding = "utf-8"
                plain = encoding == "utf-8" and not (damaged or wide or block.startswith(codecs.BOM_UTF8))
                unix = block.replace(b"\r\n", b"\n") if plain and b"\r" in block else block
                usable = plain and b"\r" not in unix
                if text is None and not usable:
                    text = block.decode()
                unfinished = ended and len(block) > 0 and not block.endswith(b"\n")
                found = Block(text, unix if usable else None, first, ended, damaged, unfinished, file.share())
                first += found.count
                if broken and rest:
                    last = rest.decode(encoding, errors="replace")
                    reason = f"{broken} in the middle of this row"
                    self.torn = BadRow(first, "", last[:80], reason, last)
                if ended:
                    self.watch.check(self.source.name)
                yield found


def first_lines(peek: Peek) -> list[str]:
    """The first whole lines of a text, from which its columns are made out."""
    lines = peek.text.split("\n")
    if len(lines) > 2 and (len(peek.head) >= HEAD or peek.damage or not lines[-1]):
        lines = lines[:-1]
    return lines[: 4 * SAMPLE_LINES]
