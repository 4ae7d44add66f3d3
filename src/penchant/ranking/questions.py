"""Questions to learn an order from: held-out events, each with what came before, and the histories without them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Bools, Histories, Ints, Longs
from penchant.core.shown import Shown
from penchant.ranking.lists import lists_of, shown_before

if TYPE_CHECKING:
    from penchant.core.split import Split

LATE = 0.8  # the share of the events of a log with times before the first question
EARLIER = (0.2, 0.4, 0.6, LATE)  # of the lists, where the parts begin that are asked beside the last one
LISTS = 10_000  # events of the last part from which it is enough
FEWEST = 50  # questions of a cut in time, below which the last event of each history is asked
NEW = 5  # of so many questions one is also asked for a new person
NEWEST = 500  # events that a question is given


@dataclass(frozen=True, eq=False)
class Questions:
    """``past`` holds no event that is asked, nor, in a log with times, any later one."""

    past: Histories
    given: Histories  # (questions,) what came before, in the context and at the moment of the event asked
    answers: Ints  # (questions,)
    events: Longs  # (questions,) which event of the histories is asked; of cases, which of their answers
    repeated: Bools  # (questions,) whether the answer is among what is given
    lists: Shown | None = None  # the list that each answer was chosen from, empty where there is none; None: no lists
    also: Histories | None = None  # (questions,) further answers of the same case, which are no wrong ones


def questions(train: Histories, *, folds: int, each: int, rng: np.random.Generator) -> Iterator[Questions]:
    """The questions of some histories.

    In a log with times, the past ends at one moment for everybody, before the newest fifth of the lists that people
    were shown, else of the events; up to ``each`` later positive events of a history are asked. In one with an order
    only, the past ends before the last ``each`` positive events of each history. In one without, every positive event
    is asked once, in ``folds`` parts.
    """
    positive = positive_events(train)
    if not train.ordered:
        part = rng.permutation(len(train.items)) % folds
        for fold in range(folds):
            asked = positive & (part == fold)
            yield _held(train, ~(part == fold) | ~positive, np.flatnonzero(asked), in_order=False)
        return
    if train.times is not None and len(train.times):
        shown = None if train.shown is None else train.shown.times
        known = train.times if shown is None or not len(shown) else shown  # before the first list nothing was chosen
        early = train.times < np.quantile(known, LATE, method="higher")
        asked = _newest(train, positive & ~early & _begun(train, early), each)
        if len(asked) >= FEWEST:
            yield _held(train, early, asked, in_order=True)
            return
    asked = _newest(train, positive & (np.arange(len(train.items)) > np.repeat(train.indptr[:-1], train.lengths)), each)
    first = np.full(len(train), len(train.items), dtype=np.int64)
    np.minimum.at(first, train.rows[asked], asked)
    yield _held(train, np.arange(len(train.items)) < first[train.rows], asked, in_order=True)


def earlier_lists(train: Histories, *, each: int) -> Iterator[Questions]:
    """Lists that people were shown before those of ``questions``, part by part, each asked of what was before its part.

    There are none where no impressions with times are known, or where the last part has lists enough.
    """
    shown = None if train.shown is None else train.shown.times
    if train.times is None or shown is None or not len(shown):
        return
    cuts = np.quantile(shown, EARLIER, method="higher")
    if int((train.times >= cuts[-1]).sum()) >= LISTS:
        return
    positive = positive_events(train)
    for begin, end in itertools.pairwise(cuts):
        early = train.times < begin
        asked = _newest(train, positive & ~early & (train.times < end) & _begun(train, early), each)
        if len(asked):
            yield _held(train, early, asked, in_order=True)


def cases(train: Histories, valid: Split) -> Questions:
    """The questions of held-out cases: one for every true item. ``train`` holds none of them."""
    rows = valid.truth.rows
    given = replace(valid.given, shown=None)[rows]
    answers = valid.truth.items
    several = bool((valid.truth.lengths > 1).any())
    also = Histories(valid.truth.indptr, valid.truth.items, valid.truth.n_items)[rows] if several else None
    return Questions(train, given, answers, np.arange(len(answers)), _repeated(given, answers), None, also)


def also_new(asked: Questions) -> Questions:
    """The questions, and every fifth once more as that of a new person: with the same context and no history."""
    n = len(asked.answers)
    twice = np.arange(n) % NEW == NEW - 1
    many = np.concatenate([np.arange(n), np.flatnonzero(twice)])
    given = asked.given[many]
    given = replace(
        given.where(given.rows < n), shown=None if given.shown is None else given.shown.where(given.shown.rows < n)
    )
    lists = None if asked.lists is None else asked.lists[many]
    return Questions(
        asked.past,
        given,
        asked.answers[many],
        asked.events[many],
        asked.repeated[many] & (np.arange(len(many)) < n),
        None if lists is None else lists.where(lists.rows < n),
        None if asked.also is None else asked.also[many],
    )


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
    kept = replace(train.where(past), now=None, shown=_shown_in(train, past))
    lists = lists_of(train, asked)[0] if in_order else None
    return Questions(kept[kept.lengths > 0], given, answers, asked, _repeated(given, answers), lists)


def _repeated(given: Histories, answers: Ints) -> Bools:
    """Which answers are among what is given."""
    return held(np.arange(len(answers)), answers, given)


def _shown_in(train: Histories, past: Bools) -> Shown | None:
    """The impressions of the past: those no later than its newest event; none where they have no times."""
    if train.shown is None or train.shown.times is None or train.times is None or not past.any():
        return None
    return train.shown.where(train.shown.times <= train.times[past].max())


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
        shown=shown_before(train, train.rows[asked], lists_of(train, asked)[1]),
    )


def _without(train: Histories, past: Bools, asked: Longs) -> Histories:
    """For each event the events of its history that are not held out, asked in its context."""
    kept = replace(train.where(past), now=None, shown=None)[train.rows[asked]]
    return replace(kept, asked=None if train.context is None else train.context[asked])


def held(rows: Longs, items: Ints, by: Histories) -> Bools:
    """Which pairs of a row and an item are among the events of that row."""
    n = np.int64(by.n_items)
    keys, wanted = np.sort(by.rows * n + by.items), rows * n + items
    at = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    return np.asarray(keys[at] == wanted if len(keys) else np.zeros(len(wanted), dtype=np.bool_))
