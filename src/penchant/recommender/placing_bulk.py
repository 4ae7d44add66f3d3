"""Lists by a placement for everybody: candidates and rules for many people at once."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.rank import beside, left_out
from penchant.core.settings import parse_span
from penchant.core.shown import Shown
from penchant.errors import ParameterError
from penchant.placements.chosen import Chosen, Pool, enough, moved, pool_of, problem_of
from penchant.placements.compiled import Compiled, Past
from penchant.placements.placement import Placement
from penchant.placements.problem import Problem
from penchant.recommender.answer import Answer, Why, promised
from penchant.recommender.fallback import Lists, rank_or_popular
from penchant.recommender.held import Answering
from penchant.recommender.placing import Asked, compiled_for, place, placed_answer

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions
    from penchant.recommender.bulk import Block

ENTRY_BYTES = 400  # of one item of one list
FASTER_FROM = 2  # people; below, one after the other


def blocks(
    recommender: Answering, log: Interactions, placement: str | Placement, *, memory: int, why: bool = False
) -> Iterator[Block]:
    """The lists of all users of a log by a placement. The moment of the request is the newest event of the log.

    Kinds of events are not kept in a log that was read: every event counts for ``exclude`` by kind. Raises
    ``ParameterError`` for a placement that is not for people.
    """
    from penchant.recommender.bulk import Block

    compiled = compiled_for(recommender, placement)
    if compiled.placement.whom not in {"person", "session"}:
        raise ParameterError(
            f"the placement {compiled.placement.name} is for {compiled.placement.whom}, not for people"
        )
    given, unknown = recommender.translation.of_log(log)
    now = int(log.times.max()) if log.times is not None and len(log.times) else 0
    model, k = recommender.model, compiled.placement.k
    size = max(1, memory // (model.score_bytes(given) + ENTRY_BYTES * compiled.placement.candidates))
    for lo in range(0, len(given), size):
        hi = min(lo + size, len(given))
        some, people = given[lo:hi], log.user_ids[lo:hi]
        chosen, fallback = many(recommender, compiled, some, people, now)
        ranked = _lists(chosen, fallback, k)
        guests = None if log.guests is None else log.guests[lo:hi]
        placed = _Answers(recommender, compiled, chosen, fallback, unknown[lo:hi])
        told = [_because(recommender, some[n : n + 1], one) for n, one in enumerate(chosen)] if why else None
        yield Block(people, ranked, unknown[lo:hi], hi, len(given), guests, placed, told)


def _lists(chosen: Sequence[Chosen], fallback: Bools, k: int) -> Lists:
    items = np.full((len(chosen), k), -1, np.int32)
    scores = np.full((len(chosen), k), -np.inf, np.float32)
    for n, one in enumerate(chosen):
        items[n, : len(one.items)], scores[n, : len(one.items)] = one.items, one.scores
    return Lists(items, scores, fallback)


@dataclass(frozen=True, eq=False)
class _Answers(Sequence[Answer]):
    """The answers of a block, each made when it is read."""

    recommender: Answering
    compiled: Compiled
    chosen: Sequence[Chosen]
    fallback: Bools
    unknown: Sequence[Sequence[str]]

    def __len__(self) -> int:
        return len(self.chosen)

    @overload
    def __getitem__(self, index: int) -> Answer: ...
    @overload
    def __getitem__(self, index: slice) -> list[Answer]: ...
    def __getitem__(self, index: int | slice) -> Answer | list[Answer]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        rec = self.recommender
        return replace(
            placed_answer(rec, self.compiled, self.chosen[index]), fallback=bool(self.fallback[index]),
            unknown=list(self.unknown[index]), model=type(rec.model).name, version=rec.version,
            private=promised(rec.fitted_on),
        )  # fmt: skip


def _because(recommender: Answering, given: Histories, one: Chosen) -> list[str]:
    """The title of the event that speaks most for each item; empty where none does."""
    if not len(given.items):
        return [""] * len(one.items)
    said = recommender.model.explain_items(given, one.items)
    whys = Why.each(said, given, recommender, recommender.recipe.contexts)
    return [why.parts[0].label if why.parts and why.parts[0].contribution > 0 else "" for why in whys]


def many(
    recommender: Answering, compiled: Compiled, given: Histories, people: Sequence[str], now: int
) -> tuple[list[Chosen], Bools]:
    """The lists of many people, each as ``place`` makes it, and which of them the model knew nothing of."""
    placement = compiled.placement
    own = any(rule.own for rule in placement.exclude)
    tired = [rule for rule in placement.exclude if rule.impressions]
    slow = compiled.stepwise or placement.solver == "exact" or own or bool(tired) or len(given) < FASTER_FROM
    found: list[Chosen | None] = [None] * len(given)
    fallback = np.zeros(len(given), np.bool_)
    if not slow:
        _together(recommender, compiled, given, now, found)
    for n in range(len(given)):
        if found[n] is None:
            row = given[n : n + 1]
            times = None if row.times is None else row.times.tolist()
            seed = zlib.crc32(f"{people[n]}\0{placement.name}\0{now}".encode())  # made again, it is the same list
            past = Past(row.items.tolist(), None, times, _shown(row), now, people[n])
            found[n], fallback[n], _ = place(recommender, compiled, Asked(row, past, seed=seed))
    return [one for one in found if one is not None], fallback


def _shown(row: Histories) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    if row.shown is not None:
        for n, item in enumerate(row.shown.items.tolist()):
            found.setdefault(item, []).append(2**62 if row.shown.times is None else int(row.shown.times[n]))
    return found


def _excluded(compiled: Compiled, given: Histories, now: int) -> Histories:
    """What each row may not be shown."""
    placement = compiled.placement
    exclude = given if placement.repeat == "never" else left_out(given, repeat=True)
    for rule in placement.exclude:
        if rule.kind:
            span = parse_span("within", rule.within) if rule.within else None
            late = np.ones(len(given.items), np.bool_)
            if span is not None and given.times is not None:
                late = given.times > now - span
            rows: Longs = given.rows[late]
            exclude = beside(exclude, Shown.of(rows, given.items[late], len(given)))
    return exclude


def _together(
    recommender: Answering, compiled: Compiled, given: Histories, now: int, found: list[Chosen | None]
) -> None:
    """Fill in the lists of those whose first candidates do; the others need a look of their own."""
    from penchant.kernels.placing import place_rows
    from penchant.kernels.threads import over_blocks
    from penchant.placements.problem import tries

    placement, c = compiled.placement, compiled.counters
    rows = np.flatnonzero(given.lengths > 0)
    some = given[rows]
    if not len(rows):
        return
    size = min(placement.candidates, compiled.size)
    exclude = _excluded(compiled, some, now)
    ranked = rank_or_popular(
        recommender.model, some, size, exclude=exclude, allow=compiled.allow,
        popularity_rank=recommender.popularity_rank,
    )  # fmt: skip
    whole = (ranked.items[:, -1] >= 0) & ~ranked.fallback & np.isfinite(ranked.scores).all(axis=1)
    pinned, k = compiled.pinned(now), placement.k
    whole[exclude.rows[np.isin(exclude.items, pinned[pinned >= 0])]] = False  # a pin that they may not be shown
    rows, items, scores = rows[whole], ranked.items[whole], ranked.scores[whole]
    wide = scores.astype(np.float64)
    mean, spread = wide.mean(axis=1, keepdims=True), wide.std(axis=1, keepdims=True)
    flat = ~(spread > 1e-12 * np.maximum(1.0, np.abs(mean)))[:, 0]
    rows, items, scores = rows[~flat], items[~flat], scores[~flat]
    if not len(rows):
        return
    z: Floats = ((wide[~flat] - mean[~flat]) / spread[~flat]).astype(np.float32)
    merit = z if compiled.added is None else (z + compiled.added[items]).astype(np.float32)
    items, scores, merit = _with_pins(compiled, pinned, items, scores, z, merit)
    order: Ints = np.argsort(-merit, axis=1, kind="stable").astype(np.int32)
    by_merit = np.ascontiguousarray(np.take_along_axis(items, order, axis=1))
    best = np.ascontiguousarray(np.take_along_axis(merit, order, axis=1))
    out = np.empty((len(rows), k), np.int32)
    unmet = np.empty((len(rows), len(c.bounded)), np.int32)

    def work(lo: int, hi: int) -> None:
        place_rows(
            lo, hi, by_merit, best, c.indptr, c.of, c.most, c.least, c.bounded, pinned, k, tries(by_merit), out, unmet
        )

    over_blocks(work, len(rows), size=64)
    lists = _Together(compiled, z.shape[1], items, scores, order, out, float(now))
    done: Bools = np.asarray((out >= 0).all(axis=1) & ~unmet.any(axis=1))
    if (pinned >= 0).any():
        listed = np.take_along_axis(by_merit, np.maximum(out, 0), axis=1)
        done &= (listed[:, pinned >= 0] == pinned[pinned >= 0]).all(axis=1)
    if compiled.most_added > 0:  # only the others need a closer look
        floor = np.take_along_axis(best, np.maximum(out, 0), axis=1).min(axis=1)
        for at in np.flatnonzero(done & (z.min(axis=1) + compiled.most_added > floor + 1e-6)).tolist():
            done[at] = lists.enough(at)
    for at in np.flatnonzero(done).tolist():
        found[int(rows[at])] = lists.chosen(at)


def _with_pins(
    compiled: Compiled, pinned: Ints, items: Ints, scores: Floats, z: Floats, merit: Floats
) -> tuple[Ints, Floats, Floats]:
    """The candidates with the pinned items that are none of them; -1 where a row has one already."""
    columns = [(items, scores, merit)]
    for pin in pinned[pinned >= 0].tolist():
        if not compiled.allow[pin]:
            continue
        there = (items == pin).any(axis=1)
        low = z.min(axis=1) - np.float32(2) + (0 if compiled.added is None else compiled.added[pin])
        columns.append(
            (
                np.where(there, -1, pin).astype(np.int32)[:, None], np.zeros((len(items), 1), np.float32),
                np.where(there, -np.inf, low).astype(np.float32)[:, None],
            )
        )  # fmt: skip
    found = [np.concatenate(one, axis=1) for one in zip(*columns, strict=True)]
    return found[0], found[1], found[2]


@dataclass(frozen=True, eq=False)
class _Together:
    """The arrays of many lists, and each of them as ``choose`` would return it."""

    compiled: Compiled
    base: int  # candidates of the model; pins stand behind them
    items: Ints
    scores: Floats
    order: Ints
    out: Ints
    now: float

    def chosen(self, at: int) -> Chosen:
        """The list of one row."""
        places = self.order[at][self.out[at]]
        return Chosen(
            self.items[at][places].tolist(), self.scores[at][places].tolist(), functools.partial(self.rules, at)
        )

    def enough(self, at: int) -> bool:
        """Whether the candidates of one row do."""
        pool, problem = self._problem(at)
        return enough(self.compiled, pool, problem, self.out[at])

    def rules(self, at: int) -> list[tuple[str, ...]]:
        """The rules that moved the items of one row."""
        pool, problem = self._problem(at)
        return moved(self.compiled, pool, self.out[at], problem)

    def _problem(self, at: int) -> tuple[Pool, Problem]:
        pins = self.items[at][self.base :]
        ranked = self.items[at][: self.base], self.scores[at][: self.base]
        pool = pool_of(self.compiled, ranked, self.base, [], pins[pins >= 0])
        return pool, problem_of(self.compiled, pool, pool.sorted(), self.now)
