"""Lists by a placement from a recommender: candidates of the model, then the rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints
from penchant.core.rank import Scored, beside, left_out, rank
from penchant.data.events import MICRO, Events
from penchant.data.item_values import Column
from penchant.data.recipe import normalise_kind
from penchant.errors import ParameterError
from penchant.placements.chosen import LIST, Chosen, choose, solved
from penchant.placements.compiled import Compiled, Past, barred, compile_placement
from penchant.placements.placement import ACTIVE, Placement
from penchant.placements.problem import Problem
from penchant.placements.reading import check_names, named
from penchant.placements.steps import Steps
from penchant.recommender.answer import Answer, Item, Why
from penchant.recommender.fallback import Popularity, rank_or_popular
from penchant.recommender.held import Answering

Trend = Callable[[str], list[int] | None]  # the items of "trending:7d", best first; None where nobody counts


class CatalogShelf:
    """The items of a recommender as rules see them."""

    def __init__(self, recommender: Answering) -> None:
        self.recommender, self.n = recommender, recommender.model.n_items
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return self.n

    def column(self, attribute: str) -> Column | None:
        """The values of an attribute; None if no item has it."""
        catalog = self.recommender.catalog
        if catalog is None or attribute not in catalog.attributes:
            return None
        if attribute not in self._columns:
            self._columns[attribute] = Column(catalog.attributes[attribute][: self.n])
        return self._columns[attribute]

    def domain_column(self) -> Column | None:
        """The domains of the items; None if they have none."""
        catalog = self.recommender.catalog
        return None if catalog is None or catalog.domains is None else Column(catalog.domains[: self.n])

    def availability(self) -> Bools | None:
        """Which items are available; None: all."""
        return self.recommender.available()

    def position(self, item_id: object) -> int:
        """The index of an id; -1 if there is none."""
        return self.recommender.index(item_id)

    def vectors(self) -> Floats | None:
        """Vectors of the catalogue, else those of the model; None without."""
        catalog = self.recommender.catalog
        if catalog is not None and catalog.vectors is not None:
            return catalog.vectors[: self.n]
        found = getattr(self.recommender.model, "item_vectors", None)
        return found if isinstance(found, np.ndarray) and found.ndim == 2 else None

    def names(self) -> list[str]:
        """The names of all attributes."""
        return [] if self.recommender.catalog is None else list(self.recommender.catalog.attributes)


def compiled_for(recommender: Answering, placement: str | Placement) -> Compiled:
    """The rules of a placement over the items of a recommender, kept for the next answer.

    Raises ``ParameterError`` for a placement, an attribute or a model that is not known.
    """
    one = named(recommender.placements, placement) if isinstance(placement, str) else placement
    key = json.dumps([one.name, repr(one), recommender.model.n_items])
    kept: dict[str, Compiled] = vars(recommender).setdefault("_compiled", {})
    if key not in kept:
        shelf = CatalogShelf(recommender)
        check_names(one, shelf.names(), {ACTIVE, type(recommender.model).name})
        kept.clear()
        kept[key] = compile_placement(one, shelf)
    return kept[key]


@dataclass(frozen=True, eq=False)
class Asked:
    """One request: the history as the model sees it, and as the rules do."""

    given: Histories
    past: Past
    allow: Bools | None = None  # beside what the rules allow
    trend: Trend = field(default=lambda _: None)
    seed: int | None = None  # of exploration; None: anew each time


def past_of(recommender: Answering, history: Histories | Events, now: int | None, person: str | None) -> Past:
    """What rules see of a history."""
    shown: dict[int, list[int]] = {}
    if isinstance(history, Histories):
        times = None if history.times is None else history.times.tolist()
        if history.shown is not None:
            moments = history.shown.times
            for n, item in enumerate(history.shown.items.tolist()):
                shown.setdefault(item, []).append(2**62 if moments is None else int(moments[n]))
        return Past(
            history.items.tolist(),
            None,
            times,
            shown,
            _moment(times, _now(history) if now is None else now),
            person,
        )
    items = [recommender.index(item) for item in history.ids]
    kinds, times = history.kinds, None if history.times is None else (history.times // MICRO).tolist()
    seen = [kind is not None and recommender.recipe.is_impression(kind) for kind in kinds or [None] * len(items)]
    for n, item in enumerate(items):
        if seen[n]:
            shown.setdefault(item, []).append(2**62 if times is None else times[n])
    kept = [n for n in range(len(items)) if not seen[n]]
    return Past(
        [items[n] for n in kept], None if kinds is None else [kinds[n] for n in kept],
        None if times is None else [times[n] for n in kept], shown, _moment(times, now), person,
    )  # fmt: skip


def _now(history: Histories) -> int | None:
    return None if history.now is None or not len(history.now) else int(history.now[0])


def _moment(times: Sequence[int] | None, now: int | None) -> int:
    """The moment of a request: as stated, else the newest event."""
    return now if now is not None else max(times, default=0) if times else 0


def place(recommender: Answering, compiled: Compiled, asked: Asked) -> tuple[Chosen, bool, dict[str, int]]:
    """The list of one request; whether the model knew nothing of the history; and what each rule removed."""
    model, placement = recommender.model, compiled.placement
    bars = barred(compiled, asked.past, normalise_kind)
    room = compiled.allow if asked.allow is None else compiled.allow & asked.allow
    exclude = asked.given if placement.whom in {"item", "items"} else left_out(asked.given, repeat=True)
    banned = sorted({item for items in bars.values() for item in items})
    exclude = beside(exclude, Histories.from_lists([[at for at in banned if at < model.n_items]], model.n_items))
    allow = room[: model.n_items]

    def more(k: int) -> LIST:
        ranked = rank_or_popular(
            model, asked.given, k, exclude=exclude, allow=allow, popularity_rank=recommender.popularity_rank, threads=1
        )
        return _one(ranked.items, ranked.scores) if not ranked.fallback[0] else _nothing()

    def like(k: int) -> LIST:
        ranked = rank(
            Scored(model.similar(int(asked.given.items[-1]))[None, :], model.item_counts, model.name), asked.given, k,
            exclude=exclude, allow=allow, popularity_rank=recommender.popularity_rank, threads=1,
        )  # fmt: skip
        items, scores = _one(ranked.items, ranked.scores)
        return items[scores > 0], scores[scores > 0]

    def chain() -> list[tuple[str, LIST]]:
        found = []
        left = room.copy()
        left[exclude.items] = left[banned] = False
        for name in placement.fallback:
            items = _fallback(recommender, name, left, compiled, asked.trend)
            if items is not None:
                found.append((name, (items, np.zeros(len(items), np.float32))))
        return found

    nothing = placement.whom == "nobody" or not len(asked.given.items)
    source = like if placement.whom == "item" else more
    first = _nothing() if nothing else source(_size(compiled))
    step = None
    if compiled.stepwise:
        dice = np.random.default_rng(asked.seed) if placement.explore else None

        def step(problem: Problem) -> tuple[Ints, list[float] | None]:
            start, _ = solved(compiled, problem)
            return Steps(compiled, problem, start, asked.given.items).run(dice)

    pinned = compiled.pinned(asked.past.now)
    hidden = {*banned, *exclude.items.tolist()}
    pins = np.array([at for at in pinned.tolist() if at >= 0 and room[at] and at not in hidden], np.int32)
    chosen = choose(compiled, first, None if nothing else source, chain, float(asked.past.now), pins, step)
    removed = {name: int((~passed).sum()) for name, passed in compiled.filters}
    removed |= {name: len(set(items)) for name, items in bars.items()}
    return chosen, not len(first[0]), {name: count for name, count in removed.items() if count}


def _size(compiled: Compiled) -> int:
    return min(compiled.placement.candidates, compiled.size) or 1


def _one(items: Ints, scores: Floats) -> LIST:
    there = (items[0] >= 0) & np.isfinite(scores[0])
    return items[0][there], scores[0][there]


def _nothing() -> LIST:
    return np.empty(0, np.int32), np.empty(0, np.float32)


def _fallback(recommender: Answering, name: str, room: Bools, compiled: Compiled, trend: Trend) -> Ints | None:
    """The items of a fallback that may be shown, best first; None where nobody can tell."""
    if name == "popular":
        nobody = Histories(np.zeros(2, np.int64), np.empty(0, np.int32), recommender.model.n_items)
        ranked = rank(
            Popularity(recommender.item_counts), nobody, _size(compiled), allow=room[: nobody.n_items],
            popularity_rank=recommender.popularity_rank, threads=1,
        )  # fmt: skip
        return _one(ranked.items, ranked.scores)[0]
    items = trend(name)
    return None if items is None else np.array([at for at in items if room[at]][: _size(compiled)], np.int32)


def answer(
    recommender: Answering, history: Any, placement: str | Placement, *, now: int | None = None,
    context: Mapping[str, Any] | None = None, why: bool = False, person: str | None = None,
    allow: Bools | None = None, seed: int | None = None, trend: Trend | None = None,
) -> Answer:  # fmt: skip
    """``Recommender.recommend`` for a placement."""
    compiled = compiled_for(recommender, placement)
    heard = history if isinstance(history, Histories) else recommender.heard(history)
    given, unknown = recommender.histories(heard, now=now, context=context)
    if compiled.placement.whom == "item" and len(given) == 1 and len(set(given.items.tolist())) != 1:
        raise ParameterError(f"the placement {compiled.placement.name} is for an item: give one known item")
    past = past_of(recommender, heard, now, person)
    chosen, fallback, removed = place(recommender, compiled, Asked(given, past, allow, trend or (lambda _: None), seed))
    whys = None
    if why:
        whys = list(Why.each(recommender.model.explain_items(given, chosen.items), given, recommender,
                             recommender.recipe.contexts))  # fmt: skip
    return replace(
        placed_answer(recommender, compiled, chosen, whys), fallback=fallback, unknown=list(unknown), removed=removed,
        model=type(recommender.model).name, version=recommender.version,
    )  # fmt: skip


def placed_answer(names: Any, compiled: Compiled, chosen: Chosen, whys: Sequence[Why | None] | None = None) -> Answer:
    """A list by a placement as an answer, without its model."""
    items = Item.listed(chosen.items, chosen.scores, names, whys)
    items = [replace(item, rules=rules) for item, rules in zip(items, chosen.rules, strict=True)]
    return Answer(items, placement=compiled.placement.name, loosened=chosen.loosened, chances=chosen.chances)


def why_not(
    recommender: Answering, history: Any, item: object, placement: str | Placement, *, now: int | None = None,
    person: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Why an item is not in a list: its rank by the model, the rule that removed it, what would change that.

    Raises ``UnknownItemError`` for an unknown item.
    """
    from penchant.placements.why_not import explain_absence

    compiled = compiled_for(recommender, placement)
    at = recommender.known(item)
    heard = history if isinstance(history, Histories) else recommender.heard(history)
    given, _ = recommender.histories(heard, now=now)
    asked = Asked(given, past_of(recommender, heard, now, person), seed=0)
    rank_of = None
    if len(given.items):
        scores = recommender.model.score(given)[0]
        rank_of = int((scores > scores[at]).sum()) + 1

    def again(changed: Placement) -> Chosen:
        return place(recommender, compile_placement(changed, compiled.shelf), asked)[0]

    bars = barred(compiled, asked.past, normalise_kind)
    return explain_absence(compiled, at, rank_of, bars, again)
