"""From a log and the name of a protocol to the splits that evaluation and tuning use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Histories
from penchant.core.split import Split
from penchant.errors import DataError, LeakError, ParameterError
from penchant.evaluation.cases import per_row, positive_events
from penchant.evaluation.cuts import hold_out, leave_last, leave_users, next_basket, random_folds, time_cut

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

__all__ = [
    "Protocol", "choose", "column", "keep_known", "leave_last", "leave_users", "make_splits", "next_basket",
    "random_folds",
    "time_cut", "training_rows", "with_candidates",
]  # fmt: skip

PART_NAMES = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test", "false": "train", "true": "test",
}  # fmt: skip
WARM_ENOUGH = 0.3  # share of warm test users above which a split by time is the default


@dataclass(frozen=True)
class Protocol:
    """A protocol as written, such as ``leave-last``, ``next-basket``, ``time:.8``, ``users:.1`` or ``column:NAME``."""

    kind: str
    number: float = 0.0
    column: str | None = None

    @classmethod
    def parse(cls, text: str) -> Protocol:
        """Parse one; raises ``ParameterError`` that lists the protocols."""
        kind, colon, rest = text.strip().partition(":")
        defaults = {"leave-last": 0.0, "next-basket": 0.0, "time": 0.8, "users": 0.1, "random": 5.0, "column": 0.0}
        alone = kind in {"leave-last", "next-basket"}
        if kind not in defaults or (alone and colon) or (colon and not rest):
            raise ParameterError(
                f"unknown split {text!r}: use leave-last, next-basket, time[:q=.8], users[:f=.1], random:K or "
                "column[:NAME]"
            )
        if kind == "column":
            return cls(kind, column=rest or None)
        if not colon:
            return cls(kind, defaults[kind])
        found = re.fullmatch(r"(?:[qfkK]=)?(\d*\.?\d+)", rest.strip())
        if found is None:
            raise ParameterError(f"split {text!r}: {rest!r} should be a number")
        number = float(found[1])
        if kind == "random" and not (number.is_integer() and number >= 2):
            raise ParameterError(f"split {text!r}: the number of folds must be a whole number, at least 2")
        if kind in {"time", "users"} and not 0 < number < 1:
            raise ParameterError(f"split {text!r}: the share must be between 0 and 1")
        return cls(kind, number)


def make_splits(
    log: Interactions,
    spec: str | None = None,
    *,
    repeat: bool | None = None,
    known_only: bool = False,
    seed: int = 0,
    refit: bool = False,
    candidates: Histories | None = None,
) -> list[Split]:
    """The splits of a log: one, or one per fold; each with ``valid``, a part for choosing parameters.

    With ``spec`` None a protocol is chosen; the notes say which and why. With ``repeat`` None, seen items may be
    answers in session logs and next baskets only. ``candidates``, one row per user of the log, limit the items of each
    case (its true items are added). Raises ``LeakError`` where a presplit log has a test row among its training rows,
    and ``DataError`` where no row is a positive.
    """
    log.need_positives()
    why = ""
    if spec is None:
        spec, why = choose(log)
    protocol = Protocol.parse(spec)
    histories = log.histories()
    again = (log.sessions or protocol.kind == "next-basket") if repeat is None else repeat
    sessions = log.sessions
    if protocol.kind == "leave-last":
        splits = [leave_last(histories, repeat=again, refit=refit)]
    elif protocol.kind == "next-basket":
        splits = [next_basket(histories, repeat=again, refit=refit)]
    elif protocol.kind == "time":
        splits = [time_cut(histories, protocol.number, repeat=again, sessions=sessions)]
    elif protocol.kind == "users":
        splits = [
            leave_users(histories, protocol.number, seed=seed, ordered=is_ordered(log), repeat=again, sessions=sessions)
        ]
    elif protocol.kind == "random":
        splits = random_folds(histories, int(protocol.number), seed=seed, repeat=again, sessions=sessions)
    else:
        if log.parts is None:
            raise DataError(
                "the log has no column that marks training and test rows",
                fix="Name it: --columns split=NAME or --split column:NAME.",
            )
        names = (log.user_ids, log.vocab.ids)
        splits = column(histories, log.parts, repeat=again, refit=refit, sessions=sessions, names=names)
    if known_only:
        splits = [keep_known(split) for split in splits]
    if candidates is not None:
        splits = [with_candidates(split, candidates) for split in splits]
    if why:
        splits = [replace(split, notes=[why, *split.notes]) for split in splits]
    return splits


def choose(log: Interactions) -> tuple[str, str]:
    """The default protocol for a log, and the reason in words."""
    presplit = "; the log's own split column is used with --split column" if log.parts is not None else ""
    histories = log.histories()
    reason = "the log has no times"
    if log.times is not None and len(log):
        try:
            split = time_cut(histories, with_valid=False, sessions=log.sessions)
        except DataError:
            reason = "the times do not separate the rows"
        else:
            warm = 0.0
            if split.group is not None and split.warm is not None and len(split):
                _, first = np.unique(split.group, return_index=True)
                warm = float(split.warm[first].mean())
            if warm >= WARM_ENOUGH:
                return "time", f"split by time: {warm:.0%} of its test users are also in training{presplit}"
            reason = f"only {warm:.0%} of the test users of a split by time are in training"
    long_enough = per_row(histories, positive_events(histories)) >= 3
    if is_ordered(log) and long_enough.any():
        return "leave-last", f"split leave-last: {reason}{presplit}"
    missing = "no user has three positives" if is_ordered(log) else "rows have no order (no time, no position)"
    return "users", f"split by users: {reason}, {missing}{presplit}"


def training_rows(log: Interactions) -> tuple[Interactions, int]:
    """The log without the rows marked ``test``, and their number."""
    if log.parts is None:
        return log, 0
    test = np.asarray(log.parts == "test")
    return (log.where(~test), int(test.sum())) if test.any() else (log, 0)


def is_ordered(log: Interactions) -> bool:
    """Whether the log has an order of events: times, or a column of positions."""
    return log.times is not None or "position" in log.report.columns


def column(
    log: Histories,
    parts: Sequence[str | None] | NDArray[np.str_],
    *,
    repeat: bool = False,
    refit: bool = False,
    sessions: bool = False,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> list[Split]:
    """The split that a column defines: train, valid and test, or fold numbers, each held out once.

    Rows without a part are left out. ``names`` are user and item ids for messages. Raises ``DataError`` for unknown
    parts, and ``LeakError`` where a held-out row is also among the given rows.
    """
    labels, inverse = np.unique(np.asarray(parts).astype(str), return_inverse=True)
    plain = [label.strip().lower() for label in labels.tolist()]
    empty = np.array([word in {"", "none", "null", "nan"} for word in plain])[inverse]
    kept = [word for word in plain if word not in {"", "none", "null", "nan"}]
    notes = [f"{int(empty.sum()):,} rows without a part were left out"] if empty.any() else []
    if kept and all(word in PART_NAMES for word in kept):
        of = np.array([PART_NAMES.get(word, "") for word in plain])[inverse]
        is_test, is_valid = of == "test", of == "valid"
        _refuse_copies(log, is_valid, of == "train", names, repeat=repeat)
        _refuse_copies(log, is_test, (of == "train") | is_valid, names, repeat=repeat)
        splits = [
            hold_out(
                "column", log, is_test, valid_rows=is_valid if is_valid.any() else None, left_out=empty,
                repeat=repeat, refit=refit, sessions=sessions,
            )
        ]  # fmt: skip
    elif len(kept) > 1 and all(re.fullmatch(r"\d+(\.0)?", word) for word in kept):
        splits = []
        for label, word in sorted(zip(labels.tolist(), plain, strict=True), key=lambda pair: pair[1].zfill(12)):
            if word in kept:
                held = np.asarray(inverse == labels.tolist().index(label))
                _refuse_copies(log, held, ~held & ~empty, names, repeat=repeat)
                splits.append(
                    hold_out(f"column, {len(kept)} folds", log, held, left_out=empty, repeat=repeat, sessions=sessions)
                )
    else:
        shown = ", ".join(sorted(set(kept))[:6]) or "nothing"
        raise DataError(
            f"the split column holds {shown}",
            fix="Use train, (valid,) test, or the numbers of at least two folds.",
        )
    return [replace(split, notes=[*notes, *split.notes]) for split in splits]


def _refuse_copies(
    log: Histories, held: Bools, given: Bools, names: tuple[Sequence[str], Sequence[str]] | None, *, repeat: bool
) -> None:
    """Refuse held-out rows that are exact copies of given rows of their user: leaks, not repeats.

    With times, a copy has the same time; where seen items may be answers, only times tell a copy from a repeat.
    """
    if repeat and log.times is None:
        return
    if log.context is not None and not repeat:
        return  # every held-out row is a case, and a pair that is given in the same context is no question
    held = held & positive_events(log)
    columns = [log.rows, log.items.astype(np.int64)]
    if log.times is not None:
        columns.append(log.times)
    if log.context is not None:
        columns += list(log.context.T.astype(np.int64))
    if log.values is not None:
        columns.append(log.values.view(np.int32).astype(np.int64))
    order = np.lexsort((~given, *columns[::-1]))
    same = np.ones(max(0, len(order) - 1), dtype=np.bool_)
    for values in columns:
        same &= values[order[1:]] == values[order[:-1]]
    start = np.concatenate([[True], ~same]) if len(order) else np.empty(0, dtype=np.bool_)
    first_given = given[order[start]][np.cumsum(start) - 1] if len(order) else start
    copies = np.flatnonzero(held[order] & first_given)
    if len(copies) == 0:
        return
    event = int(order[copies].min())
    user, item = int(log.rows[event]), int(log.items[event])
    who = f"user {names[0][user]!r} and item {names[1][item]!r}" if names else f"row {user} and item {item}"
    raise LeakError(
        f"{len(copies):,} of {int(held.sum()):,} held-out rows are also among the given rows, for example {who}",
        fix="Remove the copies" + ("." if repeat else ", or allow seen items as answers (--repeat)."),
    )


def keep_known(split: Split) -> Split:
    """The split without true items that its training rows lack; its validation part likewise."""
    known = split.train.positives().counts() > 0
    keep = known[split.truth.items]
    notes = [*split.notes, f"known items only: {int((~keep).sum()):,} true items were dropped"]
    valid = None if split.valid is None else keep_known(split.valid)
    return replace(split, truth=split.truth.where(keep), unknown_truth=None, valid=valid, notes=notes)


def with_candidates(split: Split, candidates: Histories) -> Split:
    """The split with each case limited to its candidates and its true items; its name then says *sampled*.

    ``candidates`` has one row per user of the log, or one per case. Cases without candidates are left out: they lose
    their truth. Raises ``DataError`` where the rows match neither.
    """
    users = split.group
    by_user = users is not None and (len(users) == 0 or int(users.max()) < len(candidates))
    if len(candidates) != len(split) and not by_user:
        raise DataError(f"there are candidates for {len(candidates)} cases, the split has {len(split)}")
    own = candidates if users is None or not by_user else candidates[users]
    empty = own.lengths == 0
    lists = np.concatenate([own.rows, split.truth.rows]), np.concatenate([own.items, split.truth.items])
    keys = np.unique(lists[0] * np.int64(own.n_items) + lists[1])
    rows, items = np.divmod(keys, max(1, own.n_items))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(split)))])
    truth = split.truth.where(np.repeat(~empty, split.truth.lengths))
    notes = [
        *split.notes,
        "sampled: only the given candidates are ranked; compare these numbers only with others of this kind",
    ]
    if empty.any():
        notes.append(f"{int(empty.sum()):,} cases have no candidates and are left out")
    limited = Histories(indptr, items, own.n_items)
    return replace(split, name=f"{split.name}, sampled", candidates=limited, truth=truth, notes=notes)
