"""The features of a candidate, declared once and computed by one function, for training and for serving."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.ranking.beyond import STEADY, encoded, seen_before
from penchant.ranking.statistics import Names, Statistics, codes_of

HALF_LIFE = 5.0  # events within which the weight of an event in the recent taste halves
CALM = 10.0  # events added to a count before it is compared with another
FIRM = 5.0  # ratings added to a mean residual
MOST_STATED = 64  # values of a context whose code is a feature of its own
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_\-]+")


@dataclass(frozen=True)
class Feature:
    """One column of the table that trees see, by the name in their file: the group, which one, and what of it.

    None looks beyond the request: a history ends with it, and statistics end with training.
    """

    name: str

    @property
    def source(self) -> str:
        """What it is made from: member, history, item, age, shown, attribute, number, vector, context or rating."""
        return self.name.partition(".")[0]

    @property
    def kind(self) -> str:
        """The name without which column or member it is about; a context is its number."""
        group, _, rest = self.name.partition(".")
        which, _, what = rest.rpartition(".")
        return f"{group}.{what}" if which and group in {"attribute", "number"} else self.name

    def words(self, stated: Sequence[str | None], members: Sequence[str]) -> str:
        """What a reason says of it; ``stated`` is each context of the request, such as ``mood = sad``, and ``members``
        are the names of the members."""
        group, _, rest = self.name.partition(".")
        which, _, what = rest.rpartition(".")
        text = WORDS[f"{group}.{what}" if which else self.name]
        if group == "member":
            return text.format(members[int(which)])
        if group == "context" and which:
            number = int(which)
            return text.format(stated[number] or "what is not stated" if number < len(stated) else "what is not stated")
        return text.format(which.replace("_", " "))


WORDS = {
    "member.score": "how highly {} scores it",
    "member.rank": "its place among the candidates by {}",
    "history.events": "how long the history is",
    "history.times": "how often it was chosen before",
    "history.ago": "how many events ago it was chosen last",
    "history.days": "how many days ago it was chosen last",
    "history.rhythm": "the time since it was chosen last, against the usual time between two choices of it",
    "item.popularity": "how many people chose it",
    "item.trend": "whether it is chosen more lately than before",
    "item.days": "how many days ago it first appeared",
    "age.off": "how its age differs from that of what the history took",
    "shown.times": "how often it was shown since it was chosen last",
    "shown.item": "how often it was shown to anybody",
    "shown.share": "how often it was chosen when it was shown",
    "attribute.always": "how far its {} fits the whole history",
    "attribute.lately": "how far its {} fits the latest events",
    "attribute.chosen": "how often other items with its {} are chosen",
    "number.value": "its {}",
    "number.off": "its {} against what is usual in the history",
    "vector.similarity": "how similar its content is to the history",
    "context.stated": "{}",
    "context.item": "how much more it is chosen with {}",
    "context.own": "how often it was chosen before with {}",
    "context.level": "how ratings differ with {}",
    "context.rating": "how it is rated with {}",
    "context.mine": "how this history rates with {}",
    "context.kind": "how its kind is rated with {}",
    "context.match": "how much of the context held when it was chosen before",
    "rating.item": "how it is rated",
    "rating.history": "how this history rates",
    "rating.spread": "how far the ratings of this history differ",
    "rating.before": "how it was rated before by this history",
    "rating.alike": "how it was rated before in such a context",
    "id.item": "which item it is",
    "id.attributes": "which attributes it has",
    "id.history": "which items the history holds",
    "id.ratings": "how the history rated other items",
    "id.network": "what the network adds by itself",
}


@dataclass(frozen=True, eq=False)
class Asked:
    """Some requests and their candidates: pair ``p`` is item ``items[p]`` for row ``rows[p]`` of ``given``."""

    given: Histories
    rows: Longs  # (pairs,) never decreases
    items: Ints  # (pairs,)
    scores: Floats  # (members, pairs) those of the members
    ranked: bool = True  # whether the pairs of a row are candidates, whose order by each member counts


def declared(statistics: Statistics, members: int, names: Names, *, ranked: bool = True) -> list[Feature]:
    """All features, in the order of the columns."""
    found = [
        f"member.{number}.{what}" for number in range(members) for what in (("score", "rank") if ranked else ("score",))
    ]
    found += [name for name in WORDS if name.startswith(("history.", "item."))]
    more = statistics.more is not None
    found += ["age.off"] if more else []
    found += [name for name in WORDS if name.startswith("shown.")] if statistics.shown is not None else []
    found += [f"attribute.{plain(column)}.{what}" for column in names.columns for what in ("always", "lately")]
    found += [f"attribute.{plain(column)}.chosen" for column in names.columns] if more else []
    found += [f"number.{plain(column)}.{what}" for column in names.numbers for what in ("value", "off")]
    found += ["vector.similarity"] if statistics.vectors is not None else []
    for number, values in enumerate(statistics.sizes.tolist()):
        whats = ["stated"] if values <= MOST_STATED else []
        whats += ["item", "own", *(("level", "rating", "mine", "kind") if statistics.rated else ())]
        if statistics.of_person(number):  # all events of a history have it
            whats = [what for what in whats if what not in ("own", "mine")]
        found += [f"context.{number}.{what}" for what in whats]
    found += ["context.match"] if len(statistics.sizes) else []
    found += [name for name in WORDS if name.startswith("rating.")] if statistics.rated else []
    return [Feature(name) for name in _apart(found)]


def _apart(names: list[str]) -> list[str]:
    """Names of columns that LightGBM cannot tell apart get numbers."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        group, _, rest = name.partition(".")
        which, _, what = rest.rpartition(".")
        out.append(name if seen[name] == 1 else f"{group}.{which}_{seen[name]}.{what}")
    return out


