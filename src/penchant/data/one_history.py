"""One person's events as they are given to a recommender: ids, pairs or dictionaries, made into columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Floats, Longs
from penchant.data.recipe import Recipe
from penchant.errors import DataError, ParameterError

_KEYS = {"item", "kind", "value", "time", "context", "id", "user", "session"}  # the last four say nothing about taste


@dataclass(frozen=True, eq=False)
class Events:
    """Columns of one history; ``values`` are NaN where an event has none, ``times`` None unless every event has one."""

    ids: list[Any]
    kinds: list[str | None] | None
    values: NDArray[np.float64] | None
    times: Longs | None

    def weigh(self, recipe: Recipe, typical_rating: float | None) -> tuple[Floats | None, Bools | None]:
        """Values and likes as reading a log gives them.

        An id without a rating, where the log had ratings, is something liked: it gets ``typical_rating``, the mean of
        the positives that were learned from, so that it means the same to every model.
        """
        values, unrated = self.values, None
        if recipe.values_are == "rating":
            raw = np.full(len(self.ids), np.nan) if values is None else values
            unrated = np.isnan(raw)
            if typical_rating is not None:
                values = np.where(unrated, typical_rating, raw)
            elif unrated.all():
                values = None
        weights, liked = recipe.weigh(self.kinds, values)
        if liked is not None and unrated is not None and recipe.positive is not None:
            plain = recipe.weigh(self.kinds, None)[1]
            liked = np.where(unrated, True if plain is None else plain, liked)
        return weights, liked


def read_events(history: Iterable[Any]) -> Events:
    """Columns of a list of ids, ``(id, value)`` pairs or ``{"item", "kind", "value", "time"}`` dictionaries.

    Raises ``ParameterError`` where it is none of these and ``DataError`` for a value or a time that is no number.
    """
    if isinstance(history, (str, bytes, Mapping)) or not isinstance(history, Iterable):
        raise ParameterError(f"a history is a list of ids or events, not {str(history)[:80]!r}")
    ids: list[Any] = []
    kinds: list[str | None] = []
    values: list[float] = []
    times: list[int | None] = []
    for event in history:
        if isinstance(event, Mapping):
            strange = set(event) - _KEYS
            if strange or "item" not in event:
                what = f"has the unknown field {min(map(str, strange))!r}" if strange else "names no item"
                raise ParameterError(f"event {len(ids)} of the history {what}: an event is item, kind, value, time")
            kind, value, time = event.get("kind"), event.get("value"), event.get("time")
            item = event["item"]
        elif isinstance(event, (tuple, list)):
            if len(event) != 2:
                raise ParameterError(f"event {len(ids)} of the history should be (id, value), got {event!r}")
            item, value, kind, time = event[0], event[1], None, None
        else:
            item, value, kind, time = event, None, None, None
        values.append(_number(value, len(ids)))
        times.append(_seconds(time, len(ids)))
        kinds.append(None if kind is None else str(kind))
        ids.append(item)
    known = [time for time in times if time is not None]
    return Events(
        ids,
        kinds if any(kind is not None for kind in kinds) else None,
        None if np.isnan(values).all() else np.asarray(values),
        np.asarray(known, dtype=np.int64) if ids and len(known) == len(ids) else None,
    )


def _number(value: object, event: int) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
        raise DataError(f"event {event} of the history: a value is a finite number", value=value)
    return float(value)


def _seconds(time: object, event: int) -> int | None:
    if time is None:
        return None
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            raise DataError(f"event {event} of the history: the time is not ISO-8601", value=time) from None
    if isinstance(time, datetime):
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
    seconds = _number(time, event)
    if abs(seconds) >= 2**62:
        raise DataError(f"event {event} of the history: the time is not in unix seconds", value=time)
    return int(seconds)
