"""From stored events to the history a model sees, exactly as reading a log makes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Bools, Floats, Histories
from penchant.data.one_history import Events
from penchant.serve.answers.models import ServedModel
from penchant.store.events import StoredEvent

DAY = 86_400


@dataclass(frozen=True, eq=False)
class PersonHistory:
    """One person at one moment: the history for the model, and the positions of what was seen and of what is hidden
    because it was disliked; ``unknown`` are ids that the model does not know, ``left_out`` events beyond the newest."""

    given: Histories
    seen: list[int]
    disliked: list[int]
    unknown: list[str]
    left_out: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing at all is known of the person."""
        return not self.seen and not self.disliked and not self.unknown


def history_of(
    served: ServedModel, rows: Sequence[StoredEvent], now: int, *, recent: int, dislike_days: float
) -> PersonHistory:
    """The history of a person from their events, newest accepted first.

    The newest ``recent`` events are scored, every event counts as seen. A dislike hides its item and speaks against
    what resembles it for ``dislike_days``; after that it is as if it had not been.
    """
    if not rows:
        return PersonHistory(served.nobody, [], [], [])
    position, forgotten = served.catalogue.position, now - int(dislike_days * DAY)
    seen: dict[int, None] = {}
    newest_is_dislike: dict[int, bool] = {}
    kept: list[StoredEvent] = []
    bad: list[bool] = []
    for row in rows:
        against = row.kind is not None and served.is_against(row.kind)
        if against and row.time <= forgotten:
            continue
        at = position.get(row.item, -1)
        if at >= 0:
            newest_is_dislike.setdefault(at, against)
            if not against:
                seen[at] = None
        kept.append(row)
        bad.append(against)
    scored, bad = kept[:recent], bad[:recent]
    given, unknown = _histories(served, scored[::-1], bad[::-1], now)
    disliked = [at for at, against in newest_is_dislike.items() if against]
    return PersonHistory(given, list(seen), disliked, unknown, len(kept) - len(scored))


def _histories(
    served: ServedModel, rows: Sequence[StoredEvent], against: list[bool], now: int
) -> tuple[Histories, list[str]]:
    """Oldest accepted first."""
    recommender, n = served.recommender, len(rows)
    n_items, position = recommender.model.n_items, served.catalogue.position
    index = np.fromiter((position.get(row.item, -1) for row in rows), dtype=np.int64, count=n)
    known = (index >= 0) & (index < n_items)
    unknown = [] if known.all() else list(dict.fromkeys(rows[i].item for i in np.flatnonzero(~known).tolist()))
    times = np.fromiter((row.time for row in rows), dtype=np.int64, count=n)
    order = np.argsort(times, kind="stable")
    order = order[known[order]]
    values, liked = _weigh(served, rows)
    values_are = "none" if values is None else recommender.recipe.values_are
    if any(against) and values_are != "weight" and recommender.model.task != "rating":
        # what was learned from had no weights: a like counts one, a dislike minus one
        values, values_are = np.where(against, np.float32(-1), np.float32(1)), "weight"
    if liked is not None and liked.all() and (values_are != "weight" or values is None or (values > 0).all()):
        liked = None  # it says nothing that the values do not
    given = Histories(
        np.array([0, len(order)], dtype=np.int64),
        index[order].astype(np.int32),
        n_items,
        None if values is None else values[order],
        values_are,
        times[order],
        None if liked is None else liked[order],
        np.array([now], dtype=np.int64),
        curve=recommender.recipe.curve,
    )
    return given, unknown


def _weigh(served: ServedModel, rows: Sequence[StoredEvent]) -> tuple[Floats | None, Bools | None]:
    """Values and likes by the recipe of training."""
    recipe = served.recipe
    plain = all(row.kind is None and row.value is None for row in rows)
    if plain and recipe.values_are == "none":
        return None, None
    kinds = [row.kind for row in rows]
    values = np.array([np.nan if row.value is None else row.value for row in rows], dtype=np.float64)
    columns = Events(
        [row.item for row in rows],
        kinds if any(kind is not None for kind in kinds) else None,
        None if np.isnan(values).all() else values,
        None,
    )
    return columns.weigh(recipe, served.recommender.fitted_on.get("typical_rating"))
