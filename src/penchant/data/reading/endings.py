"""Detecting that the last line of a text was cut off, from its length alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from penchant.data.reading.batches import BadRow, Batch

ENOUGH = 20  # rows that must agree before a shorter one is suspicious
REASON = "this line has no line end, and its last field is shorter than that of all others: it was probably cut off"


@dataclass
class LastField:
    """Watches the last field of each row, the wanted column number ``column``.

    A truncated file may end in a row that looks complete: the start 8812 of the time 881250949 is a time as well. So
    the last row counts as cut off if its line has no line end and its last field is shorter than in all of at least 20
    other rows.
    """

    column: int
    shortest: int = np.iinfo(np.int64).max
    rows: int = 0

    def check(self, batch: Batch, *, unfinished: bool) -> Batch:
        """The batch, with its last row rejected if it was cut off; ``unfinished``: its last line has no line end."""
        field = batch.frame.to_series(self.column)
        if batch.shortest is not None:
            self.shortest, self.rows = min(self.shortest, batch.shortest), self.rows + len(field)
            return batch
        lengths = field.str.len_chars().fill_null(0).to_numpy().astype(np.int64)
        after = max((bad.line for bad in batch.bad), default=0)
        if unfinished and len(lengths) and batch.lines[-1] > after and self._is_cut(lengths, batch.raw_row(-1)):
            value = field[-1] or ""
            bad = BadRow(int(batch.lines[-1]), "", value, REASON, batch.raw_row(-1))
            raw = None if batch.raw is None else batch.raw.head(-1)
            return replace(batch, frame=batch.frame.head(-1), lines=batch.lines[:-1], raw=raw, bad=[*batch.bad, bad])
        self.shortest, self.rows = int(lengths.min(initial=self.shortest)), self.rows + len(lengths)
        return batch

    def _is_cut(self, lengths: np.ndarray, raw: str) -> bool:
        others = lengths[:-1].min(initial=self.shortest)
        return bool(self.rows + len(lengths) > ENOUGH and lengths[-1] < others and not raw.endswith('"'))
