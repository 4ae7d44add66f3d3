"""From stored events to the history a model sees, exactly as reading a log makes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Floats, Histories
from penchant.data.one_history import Events
from penchant.serve.answers.models import Loaded

DAY = 86_400


@dataclass(frozen=True, eq=False)
class Taste:
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


def taste(loaded: Loaded, rows: Sequence[tuple[Any, ...]], now: int, *, recent: int, dislike_days: float) -> Taste:
    """Rows are ``(item, kind, value, time, ...)``, newest accepted first.

    The newest ``recent`` events are scored, every event counts as seen. A dislike hides its item and speaks against
    what resembles it for ``dislike_days``; after that it is as if it had not been.
    """
    if not rows:
        return Taste(loaded.nobody, [], [], [])
    position, forgotten = loaded.shelf.position, now - int(dislike_days * DAY)
    seen: dict[int, None] = {}
    newest_is_dislike: dict[int, bool] = {}
    kept: list[tuple[Any, ...]] = []
    bad: list[bool] = []
    for row in rows:
        against = row[1] is not None and loaded.is_against(row[1])
        if against and row[3] <= forgotten:
            continue
        at = position.get(row[0], -1)
        if at >= 0:
            newest_is_dislike.setdefault(at, against)
            if not against:
                seen[at] = None
        kept.append(row)
        bad.append(against)
    scored, bad = kept[:recent], bad[:recent]
    given, unknown = _histories(loaded, scored[::-1], bad[::-1], now)
    disliked = [at for at, against in newest_is_dislike.items() if against]
    return Taste(given, list(seen), disliked, unknown, len(kept) - len(scored))


def _histories(
    loaded: Loaded, rows: Sequence[tuple[Any, ...]], against: list[bool], now: int
) -> tuple[Histories, list[str]]:
    """Oldest accepted first."""
    recommender, n = loaded.recommender, len(rows)
    n_items, position = recommender.model.n_items, loaded.shelf.position
    index = np.fromiter((position.get(row[0], -1) for row in rows), dtype=np.int64, count=n)
    known = (index >= 0) & (index < n_items)
    unknown = [] if known.all() else list(dict.fromkeys(rows[i][0] for i in np.flatnonzero(~known).tolist()))
    times = np.fromiter((row[3] for row in rows), dtype=np.int64, count=n)
    order = np.argsort(times, kind="stable")
    order = order[known[order]]
    values, liked = _weigh(loaded, rows)
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
    )
    return given, unknown


def _weigh(loaded: Loaded, rows: Sequence[tuple[Any, ...]]) -> tuple[Floats | None, Bools | None]:
    """Values and likes by the recipe of training."""
    recipe = loaded.recipe
    plain = all(row[1] is None and row[2] is None for row in rows)
    if plain and recipe.values_are == "none":
        return None, None
    kinds = [row[1] for row in rows]
    values = np.array([np.nan if row[2] is None else row[2] for row in rows], dtype=np.float64)
    columns = Events(
        [row[0] for row in rows],
        kinds if any(kind is not None for kind in kinds) else None,
        None if np.isnan(values).all() else values,
        None,
    )
    return columns.weigh(recipe, loaded.recommender.fitted_on.get("typical_rating"))
