"""The history of a person in the service: what the model sees, and what was seen or disliked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from penchant.core.histories import Histories
from penchant.data.events import Events
from penchant.data.recipe import IMPRESSION, normalise_kind
from penchant.ranking.moods import PAUSE
from penchant.recommender.search import Asked
from penchant.recommender.told import Told, as_said, mood_told
from penchant.recommender.written import asked_by
from penchant.serve.answers.models import ServedModel
from penchant.store.events import StoredEvent
from penchant.store.written import KeptWritten
from penchant.text.comment import COMMENT

DAY = 86_400


@dataclass(frozen=True, eq=False)
class PersonHistory:
    """One person at one moment: the history for the model, and the positions of seen and of disliked items.

    ``unknown`` are ids that the model does not know; ``left_out`` is the number of older events that are not scored.
    """

    given: Histories
    seen: list[int]
    disliked: list[int]
    unknown: list[str]
    left_out: int = 0
    tired: list[int] = field(default_factory=list)  # seen too often without another event
    told: Told = field(default_factory=Told)  # what comments say
    asked: Asked | None = None  # what the newest text without an item asks for

    @property
    def empty(self) -> bool:
        """Whether nothing is known about the person."""
        return not self.seen and not self.disliked and not self.unknown


def history_of(
    served: ServedModel,
    rows: Sequence[StoredEvent],
    now: int,
    *,
    recent: int,
    dislike_days: float,
    most_impressions: int = 0,
    context: Mapping[str, Any] | None = None,
) -> PersonHistory:
    """The history of a person from their events, newest first.

    The newest ``recent`` events are scored; every event counts as seen. A dislike hides its item and lowers similar
    items for ``dislike_days``; after that it has no effect. Events of weight 0, such as impressions, do not count;
    after ``most_impressions`` (0: no limit) without another event of the item, it is ``tired``. ``context`` is that of
    the request; a mood that it does not state is that of the newest comment of the session that told one.
    """
    if not rows:
        nobody = served.nobody if not context else served.recommender.histories([], now=now, context=context)[0]
        return PersonHistory(nobody, [], [], [])
    marks = marks_of(served, rows, now, dislike_days=dislike_days)
    scored = marks.kept[:recent]
    events = Events.stored(scored[::-1])
    given, unknown = served.recommender.histories(events, now=now, context=context)
    left_out = len(marks.kept) - len(scored)
    tired = [at for at, count in marks.impressions.items() if 0 < most_impressions <= count]
    return PersonHistory(given, marks.seen, marks.disliked, unknown, left_out, tired, Told.of(events))


def with_written(
    served: ServedModel, history: PersonHistory, rows: Sequence[StoredEvent], written: Sequence[KeptWritten], now: int,
    *, need_seconds: float, context: Mapping[str, Any] | None = None,
) -> PersonHistory:  # fmt: skip
    """The history with what its person wrote without an item: ``written`` and ``rows``, newest first.

    The newest text is a need for ``need_seconds``. A mood that it tells is that of the session, unless a newer comment
    tells one or the request states one.
    """
    contexts = [(one.time, one.context) for one in written if abs(now - one.time) <= PAUSE]
    mood = mood_told(context for _, context in contexts)
    if mood is not None:
        when = next(when for when, context in contexts if mood_told([context]) is not None)
        if mood_told(row.context for row in rows if row.time > when) is None:
            given, recipe = history.given, served.recommender.recipe
            if given is served.nobody:
                given, _ = served.recommender.histories([], now=now, context=context)
            history = replace(history, given=as_said(given, recipe, mood))
    return replace(history, asked=asked_lately(served, written, now, need_seconds))


def asked_lately(served: ServedModel, written: Sequence[KeptWritten], now: int, need_seconds: float) -> Asked | None:
    """What the newest text asks for, if it is not older than ``need_seconds``; ``written`` is newest first."""
    if not written or abs(now - written[0].time) > need_seconds or not need_seconds:
        return None
    return asked_by(served.recommender, served.version, json.loads(written[0].context)[COMMENT])


@dataclass(frozen=True, eq=False)
class Marks:
    """The positions that a person has seen or dislikes, and the events that still count, newest first.

    ``impressions`` counts those of each position since its last other event.
    """

    seen: list[int]
    disliked: list[int]
    kept: list[StoredEvent]
    impressions: dict[int, int] = field(default_factory=dict)


def marks_of(served: ServedModel, rows: Sequence[StoredEvent], now: int, *, dislike_days: float) -> Marks:
    """What a person has seen or dislikes, from their events, newest first; the newest decides on a dislike."""
    forgotten = now - int(dislike_days * DAY)
    positions = served.catalogue.vocab.encode([row.item for row in rows]).tolist()
    weights = {kind: served.recommender.recipe.weight_of(kind) for kind in {row.kind for row in rows}}
    seen: dict[int, None] = {}
    newest_is_dislike: dict[int, bool] = {}
    impressions: dict[int, int] = {}
    kept: list[StoredEvent] = []
    for row, at in zip(rows, positions, strict=True):
        weight = weights[row.kind]
        if weight == 0:
            if at >= 0 and at not in newest_is_dislike and normalise_kind(row.kind) == IMPRESSION:
                impressions[at] = impressions.get(at, 0) + 1
            continue
        against = weight < 0
        if against and row.time <= forgotten:
            continue
        if at >= 0:
            newest_is_dislike.setdefault(at, against)
            if not against:
                seen[at] = None
        kept.append(row)
    disliked = [at for at, against in newest_is_dislike.items() if against]
    return Marks(list(seen), disliked, kept, impressions)
