"""Streams: tables that something else delivers in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penchant.data.reading.batches import Batch, Table, numbered
from penchant.data.reading.formats.base import SAMPLE_ROWS, Format, Peek, as_sample
from penchant.data.reading.report import Source
from penchant.data.reading.streams import Stream


class Streamed(Format):
    """A ``Stream``, read a part at a time."""

    name = "stream"
    rank = 5

    def recognises(self, peek: Peek) -> bool:
        """By its class."""
        return isinstance(peek.source, Stream)

    def open(self, peek: Peek) -> Table:
        """The table; a part is read when it is asked for."""
        stream: Stream = peek.source

        def batches(wanted: Sequence[int]) -> Iterator[Batch]:
            start = 0
            for frame, share in stream.parts([stream.names[at] for at in wanted]):
                renamed = frame.rename({name: f"c{at}" for at, name in enumerate(frame.columns)})
                yield Batch(renamed, numbered(start + 1, frame.height), share=share)
                start += frame.height

        source = Source(stream.name, stream.format, header=True)
        return Table(source, stream.file, list(stream.names), batches, as_sample(stream.sample(SAMPLE_ROWS)))


FORMAT = Streamed()
