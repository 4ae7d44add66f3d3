"""Events become a history here, once: the events of a log, of a list, and of a store.

One order (time, then the order in which the events are given), one meaning of kinds, values and dislikes (the recipe),
one bound of weights (those of training), and one treatment of unknown ids (left out, and reported).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs, ValuesAre
from penchant.core.shown import Shown
from penchant.data.events import MICRO, Events
from penchant.data.opinions import kept_opinion
from penchant.data.people import throughout
from penchant.data.recipe import Recipe, normalise_kind
from penchant.data.refunds import net
from penchant.data.vocab import Vocab, normalise_id
from penchant.errors import DataError
from penchant.text.comment import COMMENT, hear
from penchant.text.opinion import Opiner

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions
    from penchant.text.aspects import Aspects


class NothingUnknown(Sequence[list[str]]):
    """No unknown ids in any of so many histories, without a list for each."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> list[str]: ...
    @overload
    def __getitem__(self, index: slice) -> NothingUnknown: ...
    def __getitem__(self, index: int | slice) -> list[str] | NothingUnknown:
        if isinstance(index, slice):
            return NothingUnknown(len(range(*index.indices(self.size))))
        if not -self.size <= index < self.size:
            raise IndexError(f"there are {self.size} histories, not {index}")
        return []