def plain(name: str) -> str:
    """A name that LightGBM takes."""
    return _NOT_A_NAME.sub("_", name)[:60] or "_"


def compute(statistics: Statistics, asked: Asked) -> Floats:
    """The table ``(pairs, features)`` of ``declared``, float32; NaN is missing.

    Cost: linear in the pairs, and in the events and attributes of the rows.
    """
    given, rows, items = asked.given, asked.rows, asked.items
    n = np.int64(statistics.n_items)
    columns: list[NDArray[np.floating]] = []
    for scores in asked.scores:
        columns.append(scores)
        if not asked.ranked:
            continue
        columns.append(np.log1p(_better(rows, scores)))
    history = _Lookup(given, n)
    moments = given.moments()
    columns += history.features(rows, items, moments)
    seen = np.maximum(statistics.counts[items], 0.0)
    columns += [np.log1p(seen), statistics.trend[items]]
    age = np.full(len(rows), np.nan)
    if moments is not None and statistics.first is not None:
        first = statistics.first[items]
        age = np.where(first > 0, (moments[rows] - first) / 86_400, np.nan)
        age = np.log1p(np.maximum(age, 0))
    columns.append(age)
    if statistics.more is not None:
        columns.append(_age_off(statistics, given, rows, items, moments))
    if statistics.shown is not None and statistics.taken is not None:
        of, share = statistics.shown[items], float(statistics.taken.sum() / max(1.0, float(statistics.shown.sum())))
        columns += [seen_before(given, rows, items), np.log1p(of)]
        columns.append(np.log((statistics.taken[items] + STEADY * share + 1e-3) / (of * share + STEADY * share + 1e-3)))
    columns += _attributes(statistics, given, rows, items)
    columns += _context(statistics, history, given, rows, items)
    if statistics.rated:
        columns += _ratings(statistics, history, rows, items)
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.empty((len(rows), 0), np.float32)


def _better(rows: Longs, scores: Floats) -> Longs:
    """How many candidates of the same row score higher; what a member cannot score comes last."""
    said = np.where(np.isnan(scores), -np.inf, scores)
    order = np.lexsort((-said, rows))
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)  # rows never decrease
    alike = np.zeros(len(rows), dtype=np.bool_)
    alike[1:] = (np.diff(rows[order]) == 0) & (said[order][1:] == said[order][:-1])
    out = np.empty(len(rows), dtype=np.int64)
    out[order] = place[np.maximum.accumulate(np.where(alike, 0, np.arange(len(rows))))]
    return out


def _age_off(
    statistics: Statistics, given: Histories, rows: Longs, items: Ints, moments: Longs | None
) -> NDArray[np.floating]:
    """log(1 + days) since the first event of a candidate, less the mean of that of the history when it was chosen."""
    if moments is None or given.times is None or statistics.first is None:
        return np.full(len(rows), np.nan)
    first = statistics.first
    known = first[given.items] > 0
    taken = np.log1p(np.maximum(given.times - first[given.items], 0) / 86_400) * known
    count = np.bincount(given.rows, known, len(given))
    mean = np.bincount(given.rows, taken, len(given)) / np.maximum(count, 1)
    own = np.log1p(np.maximum(moments[rows] - first[items], 0) / 86_400)
    return np.where((first[items] > 0) & (count > 0)[rows], own - mean[rows], np.nan)


