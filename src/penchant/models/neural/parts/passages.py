"""Training histories as passages: all events but the last are inputs, all but the first targets, once an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Floats, Histories, Ints, Longs


@dataclass(frozen=True, eq=False)
class Passages:
    """A ragged batch: events, and the next item after each."""

    indptr: Longs  # (passages + 1,)
    items: Ints  # (events,)
    targets: Ints  # (events,)
    ages: Floats | None  # (events,) seconds until the passage's newest event; None: no times

    @property
    def lengths(self) -> Longs:
        """Events per passage."""
        return np.diff(self.indptr)

    @property
    def places(self) -> Longs:
        """The position of every event in its passage, from 0."""
        return np.arange(len(self.items)) - np.repeat(self.indptr[:-1], self.lengths)


class Sequences:
    """The passages of a log, none longer than ``window``; longer histories are cut, starting at the end."""

    def __init__(self, train: Histories, window: int, *, times: bool) -> None:
        inputs = np.maximum(train.lengths - 1, 0)
        pieces = -(-inputs // window)
        row = np.repeat(np.arange(len(train)), pieces)
        back = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)  # 0: the newest piece of its row
        end = train.indptr[row + 1] - 1
        self.row = row  # the training history of each piece
        self.stop = end - back * window
        self.start = np.maximum(train.indptr[row], self.stop - window)
        self.items, self.times = train.items, train.times if times else None

    def __len__(self) -> int:
        return len(self.start)

    @property
    def positions(self) -> int:
        """Events trained on in one pass."""
        return int((self.stop - self.start).sum())

    @property
    def longest(self) -> int:
        """The length of the longest passage."""
        return int((self.stop - self.start).max(initial=1))

    def steps(self, rng: np.random.Generator, batch: int) -> list[Longs]:
        """All passages in random order, divided into steps of about ``batch`` events."""
        order = rng.permutation(len(self))
        filled = np.cumsum((self.stop - self.start)[order])
        step = (filled - 1) // max(1, batch)
        return np.split(order, np.flatnonzero(np.diff(step)) + 1) if len(order) else []

    def rows(self, chosen: Longs) -> Longs:
        """The training history of every event of the chosen passages."""
        return np.repeat(self.row[chosen], self.stop[chosen] - self.start[chosen])

    def take(self, chosen: Longs) -> Passages:
        """The chosen passages."""
        start, lengths = self.start[chosen], self.stop[chosen] - self.start[chosen]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(indptr[-1]) + np.repeat(start - indptr[:-1], lengths)
        ages = None
        if self.times is not None:
            newest = np.repeat(self.times[self.stop[chosen] - 1], lengths)
            ages = (newest - self.times[at]).astype(np.float32)
        return Passages(indptr, self.items[at], self.items[at + 1], ages)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Passages in blocks of nearly the same length; flat positions count through the blocks."""

    shapes: list[tuple[int, int]]  # rows and length of every block
    at: Longs  # (events,) the flat position of every event; a passage fills its row from the left

    @property
    def size(self) -> int:
        """Positions of all blocks together."""
        return sum(rows * length for rows, length in self.shapes)


def by_length(passages: Passages) -> Blocks:
    """One block per length up to eight events; above that, blocks grow by a quarter in length."""
    lengths = passages.lengths
    steps = [1]
    while steps[-1] < lengths.max(initial=1):
        steps.append(max(steps[-1] + 1, int(steps[-1] * 1.25)))
    steps[-1] = int(lengths.max(initial=1))
    held = np.array(steps)[np.searchsorted(steps, lengths)]
    of_length, rows = np.unique(held, return_counts=True)
    order = np.argsort(held, kind="stable")
    start = np.empty_like(held)
    start[order] = np.cumsum(held[order]) - held[order]
    at = np.repeat(start, lengths) + passages.places
    return Blocks(list(zip(rows.tolist(), of_length.tolist(), strict=True)), at)
