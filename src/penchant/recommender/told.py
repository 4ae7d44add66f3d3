"""What a person wrote, in the reasons of an answer: "you wrote: too sweet", "people who cared about comfort ..."."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from penchant.data.catalog import Catalog
from penchant.data.events import Events
from penchant.data.liked_for import praised
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


def _comment(context: object) -> Mapping[str, Any]:
    if isinstance(context, str):
        if COMMENT not in context:
            return {}
        context = json.loads(context)
    comment = context.get(COMMENT) if isinstance(context, Mapping) else None
    return comment if isinstance(comment, Mapping) else {}