class _Lookup:
    """The events of some histories by row and item."""

    def __init__(self, given: Histories, n: np.int64) -> None:
        self.given, self.n = given, n
        keys = given.rows * n + given.items
        self.order = np.argsort(keys, kind="stable")  # of equal keys the newest is the last
        self.keys = keys[self.order]

    def span(self, rows: Longs, items: Ints) -> tuple[Longs, Longs]:
        """Where the events of each pair are in ``order``."""
        wanted = rows * self.n + items
        return np.searchsorted(self.keys, wanted), np.searchsorted(self.keys, wanted, side="right")

    def features(self, rows: Longs, items: Ints, moments: Longs | None) -> list[NDArray[np.floating]]:
        given = self.given
        lo, hi = self.span(rows, items)
        times = hi - lo
        had = times > 0
        newest = self.order[np.maximum(hi - 1, 0)] if len(self.order) else np.zeros(len(rows), np.int64)
        oldest = self.order[np.minimum(lo, max(0, len(self.order) - 1))] if len(self.order) else newest
        ago = days = rhythm = np.full(len(rows), np.nan)
        if given.ordered and len(self.order):
            ago = np.where(had, np.log1p(given.ages()[newest]), np.nan)
        if given.times is not None and moments is not None and len(self.order):
            since = np.maximum(moments[rows] - given.times[newest], 0) / 86_400
            days = np.where(had, np.log1p(since), np.nan)
            gap = (given.times[newest] - given.times[oldest]) / 86_400 / np.maximum(times - 1, 1)
            rhythm = np.where((times > 1) & (gap > 0), np.log1p(since / np.where(gap > 0, gap, 1)), np.nan)
        return [np.log1p(given.lengths[rows]), np.log1p(times), ago, days, rhythm]

    def sums(self, rows: Longs, items: Ints, of_events: NDArray[np.floating]) -> NDArray[np.floating]:
        """The sum over the events of each pair."""
        running = np.concatenate([[0.0], np.cumsum(of_events[self.order])])
        lo, hi = self.span(rows, items)
        return np.where(hi > lo, running[hi] - running[lo], 0.0)

    def agreeing(self, rows: Longs, items: Ints, stated: Ints, of_events: Ints) -> tuple[Longs, Longs]:
        """For each pair how many of its events have the code of the request; then the number of pairs' events.

        ``stated`` ``(rows,)``, ``of_events`` ``(events,)``.
        """
        same = (of_events == stated[self.given.rows]) & (of_events >= 0)
        running = np.concatenate([[0], np.cumsum(same[self.order])])
        lo, hi = self.span(rows, items)
        return running[hi] - running[lo], hi - lo


def _weights(given: Histories) -> Floats:
    """What each event counts in the latest taste: half as much after every five later ones; alike without an order."""
    if not given.ordered:
        return np.ones(len(given.items), dtype=np.float32)
    return np.exp2(-given.ages() / HALF_LIFE).astype(np.float32)


def _attributes(statistics: Statistics, given: Histories, rows: Longs, items: Ints) -> list[NDArray[np.floating]]:
    """The share of the history that has what the candidate has, less the share of all events; of each column."""
    import scipy.sparse as sp

    found: list[NDArray[np.floating]] = []
    if statistics.n_columns or len(statistics.numbers) or statistics.vectors is not None:
        shape = (len(given), statistics.n_items)
        always = np.ones(len(given.items), dtype=np.float32)
        taken = [sp.csr_array((w, given.items, given.indptr), shape=shape) for w in (always, _weights(given))]
        empty = (given.lengths == 0)[rows]
    if statistics.n_columns:
        # one pass over the attributes of the candidates, for all columns
        width = np.diff(statistics.indptr)[items]
        pair = np.repeat(np.arange(len(items)), width)
        at = np.repeat(statistics.indptr[items] - np.cumsum(width) + width, width) + np.arange(len(pair))
        kind = statistics.indices[at]
        cell = pair * statistics.n_columns + statistics.column_of[kind]
        size = len(items) * statistics.n_columns
        many = np.bincount(cell, minlength=size).reshape(len(items), -1)
        usual = np.bincount(cell, statistics.usual[kind], size).reshape(len(items), -1)
        unknown = (many == 0) | empty[:, None]
        both = []
        for one in taken:
            total = np.maximum(np.asarray(one.sum(axis=1)).ravel(), 1e-9)
            profile = (one @ statistics.attributes).toarray()
            share = np.bincount(cell, profile[rows[pair], kind] / total[rows[pair]], size).reshape(len(items), -1)
            both.append(np.where(unknown, np.nan, (share - usual) / np.maximum(many, 1)))
        found += [column for pairs in zip(both[0].T, both[1].T, strict=True) for column in pairs]
        found += list(encoded(statistics, items)) if statistics.more is not None else []
    for number in range(len(statistics.numbers)):
        value = statistics.numbers[number]
        known = np.isfinite(value)
        filled = np.where(known, value, 0).astype(np.float32)
        weight = np.asarray(taken[1] @ known.astype(np.float32)).ravel()
        mean = np.asarray(taken[1] @ filled).ravel() / np.where(weight > 0, weight, 1)
        found += [value[items], np.where((weight > 0)[rows], value[items] - mean[rows], np.nan)]
    if statistics.vectors is not None:
        mean = np.asarray(taken[1] @ statistics.vectors)
        length = np.linalg.norm(mean, axis=1, keepdims=True)
        mean = mean / np.where(length > 0, length, 1)
        found.append(np.where(empty, np.nan, np.einsum("pd,pd->p", mean[rows], statistics.vectors[items])))
    return found