@dataclass(frozen=True)
class Translation:
    """How events become a history of the items that a model knows, the first ``n_items`` of the vocabulary.

    ``typical_rating`` is the mean of the positive ratings that were learned from: an event without a rating gets it.
    ``rates`` is whether the model learned a scale of ratings; it then needs a rating for every event.
    """

    vocab: Vocab
    n_items: int
    recipe: Recipe
    typical_rating: float | None = None
    rates: bool = False
    opiner: Opiner | None = None  # what reads the texts of events; None: the word list
    aspects: Aspects | None = None  # what they may speak of
    moods: bool = False  # whether they are asked for a mood

    def of_events(
        self, events: Events, *, now: int | None = None, context: Mapping[str, Any] | None = None
    ) -> tuple[Histories, list[str]]:
        """The history of one person, and the ids that are not known.

        ``now`` is the moment of the request in unix seconds; by default, the newest event. ``context`` is that of the
        request; what the recipe does not know of it is missing.
        """
        events = self._without_refunds(self.heard(events).ordered())
        shown = self._shown(events)
        events = self._of_weight(events)
        index = self._indexes(events.ids)
        known = index >= 0
        values, values_are, liked = self._weigh(events)
        times = None if events.times is None else events.times // MICRO
        contexts = self._contexts(events) if self.recipe.contexts else None
        moment, unknown = now, list[str]()
        if not known.all():
            if moment is None and times is not None:
                moment = int(times[-1])  # the newest event may be an unknown one
            unknown = [str(events.ids[at]) for at in np.flatnonzero(~known).tolist()]
            index = index[known]
            values = None if values is None else values[known]
            times = None if times is None else times[known]
            liked = None if liked is None else liked[known]
            contexts = None if contexts is None else contexts[known]
        given = Histories(
            np.array([0, len(index)], dtype=np.int64),
            index.astype(np.int32),
            self.n_items,
            values,
            values_are,
            times,
            liked,
            None if moment is None else np.array([moment], dtype=np.int64),
            curve=self.recipe.curve,
            context=contexts,
            asked=self.recipe.encode([context])[0] if self.recipe.contexts else None,
            shown=shown,
        )
        return self.recipe.bounded(throughout(given, len(self.recipe.people))), list(dict.fromkeys(unknown))

    def of_log(self, log: Interactions) -> tuple[Histories, Sequence[list[str]]]:
        """The histories of all users of a log, and for each the ids that are not known."""
        given = throughout(replace(log.histories(), curve=self.recipe.curve), len(self.recipe.people))
        if log.vocab.ids == self.vocab.ids[: self.n_items]:
            return self.recipe.bounded(given), NothingUnknown(len(given))
        return self._of_log(given, log.vocab)

    def of_user(self, log: Interactions, user: object, *, guest: bool = False) -> tuple[Histories, list[str]]:
        """The history of one user of a log, or of a session without a user, and the ids that are not known."""
        history = replace(log.history_of(user, guest=guest), curve=self.recipe.curve)
        history = throughout(history, len(self.recipe.people))
        given, (unknown,) = self._of_log(history, log.vocab)
        return given, unknown

    def _of_log(self, given: Histories, vocab: Vocab) -> tuple[Histories, list[list[str]]]:
        """Reading has weighed and ordered the events of a log; what is left is to find the items."""
        index = np.full(len(vocab), -1, dtype=np.int64)
        used = np.unique(given.items if given.shown is None else np.concatenate([given.items, given.shown.items]))
        index[used] = self._indexes([vocab.ids[item] for item in used.tolist()])
        items = index[given.items]
        known = items >= 0
        unknown: list[list[str]] = [[] for _ in range(len(given))]
        missing = np.flatnonzero(~known)
        for row, item in dict.fromkeys(zip(given.rows[missing].tolist(), given.items[missing].tolist(), strict=True)):
            unknown[row].append(vocab.ids[item])
        kept = given if known.all() else given.where(known)
        shown = None if kept.shown is None else kept.shown.over(index)
        found = replace(kept, items=items[known].astype(np.int32), n_items=self.n_items, shown=shown)
        return self.recipe.bounded(found), unknown

    def heard(self, events: Events) -> Events:
        """Events whose texts were read, as the service reads a comment: its opinion is in the context, and one against
        its item is a dislike."""
        if events.texts is None:
            return events
        size = len(events.ids)
        kinds, contexts = list(events.kinds or [None] * size), list(events.contexts or [None] * size)
        for at, text in enumerate(events.texts):
            if text is not None and text.strip():
                heard, stated = hear(text, kinds[at], self.opiner, self.aspects, mood=self.moods), contexts[at]
                kinds[at] = heard.kind
                contexts[at] = {
                    **(json.loads(stated) if isinstance(stated, str) else stated or {}),
                    COMMENT: heard.kept,
                }
        return replace(events, kinds=kinds, contexts=contexts, texts=None)

    def _opinions(self, events: Events) -> Floats | None:
        """The opinions of the texts of events, NaN where there is none; None where they do not count."""
        if self.recipe.opinion is None or events.contexts is None:
            return None
        return np.array([kept_opinion(one) for one in events.contexts], dtype=np.float32)

    def _contexts(self, events: Events) -> Ints:
        """The codes of the contexts of events."""
        stated = events.contexts or [None] * len(events.ids)
        return self.recipe.encode([json.loads(one) if isinstance(one, str) else one for one in stated])[0]

    def _indexes(self, ids: Sequence[object]) -> Longs:
        index = self.vocab.encode(ids).astype(np.int64)
        index[index >= self.n_items] = -1
        return index

    def _without_refunds(self, events: Events) -> Events:
        """What refunds leave of events in order."""
        recipe = self.recipe
        if not recipe.quantities and not (recipe.cancels and events.kinds):
            return events
        kinds = events.kinds or [None] * len(events.ids)
        refunding = np.array([kind is not None and normalise_kind(kind) in recipe.cancels for kind in kinds], np.bool_)
        if recipe.quantities and events.values is not None:
            refunding |= events.values < 0
        if not refunding.any():
            return events
        raw = events.values if recipe.values_are == "weight" else None
        amounts = np.ones(len(events.ids)) if raw is None else np.where(np.isnan(raw), 1.0, raw)
        weights = np.array([recipe.weight_of(kind) for kind in kinds])
        numbers: dict[object, int] = {}
        pairs = np.array([numbers.setdefault(self._spelling(item_id), len(numbers)) for item_id in events.ids])
        netted = net(pairs, amounts, refunding, weights, which=recipe.refund)
        if raw is not None:
            events = replace(events, values=np.where(np.isnan(raw), np.nan, netted.amounts))
        return events.take(np.flatnonzero(netted.keep))

    def _shown(self, events: Events) -> Shown | None:
        """The impressions of known items; None if there are none."""
        if events.kinds is None:
            return None
        impressions = {kind for kind in set(events.kinds) if self.recipe.is_impression(kind)}
        seen = events.take(np.flatnonzero([kind in impressions for kind in events.kinds])) if impressions else None
        if seen is None:
            return None
        index = self._indexes(seen.ids)
        times = None if seen.times is None else seen.times[index >= 0] // MICRO
        items = index[index >= 0]
        return Shown.of(np.zeros(len(items), dtype=np.int64), items.astype(np.int32), 1, times) if len(items) else None

    def _of_weight(self, events: Events) -> Events:
        """The events whose kind has another weight than 0; the others, such as impressions, enter no history."""
        if events.kinds is None:
            return events
        nothing = {kind for kind in set(events.kinds) if self.recipe.weight_of(kind) == 0}
        if not nothing:
            return events
        return events.take(np.flatnonzero([kind not in nothing for kind in events.kinds]))

    @staticmethod
    def _spelling(item_id: object) -> object:
        """One spelling of an id; an id that cannot be one stays as it is."""
        try:
            return normalise_id(item_id)
        except DataError:
            return str(item_id)

    def _weigh(self, events: Events) -> tuple[Floats | None, ValuesAre, Bools | None]:
        """Values, what they are, and likes, as reading a log gives them."""
        recipe, kinds, raw = self.recipe, events.kinds, events.values
        if kinds is None and raw is None and recipe.values_are == "none":
            return None, "none", None
        said = self._opinions(events)
        unrated: Bools | None = None
        if raw is None and recipe.values_are != "none":
            raw = np.full(len(events.ids), np.nan)
        if recipe.values_are == "rating" and raw is not None:
            unrated = np.isnan(raw) if said is None else np.isnan(raw) & np.isnan(said)
            if self.typical_rating is not None:
                raw = np.where(unrated, self.typical_rating, raw)
            elif unrated.all():
                raw = None
        values, liked = recipe.weigh(kinds, raw, said)
        if liked is not None and unrated is not None and recipe.positive is not None:
            plain = recipe.weigh(kinds, None)[1]  # an id without a rating is a like
            liked = np.where(unrated, True if plain is None else plain, liked)
        values_are: ValuesAre = "none" if values is None else recipe.values_are
        if kinds is not None and values_are != "weight" and not self.rates:
            against = {kind: recipe.is_dislike(kind) for kind in set(kinds)}
            disliked = np.array([against[kind] for kind in kinds], dtype=np.bool_)
            if disliked.any():  # the log had no weights: a like counts one, a dislike minus one
                values, values_are = np.where(disliked, np.float32(-1), np.float32(1)), "weight"
                liked = None if liked is None or (liked == ~disliked).all() else liked
        return values, values_are, liked
