"""The history of a person in the service: what the model sees, and what was seen or disliked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penchant.core.histories import Histories
from penchant.data.translate import Events
from penchant.serve.answers.models import ServedModel
from penchant.store.events import StoredEvent

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

    @property
    def empty(self) -> bool:
        """Whether nothing is known about the person."""
        return not self.seen and not self.disliked and not self.unknown


def history_of(
    served: ServedModel, rows: Sequence[StoredEvent], now: int, *, recent: int, dislike_days: float
) -> PersonHistory:
    """The history of a person from their events, newest first.

    The newest ``recent`` events are scored; every event counts as seen. A dislike hides its item and lowers similar
    items for ``dislike_days``; after that it has no effect.
    """
    if not rows:
        return PersonHistory(served.nobody, [], [], [])
    marks = marks_of(served, rows, now, dislike_days=dislike_days)
    scored = marks.kept[:recent]
    given, unknown = served.recommender.histories(Events.stored(scored[::-1]), now=now)
    return PersonHistory(given, marks.seen, marks.disliked, unknown, len(marks.kept) - len(scored))


@dataclass(frozen=True, eq=False)
class Marks:
    """The positions that a person has seen or dislikes, and the events that still count, newest first."""

    seen: list[int]
    disliked: list[int]
    kept: list[StoredEvent]


def marks_of(served: ServedModel, rows: Sequence[StoredEvent], now: int, *, dislike_days: float) -> Marks:
    """What a person has seen or dislikes, from their events, newest first; the newest decides on a dislike."""
    forgotten = now - int(dislike_days * DAY)
    positions = served.catalogue.vocab.encode([row.item for row in rows]).tolist()
    dislikes = {kind: served.recommender.recipe.is_dislike(kind) for kind in {row.kind for row in rows}}
    seen: dict[int, None] = {}
    newest_is_dislike: dict[int, bool] = {}
    kept: list[StoredEvent] = []
    for row, at in zip(rows, positions, strict=True):
        against = dislikes[row.kind]
        if against and row.time <= forgotten:
            continue
        if at >= 0:
            newest_is_dislike.setdefault(at, against)
            if not against:
                seen[at] = None
        kept.append(row)
    return Marks(list(seen), [at for at, against in newest_is_dislike.items() if against], kept)
