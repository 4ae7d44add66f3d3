"""What a person wrote, in the reasons of an answer: "you wrote: too sweet", "people who cared about comfort ..."."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from penchant.core.histories import Histories
from penchant.data.catalog import Catalog
from penchant.data.events import MICRO, Events
from penchant.data.liked_for import praised
from penchant.data.recipe import Recipe
from penchant.ranking.moods import PAUSE
from penchant.recommender.answer import Reason, Why
from penchant.text.comment import ABOUT, COMMENT, MOOD


@dataclass(frozen=True)
class Told:
    """What the comments of one history say."""

    words: Mapping[str, str] = field(default_factory=dict)  # of each item, by its id as text: what was written of it
    cares: Mapping[str, float] = field(default_factory=dict)  # the aspects spoken of, and the opinion of each

    @classmethod
    def of(cls, events: Events) -> Told:
        """That of events whose texts were read; a newer comment takes the place of an older one."""
        words: dict[str, str] = {}
        cares: dict[str, float] = {}
        for item, context in zip(events.ids, events.contexts or (), strict=False):
            comment = _comment(context)
            said = comment.get("words")
            if isinstance(said, list) and said:
                words[str(item)] = ", ".join(str(word)[:80] for word in said)
            about = comment.get(ABOUT)
            cares |= {str(k): float(v) for k, v in about.items()} if isinstance(about, Mapping) else {}
        return cls(words, cares)

    def __bool__(self) -> bool:
        return bool(self.words or self.cares)

    def beside(self, whys: Sequence[Why], items: Sequence[int], catalog: Catalog | None) -> list[Why]:
        """Reasons with what was written beside the events, and what others liked; scores are as they were."""
        if not self:
            return list(whys)
        return [self._beside(why, item, catalog) for why, item in zip(whys, items, strict=True)]

    def _beside(self, why: Why, item: int, catalog: Catalog | None) -> Why:
        parts = [replace(part, said=self.words.get(str(part.item))) for part in why.parts]
        names = [] if catalog is None or item >= len(catalog) else praised(catalog, item, self.cares)
        more = [Reason("aspect", f"people who cared about {name} liked it", 0.0) for name in names]
        return replace(why, parts=parts, reasons=[*why.reasons, *more])


def mood_told(contexts: Iterable[object]) -> str | None:
    """The mood of the first comment that tells one; contexts are those of events, newest first."""
    for context in contexts:
        mood = _comment(context).get(MOOD)
        if isinstance(mood, str):
            return mood
    return None


def as_written(given: Histories, events: Events, recipe: Recipe, now: int | None) -> Histories:
    """The history of one person with the mood of the newest comment of the session that told one, where the request
    states none and the model knows moods. ``now`` is the moment of the request; None: the newest event."""
    if MOOD not in recipe.contexts or events.contexts is None or given.asked is None:
        return given
    column = list(recipe.contexts).index(MOOD)
    if given.asked[0, column] >= 0:
        return given
    order = range(len(events.ids))[::-1]
    if events.times is not None and len(events.times):
        moment = int(events.times.max()) if now is None else now * MICRO
        newest = np.argsort(events.times, kind="stable")[::-1]
        order = newest[moment - events.times[newest] <= PAUSE * MICRO].tolist()
    told = mood_told(events.contexts[at] for at in order)
    return given if told is None else _with_mood(given, recipe, told)


def as_said(given: Histories, recipe: Recipe, mood: str) -> Histories:
    """The history of one person with a mood that they wrote of, where the request states none and the model knows
    moods; it takes the place of one that was inferred."""
    if MOOD not in recipe.contexts or given.asked is None:
        return given
    column = list(recipe.contexts).index(MOOD)
    stated = given.asked[0, column] >= 0 and (given.inferred is None or given.inferred[0, column] == 0)
    return given if stated else _with_mood(given, recipe, mood)


def _with_mood(given: Histories, recipe: Recipe, mood: str) -> Histories:
    """With a mood that was inferred from what was written; without, where the model does not know it."""
    column = list(recipe.contexts).index(MOOD)
    code = int(recipe.encode([{MOOD: mood}])[0][0, column])
    if code < 0 or given.asked is None:
        return given
    asked, how = given.asked.copy(), np.zeros_like(given.asked) if given.inferred is None else given.inferred.copy()
    asked[0, column], how[0, column] = code, 2
    return replace(given, asked=asked, inferred=how)


def _comment(context: object) -> Mapping[str, Any]:
    if isinstance(context, str):
        if COMMENT not in context:
            return {}
        context = json.loads(context)
    comment = context.get(COMMENT) if isinstance(context, Mapping) else None
    return comment if isinstance(comment, Mapping) else {}
