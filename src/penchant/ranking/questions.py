"""Questions to learn an order from: held-out events, each with what came before, and the histories without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from penchant.core.histories import Bools, Histories, Ints, Longs

LATE = 0.8  # the share of the events of a log with times before the first question
FEWEST = 50  # questions of a cut in time, below which the last event of each history is asked
NEWEST = 500  # events that a question is given


@dataclass(frozen=True, eq=False)
class Questions:
    """``past`` holds no event that is asked, nor, in a log with times, any later one."""

    past: Histories
    given: Histories  # (questions,) what came before, in the context and at the moment of the event asked
    answers: Ints  # (questions,)
    events: Longs  # (questions,) which event of the histories is asked
    repeated: Bools  # (questions,) whether the answer is among what is given


def questions(train: Histories, *, folds: int, each: int, rng: np.random.Generator) -> Iterator[Questions]:
    """The questions of some histories.

    In a log with times, the past ends at one moment for everybody, and up to ``each`` later positive events of a
    history are asked. In one with an order only, the past ends before the last ``each`` positive events of each
    history. In one without, every positive event is asked once, in ``folds`` parts.
    """
    positive = positive_events(train)
    if not train.ordered:
        part = rng.permutation(len(train.items)) % folds
        for fold in range(folds):
            asked = positive & (part == fold)
            yield _held(train, ~(part == fold) | ~positive, np.flatnonzero(asked), in_order=False)
        return
    if train.times is not None and len(train.times):
        early = train.times < np.quantile(train.times, LATE, method="higher")
        asked = _newest(train, positive & ~early & _begun(train, early), each)
        if len(asked) >= FEWEST:
            yield _held(train, early, asked, in_order=True)
            return
    asked = _newest(train, positive & (np.arange(len(train.items)) > np.repeat(train.indptr[:-1], train.lengths)), each)
    first = np.full(len(train), len(train.items), dtype=np.int64)
    np.minimum.at(first, train.rows[asked], asked)
    yield _held(train, np.arange(len(train.items)) < first[train.rows], asked, in_order=True)


def positive_events(train: Histories) -> Bools:
    """Which events are positives, ``(events,)``: the rule of ``Histories.positives``."""
    if train.liked is not None:
        return train.liked
    if train.values_are == "weight" and train.values is not None:
        return np.asarray(train.values > 0)
    return np.ones(len(train.items), dtype=np.bool_)


def _begun(train: Histories, early: Bools) -> Bools:
    """Events before which their history has an early one."""
    return np.asarray((np.bincount(train.rows[early], minlength=len(train)) > 0)[train.rows])


def _newest(train: Histories, asked: Bools, each: int) -> Longs:
    """The last ``each`` of the marked events of every history."""
    events = np.flatnonzero(asked)
    rows = train.rows[events]
    after = np.searchsorted(rows, rows, side="right") - 1 - np.arange(len(rows))
    return events[after < each]


def _held(train: Histories, past: Bools, asked: Longs, *, in_order: bool) -> Questions:
    given = before(train, asked) if in_order else _without(train, past, asked)
    answers = train.items[asked]
    keys = np.sort(given.rows * np.int64(train.n_items) + given.items)
    wanted = np.arange(len(asked)) * np.int64(train.n_items) + answers
    at = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    repeated = keys[at] == wanted if len(keys) else np.zeros(len(asked), dtype=np.bool_)
    kept = replace(train.where(past), now=None)
    return Questions(kept[kept.lengths > 0], given, answers, asked, np.asarray(repeated))


def before(train: Histories, asked: Longs) -> Histories:
    """For each event the events of its history before it, the newest 500, asked at its time and in its context."""
    start = train.indptr[train.rows[asked]]
    lengths = np.minimum(asked - start, NEWEST)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    events = np.arange(indptr[-1], dtype=np.int64) + np.repeat(asked - lengths - indptr[:-1], lengths)
    return replace(
        train,
        indptr=indptr,
        items=train.items[events],
        values=None if train.values is None else train.values[events],
        times=None if train.times is None else train.times[events],
        liked=None if train.liked is None else train.liked[events],
        now=None if train.times is None else train.times[asked],
        context=None if train.context is None else train.context[events],
        asked=None if train.context is None else train.context[asked],
    )


def _without(train: Histories, past: Bools, asked: Longs) -> Histories:
    """For each event the events of its history that are not held out, asked in its context."""
    kept = replace(train.where(past), now=None)[train.rows[asked]]
    return replace(kept, asked=None if train.context is None else train.context[asked])