def _context(
    statistics: Statistics, history: _Lookup, given: Histories, rows: Longs, items: Ints
) -> list[NDArray[np.floating]]:
    found: list[NDArray[np.floating]] = []
    if not len(statistics.sizes):
        return found
    stated, of_events = codes_of(given, statistics)
    residual = statistics.residuals(given) if statistics.rated else None
    matched = np.zeros(len(rows))
    asked = np.zeros(len(rows))
    for number, size in enumerate(statistics.sizes.tolist()):
        code = stated[rows, number]
        missing = code < 0
        if size <= MOST_STATED:
            found.append(np.where(missing, np.nan, code))
        of_item, of_value, everything = statistics.chosen(number, items, code)
        expected = statistics.counts[items] * of_value / max(everything, 1.0)
        found.append(np.where(missing, np.nan, np.log((of_item + CALM / 5) / (expected + CALM / 5))))
        of_person = statistics.of_person(number)
        if not of_person:
            same, all_of_pair = history.agreeing(rows, items, stated[:, number], of_events[:, number])
            found.append(np.where(missing, np.nan, np.log1p(same)))
        if number < len(statistics.of_moments):
            matched += np.where(missing, 0, same / np.maximum(all_of_pair, 1))
            asked += ~missing
        if statistics.rated:
            assert residual is not None
            level, of_pair, of_kind = statistics.moods(number, items, code)
            mine = (of_events[:, number] == stated[given.rows, number]) & (of_events[:, number] >= 0)
            total = np.bincount(given.rows, weights=mine * residual, minlength=len(given))
            count = np.bincount(given.rows, weights=mine, minlength=len(given))
            own = total / (count + FIRM)
            told = (level, of_pair, of_kind) if of_person else (level, of_pair, own[rows], of_kind)
            found += [np.where(missing, np.nan, one) for one in told]
    found.append(np.where((asked > 0) & (history.agreeing(rows, items, stated[:, 0], of_events[:, 0])[1] > 0),
                          matched / np.maximum(asked, 1), np.nan))  # fmt: skip
    return found


def _ratings(statistics: Statistics, history: _Lookup, rows: Longs, items: Ints) -> list[NDArray[np.floating]]:
    given = history.given
    residual = statistics.residuals(given)
    count = np.bincount(given.rows, minlength=len(given))
    mean = np.bincount(given.rows, weights=residual, minlength=len(given)) / (count + FIRM)
    square = np.bincount(given.rows, weights=residual**2, minlength=len(given)) / np.maximum(count, 1)
    assert statistics.item_rating is not None and statistics.scale is not None  # there are ratings
    value = np.zeros(len(given.items))
    if given.values is not None:
        value = np.clip(given.values, statistics.scale[1], statistics.scale[2]) - statistics.scale[0]
    every = np.ones(len(given.items))
    stated, of_events = codes_of(given, statistics)
    alike_in = np.delete(np.arange(stated.shape[1]), [at for at in range(stated.shape[1]) if statistics.of_person(at)])
    same = (of_events == stated[given.rows]) & (of_events >= 0)
    agree = same[:, alike_in].sum(axis=1) / max(1, len(alike_in))
    before = history.sums(rows, items, value) / np.maximum(history.sums(rows, items, every), 1)
    weight = history.sums(rows, items, agree)
    alike = history.sums(rows, items, agree * value) / np.where(weight > 0, weight, 1)
    had = history.sums(rows, items, every) > 0
    return [
        statistics.item_rating[items], mean[rows], np.sqrt(square)[rows], np.where(had, before, np.nan),
        np.where(weight > 0, alike, np.nan),
    ]  # fmt: skip
