"""Delimited text: comma, tab, semicolon, bar, white space or any other separator, with or without a header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penchant.data.reading.batches import Batch, Plain, Table
from penchant.data.reading.endings import LastField
from penchant.data.reading.formats.base import Format, Peek, check_width
from penchant.data.reading.formats.unknown import is_foreign
from penchant.data.reading.lines import Lines, first_lines
from penchant.data.reading.opening import attributed_to
from penchant.data.reading.plain import PlainReader
from penchant.data.reading.sniffing import SEPARATORS, Dialect, separator_name, sniff
from penchant.data.reading.splitting import Splitter, after_lines
from penchant.kernels.threads import ahead


class Delimited(Format):
    """Lines of fields between separators."""

    name = "delimited text"
    has_lines = True
    rank = 90  # any text may be that: all other formats are tried before it

    def recognises(self, peek: Peek) -> bool:
        """Any text file."""
        return peek.is_text and not is_foreign(peek)

    def open(self, peek: Peek) -> Table:
        """The table; separator, header and columns come from the first lines."""
        source = self.described(peek, encoding=shown(peek.codec), compression=peek.compression, damage=peek.damage)
        reader = Lines(peek.file, source, peek.codec, guessed=peek.encoding is None)
        start = first_lines(peek)
        # counted before the columns are found, which takes long for so many
        check_width(1 + max(start[0].count(sep) for sep in (peek.sep or ",", *SEPARATORS)), peek.name)
        with attributed_to(peek.damage, peek.name):
            dialect = sniff(start, peek.name, peek.sep, peek.named)
        source.separator, source.header = separator_name(dialect.separator), dialect.header is not None
        source.layout = dialect.layout
        sample: list[list[str | None]] = [[*row] for row in dialect.sample]
        plain = Plain()
        return Table(
            source,
            peek.path,
            dialect.names,
            lambda wanted: ahead(_batches(reader, dialect, wanted, plain)),
            sample,
            plain,
        )


def shown(codec: str) -> str:
    """An encoding as the report names it."""
    return "utf-8" if codec == "utf-8-sig" else codec


def _batches(reader: Lines, dialect: Dialect, wanted: Sequence[int], plain: Plain) -> Iterator[Batch]:
    splitter = Splitter(dialect.separator, dialect.n_fields, wanted, dialect.header)
    quick = PlainReader(splitter, plain)
    skip, end = dialect.header_lines, dialect.n_fields - 1
    last = LastField(wanted.index(end)) if end in wanted else None
    for block in ahead(reader.blocks()):
        here = min(skip, block.count) if skip else 0
        skip -= here
        data = None if block.data is None else after_lines(block.data, here)
        batch = quick.read(block, data, here)
        if batch is None:
            batch = splitter.split(
                block.lines[here:], block.first + here, final=block.final, damaged=block.damaged, share=block.share,
                data=data,
            )  # fmt: skip
        if last is not None:
            batch = last.check(batch, unfinished=block.final and block.unfinished)
        batch.bad.extend([reader.torn] if block.final and reader.torn else [])
        yield batch


FORMAT = Delimited()
