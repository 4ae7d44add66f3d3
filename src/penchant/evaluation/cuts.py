"""Splitting histories into training, given and truth: one function per protocol, on plain histories.

All functions follow the same rules:

- ``train`` and ``given`` keep every row with its value.
- ``truth`` holds positives, each item once per case.
- An item that a case has seen before is not an answer unless ``repeat``; the notes count the answers removed.
- In session logs, every prefix is a case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from penchant.core.baskets import Baskets
from penchant.core.blocks import row_blocks
from penchant.core.histories import Bools, Histories, Longs
from penchant.core.split import Split
from penchant.errors import DataError, ParameterError
from penchant.evaluation.cases import (
    build,
    counted_before,
    only_filled,
    per_row,
    pick,
    place_in_row,
    positive_events,
    prefixes,
)


def leave_last(log: Histories, *, repeat: bool = False, refit: bool = False) -> Split:
    """The last positive of every history is the test item, the one before it the validation item, the rest training.

    Histories of fewer than three positives are training only. A test case is given the validation item; ``refit``
    trains on it as well. Raises ``DataError`` where no history is long enough.
    """
    total = _positives(log)
    long_enough = total >= 3
    if not long_enough.any():
        raise DataError("leave-last: no user has three positives", fix="Split by users instead.")
    is_test, is_valid, until_test, until_valid = _by_blocks(log, _last_two)
    train = only_filled(pick(log, until_valid))
    warm = np.ones(len(log), dtype=np.bool_)
    valid = build("leave-last", log, train, until_valid, is_valid, long_enough, warm, repeat=repeat)
    return build(
        "leave-last", log, only_filled(pick(log, until_test)) if refit else train, until_test, is_test, long_enough,
        warm, repeat=repeat, valid=valid, notes=["fitted with the validation items"] if refit else [],
    )  # fmt: skip


def _last_two(log: Histories) -> tuple[Bools, Bools, Bools, Bools]:
    """The last positive of every row with three, the one before it, and the events before each of these."""
    liked, position = positive_events(log), np.arange(len(log.items))
    total = _positives(log)
    eligible, needed = np.repeat(total >= 3, log.lengths), np.repeat(total, log.lengths)
    before = counted_before(log, liked)  # positives of the row before each event
    found = []
    for number in (1, 2):
        chosen = liked & eligible & (before == needed - number)
        place = np.zeros(len(log), np.int64)
        place[log.rows[chosen]] = position[chosen]
        found += [chosen, ~eligible | (position < np.repeat(place, log.lengths))]
    return found[0], found[2], found[1], found[3]


def _positives(log: Histories) -> Longs:
    """How many positives each row has."""
    return per_row(log, positive_events(log))


def _by_blocks(log: Histories, masks: Callable[[Histories], tuple[Bools, ...]]) -> list[Bools]:
    """Masks over the events of a log, computed from some rows at a time."""
    parts = [masks(log[lo:hi]) for lo, hi in row_blocks(log.indptr)] or [masks(log)]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def next_basket(log: Histories, *, repeat: bool = True, refit: bool = False) -> Split:
    """The last basket of every history is the truth, the one before it that of validation, the rest training.

    A basket is the positives of a history at one moment; its items may have been taken before, unless ``repeat`` is
    False. Histories of fewer than three baskets are training only. A test case is given the validation basket;
    ``refit`` trains on it as well. Raises ``DataError`` without times, and where no history is long enough.
    """
    if log.times is None:
        raise DataError("next-basket: a basket is what was taken at the same moment, and the log has no times")
    is_test, is_valid, until_test, until_valid, long_enough = _by_blocks(log, _last_two_baskets)
    if not long_enough.any():
        raise DataError("next-basket: no user has three baskets", fix="Use leave-last, or split by users.")
    train = only_filled(pick(log, until_valid))
    warm = np.ones(len(log), dtype=np.bool_)
    valid = build("next-basket", log, train, until_valid, is_valid, long_enough, warm, repeat=repeat)
    return build(
        "next-basket", log, only_filled(pick(log, until_test)) if refit else train, until_test, is_test, long_enough,
        warm, repeat=repeat, valid=valid, notes=["fitted with the validation baskets"] if refit else [],
    )  # fmt: skip


def _last_two_baskets(log: Histories) -> tuple[Bools, Bools, Bools, Bools, Bools]:
    """The last basket of every row with three, the one before it, and the events before each; which rows have three."""
    liked = positive_events(log)
    baskets = Baskets.in_(log.where(liked))
    long_enough = baskets.counts >= 3
    rows = np.flatnonzero(long_enough)
    assert baskets.times is not None and log.times is not None  # the caller made sure
    eligible, at, before = np.repeat(long_enough, log.lengths), [], []
    for number in (1, 2):
        moment = np.zeros(len(log), np.int64)
        moment[rows] = baskets.times[baskets.indptr[rows + 1] - number]
        moments = np.repeat(moment, log.lengths)
        at.append(liked & eligible & (log.times == moments))
        before.append(~eligible | (log.times < moments))
    return at[0], at[1], before[0], before[1], long_enough


def time_cut(
    log: Histories, q: float = 0.8, *, repeat: bool = False, sessions: bool = False, with_valid: bool = True
) -> Split:
    """Rows before T, the ``q``-quantile of all times, are training; later rows are the truth.

    A history with rows on both sides is a ``warm`` case. One that begins after T is a new person: its first half, at
    least one row, is given, and the rest is the truth. Validation splits the training rows in the same way. Raises
    ``DataError`` where there are no times, or one side would be empty.
    """
    if not 0 < q < 1:
        raise ParameterError(f"time:q takes a share between 0 and 1, got {q}")
    split = cut_at(log, quantile_moment(log, q), f"time:{q:g}", repeat=repeat, sessions=sessions)
    if not with_valid:
        return split
    try:
        valid = time_cut(split.train, q, repeat=repeat, sessions=sessions, with_valid=False)
    except DataError:
        return split  # too few distinct times for a second split: no validation part
    return replace(split, valid=valid)


def quantile_moment(log: Histories, q: float) -> int:
    """The ``q``-quantile of all times; raises ``DataError`` where there are none."""
    if log.times is None:
        raise DataError("a split by time needs times; the log has none", fix="Use leave-last or users.")
    return int(np.quantile(log.times, q, method="higher")) if len(log.times) else 0


def cut_at(log: Histories, moment: int, label: str, *, repeat: bool = False, sessions: bool = False) -> Split:
    """``time_cut`` at a moment in unix seconds, without a validation part; ``label`` names it in messages.

    Raises ``DataError`` where there are no times, or one side would be empty.
    """
    if log.times is None:
        raise DataError("a split by time needs times; the log has none", fix="Use leave-last or users.")
    early = log.times < moment
    if not early.any() or early.all():
        raise DataError(f"{label}: all rows lie on one side of time {moment}", fix="Use another share.")
    train = only_filled(pick(log, early))
    has_early, is_case = per_row(log, early) > 0, per_row(log, ~early) > 0
    if sessions:
        return prefixes("time", log, train, ~early, repeat=repeat, warm=has_early)
    new = is_case & ~has_early
    (first_half,) = _by_blocks(log, _first_half)
    given = early | (np.repeat(new, log.lengths) & first_half)
    split = build("time", log, train, given, ~given, is_case, has_early, repeat=repeat)
    newest = split.given.moments()
    assert newest is not None  # there are times
    asked_at = np.maximum(np.int64(moment), newest)  # a new person asks at their newest given event
    return replace(split, given=replace(split.given, now=asked_at))


def _first_half(log: Histories) -> tuple[Bools]:
    """The first half of every row, at least one event."""
    return (place_in_row(log, None) < np.repeat(np.maximum(1, log.lengths // 2), log.lengths),)


def _first_share(log: Histories) -> tuple[Bools]:
    """The first 80 % of every row, at least one event."""
    return (place_in_row(log, None) < np.repeat(np.maximum(1, log.lengths * 4 // 5), log.lengths),)


def leave_users(
    log: Histories,
    share: float = 0.1,
    *,
    seed: int = 0,
    ordered: bool = True,
    repeat: bool = False,
    sessions: bool = False,
    with_valid: bool = True,
) -> Split:
    """A share of the users is held out of training; the first 80 % of their history is given, the rest is the truth.

    Without an order (``ordered=False``) a random 80 % is given. Validation holds out as many of the other users. Raises
    ``DataError`` where no user would be left to learn from.
    """
    if not 0 < share < 1:
        raise ParameterError(f"users:f takes a share between 0 and 1, got {share}")
    out = max(1, round(share * len(log)))
    if out >= len(log):
        raise DataError(f"users:{share:g}: the log has {len(log)} users, none would be left to learn from")
    rng = np.random.default_rng(seed)
    leaving = np.zeros(len(log), dtype=np.bool_)
    leaving[rng.permutation(len(log))[:out]] = True
    train = only_filled(log[~leaving])
    valid = None
    if with_valid and len(train) > out:
        inner = out / len(train)
        valid = leave_users(
            train, inner, seed=seed + 1, ordered=ordered, repeat=repeat, sessions=sessions, with_valid=False
        )
    nobody = np.zeros(len(log), dtype=np.bool_)
    if sessions:
        return prefixes("users", log, train, np.repeat(leaving, log.lengths), repeat=repeat, valid=valid, warm=nobody)
    if ordered:
        (given,) = _by_blocks(log, _first_share)
    else:
        given = place_in_row(log, rng) < np.repeat(np.maximum(1, log.lengths * 4 // 5), log.lengths)
    chosen = np.repeat(leaving, log.lengths)
    return build("users", log, train, given & chosen, ~given & chosen, leaving, nobody, repeat=repeat, valid=valid)


def random_folds(log: Histories, k: int, *, seed: int = 0, repeat: bool = False, sessions: bool = False) -> list[Split]:
    """``k`` folds over the rows of the log: each row is held out exactly once; in session logs, each session.

    Raises ``ParameterError`` for fewer than two folds and ``DataError`` for fewer rows than folds.
    """
    if k < 2:
        raise ParameterError(f"random:K takes at least 2 folds, got {k}")
    units = len(log) if sessions else len(log.items)
    if units < k:
        raise DataError(f"random:{k}: the log has only {units} {'sessions' if sessions else 'rows'}")
    fold = np.random.default_rng(seed).permutation(units) % k
    fold = np.repeat(fold, log.lengths) if sessions else fold
    return [hold_out(f"random:{k}", log, fold == f, repeat=repeat, sessions=sessions) for f in range(k)]


def hold_out(
    name: str,
    log: Histories,
    held: Bools,
    *,
    valid_rows: Bools | None = None,
    left_out: Bools | None = None,
    repeat: bool = False,
    refit: bool = False,
    sessions: bool = False,
) -> Split:
    """The rows ``held`` (events,) are the truth; all others are given, and are training.

    ``valid_rows`` are the validation part: test cases are given them, training leaves them out unless ``refit``.
    Without them, validation uses 10 % of each user's training rows (seed 0), and training has all rows.
    """
    used = ~held if left_out is None else ~held & ~left_out
    if not used.any() or not held.any():
        raise DataError(f"{name}: there are no {'test' if used.any() else 'training'} rows")
    if valid_rows is None:
        part = _tenth(log, used, sessions=sessions)
        train = only_filled(pick(log, used))
        smaller = only_filled(pick(log, used & ~part))
    else:
        part = valid_rows
        smaller = only_filled(pick(log, used & ~part))
        train = only_filled(pick(log, used)) if refit else smaller
    valid = None
    if part.any() and len(smaller):
        valid = _held_rows(name, log, smaller, used & ~part, part, repeat=repeat, sessions=sessions)
    return _held_rows(name, log, train, used, held, repeat=repeat, sessions=sessions, valid=valid)


def _held_rows(
    name: str, log: Histories, train: Histories, given: Bools, held: Bools, *, repeat: bool, sessions: bool,
    valid: Split | None = None,
) -> Split:  # fmt: skip
    warm = per_row(log, given) > 0
    if sessions:
        return prefixes(name, log, train, held, repeat=repeat, valid=valid, warm=warm, known=given | held)
    cases = per_row(log, held) > 0
    return build(name, log, train, given, held, cases, warm, repeat=repeat, valid=valid)


def _tenth(log: Histories, used: Bools, *, sessions: bool) -> Bools:
    """10 % of each user's used rows, to the nearest row, seed 0; in session logs 10 % of the sessions."""
    rng = np.random.default_rng(0)
    if sessions:
        drawn = rng.permutation(len(log)) < max(1, (len(log) + 5) // 10)
        return used & np.repeat(drawn, log.lengths)
    part = np.zeros(len(log.items), dtype=np.bool_)
    events = np.flatnonzero(used)
    rows = log.where(used)
    part[events] = place_in_row(rows, rng) < np.repeat((rows.lengths + 5) // 10, rows.lengths)
    return part
