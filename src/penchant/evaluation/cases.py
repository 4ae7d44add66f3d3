"""From histories to test cases: which events are given, which are true, and what each case has seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from penchant.core.blocks import row_blocks
from penchant.core.histories import Bools, Histories, Longs
from penchant.core.split import Split, contained

MAX_PREFIX = 500  # events given of a session's prefix; without a limit, cost grows with the square of its length


def build(
    name: str,
    log: Histories,
    train: Histories,
    given: Bools,
    held: Bools,
    cases: Bools,
    warm: Bools,
    *,
    repeat: bool,
    valid: Split | None = None,
    notes: Sequence[str] = (),
) -> Split:
    """A split whose cases are the rows ``cases`` of the log; the masks ``given`` and ``held`` are over its events."""
    rows = np.flatnonzero(cases)
    if log.context is not None:
        return _each_moment(
            name, log, train, given, held & np.repeat(cases, log.lengths), warm, repeat=repeat, valid=valid, notes=notes
        )
    rated, repeated, known = log.values_are == "rating", 0, 0
    true = held & positive_events(log)
    for lo, hi in row_blocks(log.indptr):
        here = slice(int(log.indptr[lo]), int(log.indptr[hi]))
        some, eligible = log[lo:hi], np.repeat(cases[lo:hi], log.lengths[lo:hi])
        keys = some.rows * np.int64(log.n_items) + some.items
        before = contained(keys, keys[given[here] & eligible])
        known += int((before & held[here] & eligible).sum())
        if not repeat:
            repeated += int((true[here] & before).sum())
            true[here] &= ~before
    said = list(notes)
    if repeated:
        said.append(
            f"{repeated:,} held-out rows repeat an item that their user had before: they are not answers "
            "unless repeats are allowed"
        )
    if known and rated:
        said.append(
            f"{known:,} held-out ratings are of an item that their user had rated before: rmse and mae omit them"
        )
    return Split(
        name, train, pick(log, given, rows), as_truth(log, true)[rows], group=rows, warm=warm[rows], repeat=repeat,
        valid=valid, notes=said, ratings=pick(log, held, rows) if rated else None,
    )  # fmt: skip


def _each_moment(
    name: str,
    log: Histories,
    train: Histories,
    given: Bools,
    held: Bools,
    warm: Bools,
    *,
    repeat: bool,
    valid: Split | None,
    notes: Sequence[str],
) -> Split:
    """A case for every held-out event: what the person is given, asked in the context of the event.

    An item that the person was given in another context stays in the question of ratings.
    """
    assert log.context is not None
    targets = np.flatnonzero(held)
    rows = log.rows[targets]
    n = np.int64(max(1, log.n_items))
    known = contained(rows * n + log.items[targets], (log.rows * n + log.items)[given])
    asked = replace(pick(log, given, rows), asked=log.context[targets])
    each = np.arange(len(targets) + 1)
    true = positive_events(log)[targets]
    if not repeat:
        true &= ~known
    graded = log.values_are == "rating" and log.liked is None
    values = log.values[targets] if log.values is not None else None
    of_each = Histories(
        each, log.items[targets], log.n_items, values if graded else None, "rating" if graded else "none"
    )
    ratings = None
    if log.values_are == "rating":
        ratings = Histories(each, log.items[targets], log.n_items, values, "rating", context=log.context[targets])
    said = [*notes, "every held-out row is a case, asked in its context"]
    if repeat:
        said.append(f"{int(known.sum()):,} of {len(targets):,} held-out rows are of an item that their user had before")
    elif (again := positive_events(log)[targets] & known).any():
        said.append(
            f"{int(again.sum()):,} held-out rows repeat an item that their user had before: they are not answers "
            "unless repeats are allowed"
        )
    return Split(
        name, train, asked, of_each.where(true), group=rows, warm=warm[rows], repeat=repeat, valid=valid, notes=said,
        ratings=ratings,
    )  # fmt: skip


def prefixes(
    name: str,
    log: Histories,
    train: Histories,
    held: Bools,
    *,
    repeat: bool,
    warm: Bools,
    valid: Split | None = None,
    known: Bools | None = None,
) -> Split:
    """Every prefix of a held-out session is a case: all earlier events are given, the next positive is the truth."""
    used = np.ones(len(log.items), dtype=np.bool_) if known is None else known
    held = held[used]
    log = pick(log, used)
    start = np.repeat(log.indptr[:-1], log.lengths)
    position = np.arange(len(log.items))
    targets = np.flatnonzero(held & positive_events(log) & (position > start))
    lengths = np.minimum(targets - start[targets], MAX_PREFIX)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    events = np.arange(indptr[-1], dtype=np.int64) + np.repeat(targets - lengths - indptr[:-1], lengths)
    given = Histories(
        indptr,
        log.items[events],
        log.n_items,
        None if log.values is None else log.values[events],
        log.values_are,
        None if log.times is None else log.times[events],
        None if log.liked is None else log.liked[events],
        context=None if log.context is None else log.context[events],
        asked=None if log.context is None else log.context[targets],
    )
    truth = Histories(np.arange(len(targets) + 1), log.items[targets], log.n_items)
    notes = ["every prefix of a test session is one case"]
    if cut := int((targets - start[targets] > MAX_PREFIX).sum()):
        notes.append(f"of {cut:,} prefixes of more than {MAX_PREFIX} events, the newest {MAX_PREFIX} are given")
    if not repeat:
        n = np.int64(log.n_items)
        seen = contained(truth.rows * n + truth.items, given.rows * n + given.items)
        truth = truth.where(~seen)
        notes.append(f"{int(seen.sum()):,} next items occurred earlier in their session: they are not answers")
    rows = log.rows[targets]
    return Split(name, train, given, truth, group=rows, warm=warm[rows], repeat=repeat, valid=valid, notes=notes)


def asked_ratings(split: Split) -> Histories | None:
    """The held-out ratings that errors are measured on, a row per case; None where the split holds none.

    A rating of an item that the case is given is left out: the answer would be known. With contexts that is so only
    for the same context.
    """
    asked = split.ratings if split.ratings is not None else split.truth
    if asked.values is None or asked.values_are != "rating":
        return None
    n = np.int64(max(1, asked.n_items))
    held, had = asked.rows * n + asked.items, split.given.rows * n + split.given.items
    if asked.context is not None and split.given.context is not None:
        both = np.concatenate([asked.context, split.given.context])
        number = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        contexts = number.max(initial=0) + 1
        held, had = held * contexts + number[: len(held)], had * contexts + number[len(held) :]
    known = contained(held, had)
    return asked.where(~known) if known.any() else asked


def pick(log: Histories, keep: Bools, rows: Longs | None = None) -> Histories:
    """The events ``keep`` of the chosen rows; the moment of each row is that of its newest kept event, and what was
    shown later is left out."""
    kept = replace(log.where(keep), now=None)
    if kept.shown is not None:
        kept = replace(kept, shown=kept.shown.until(kept))
    return kept if rows is None else kept[rows]


def only_filled(log: Histories) -> Histories:
    """The rows that are not empty."""
    filled = log.lengths > 0
    return log if filled.all() else log[filled]


def positive_events(log: Histories) -> Bools:
    """Which events count as positives, ``(events,)``: the same rule as ``Histories.positives``."""
    if log.liked is not None:
        return log.liked
    if log.values_are == "weight" and log.values is not None:
        return np.asarray(log.values > 0, dtype=np.bool_)
    return np.ones(len(log.items), dtype=np.bool_)


def as_truth(log: Histories, true: Bools) -> Histories:
    """The events ``true`` as answers, each item once per row.

    Ratings are grades of relevance, unless a rule defines positives: then, as with weights, all answers are equal.
    """
    graded = log.values_are == "rating" and log.liked is None
    answers = replace(log.where(true), now=None, times=None, liked=None)
    return (answers if graded else replace(answers, values=None, values_are="none")).distinct()


def per_row(log: Histories, marked: Bools) -> Longs:
    """How many marked events each row has."""
    out = np.zeros(len(log), dtype=np.int64)
    for lo, hi in row_blocks(log.indptr):
        running = np.concatenate([[0], np.cumsum(marked[log.indptr[lo] : log.indptr[hi]], dtype=np.int64)])
        ends = log.indptr[lo : hi + 1] - log.indptr[lo]
        out[lo:hi] = running[ends[1:]] - running[ends[:-1]]
    return out


def counted_before(log: Histories, marked: Bools) -> Longs:
    """How many marked events of its row precede each event."""
    running = np.concatenate([[0], np.cumsum(marked, dtype=np.int64)])
    return np.asarray(running[:-1] - np.repeat(running[log.indptr[:-1]], log.lengths))


def place_in_row(log: Histories, rng: np.random.Generator | None) -> Longs:
    """The position of every event in its row, from 0; with ``rng`` after shuffling each row."""
    position = np.arange(len(log.items)) - np.repeat(log.indptr[:-1], log.lengths)
    if rng is None:
        return position
    shuffled = np.lexsort((rng.random(len(log.items)), log.rows))
    out = np.empty_like(position)
    out[shuffled] = position
    return out
