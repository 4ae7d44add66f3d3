"""Blocks of text whose ids, values and times are plainly written numbers: the fast way to read most large logs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from penchant.data.reading.batches import Batch, Plain, numbered
from penchant.data.reading.lines import Block
from penchant.data.reading.splitting import WHITESPACE, Splitter

LARGE = 1 << 22  # bytes of a block from which on loading a kernel pays
TRIES = 3  # blocks with a cell that is not plain, after which a column is read as text
_SIGNS = "-.0123456789"
_POWERS = np.power(10.0, np.arange(19), dtype=np.float64)


@dataclass
class PlainReader:
    """Reads blocks of lines without quotes in which some columns hold plainly written numbers.

    These columns are those of ``plain``; one that holds anything else is read as text, like all others. The rows are
    those that the splitter finds, except that some columns are numbers already.
    """

    splitter: Splitter
    plain: Plain
    failures: Counter[int] = field(default_factory=Counter)  # blocks of a column that were not plain
    used: bool = False

    def read(self, block: Block, data: bytes | None, skipped: int) -> Batch | None:
        """The rows of a block but the first, as in ``data``; None if they are not that regular."""
        split = self.splitter
        separator = split.separator.encode()
        if not data or split.pending or (block.final and block.unfinished):
            return None
        if len(separator) != 1 or split.separator == WHITESPACE or split.separator in _SIGNS or split.n_fields < 2:
            return None
        if not self.used and len(data) < LARGE:
            return None
        numbers = self.plain.whole | self.plain.decimal
        left = [i for i in dict.fromkeys(split.wanted) if i in numbers and self.failures[i] < TRIES]
        while left and not self._may_repeat_header(left):
            self.used = True
            found, failed, shortest = self._columns(data, block.count - skipped, left)
            if found is not None:
                frame = pl.DataFrame({f"c{at}": found[i] for at, i in enumerate(split.wanted)})
                last = shortest if split.n_fields - 1 in left else None
                return Batch(
                    frame, numbered(block.first + skipped, frame.height), share=block.share, data=data, shortest=last
                )
            if not failed:
                return None
            self.failures.update(failed)
            left = [i for i in left if i not in failed]
        return None

    def _may_repeat_header(self, columns: list[int]) -> bool:
        """Whether the header again, as in concatenated files, would pass for a row."""
        if self.splitter.header is None:
            return False
        names = self.splitter.header.split(self.splitter.separator)
        return all(i < len(names) and set(names[i]) <= set(_SIGNS) for i in columns)

    def _columns(
        self, data: bytes, rows: int, columns: list[int]
    ) -> tuple[dict[int, pl.Series] | None, list[int], int]:
        """All wanted columns, these as numbers; else which of them hold anything else, none if the lines are not
        regular; and the length of the shortest last field."""
        from penchant.kernels.fields import DECIMAL, ROUGH, SKIPPED, WHOLE, plain_numbers

        split = self.splitter
        kinds, places = np.full(split.n_fields, SKIPPED, np.int8), np.zeros(split.n_fields, np.int64)
        for kind, of_kind in ((WHOLE, self.plain.whole), (DECIMAL, self.plain.decimal)):
            here = [i for i in columns if i in of_kind]
            kinds[here], places[here] = kind, np.arange(len(here))
        whole = np.empty((int((kinds == WHOLE).sum()), rows), np.int64)
        decimal = np.empty((int((kinds == DECIMAL).sum()), rows), np.float64)
        failed, shortest = np.zeros(split.n_fields, np.bool_), np.full(1, len(data), np.int64)
        got = plain_numbers(
            np.frombuffer(data, np.uint8), ord(split.separator), kinds, places, _POWERS, whole, decimal, failed,
            shortest,
        )  # fmt: skip
        if got == ROUGH:
            return None, np.flatnonzero(failed).tolist(), 0
        texts = [i for i in dict.fromkeys(split.wanted) if i not in columns]
        table = {i: pl.Series(whole[places[i]] if kinds[i] == WHOLE else decimal[places[i]]) for i in columns}
        if texts:
            read = split.texts(data, texts)
            if read is None or read.height != rows:
                return None, [], 0
            table |= {i: read[f"f{i}"] for i in texts}
        return table, [], int(shortest[0])
