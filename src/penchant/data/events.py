"""The events of one history as columns: those of a list, and those of a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Longs
from penchant.errors import DataError, ParameterError

_KEYS = {"item", "kind", "value", "time", "context", "text", "id", "user", "session"}  # the last three are not used
MICRO = 1_000_000
_MISSING = int(np.iinfo(np.int64).min)


class StoredEvent(Protocol):
    """An event as a store keeps it."""

    @property
    def item(self) -> str: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def value(self) -> float | None: ...
    @property
    def time(self) -> int: ...
    @property
    def context(self) -> str | None: ...  # JSON


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one history as columns, oldest accepted first."""

    ids: Sequence[object]
    kinds: Sequence[str | None] | None  # None: no event has a kind
    values: NDArray[np.float64] | None  # NaN: the event has no value; None: no event has one
    times: Longs | None  # microseconds; an event without a time is the last; None: no event has one
    contexts: Sequence[Mapping[str, Any] | str | None] | None = None  # text: JSON; None: no event has one
    texts: Sequence[str | None] | None = None  # comments that nobody has read yet; None: no event has one

    @classmethod
    def stored(cls, rows: Iterable[StoredEvent]) -> Events:
        """The rows of a store, oldest accepted first."""
        rows = list(rows)
        kinds, raw = [row.kind for row in rows], [row.value for row in rows]
        values = None
        if any(value is not None for value in raw):
            values = np.array([np.nan if value is None else value for value in raw], dtype=np.float64)
        return cls(
            [row.item for row in rows],
            kinds if any(kind is not None for kind in kinds) else None,
            values,
            np.array([row.time for row in rows], dtype=np.int64) * MICRO,
            [row.context for row in rows],
        )

    def ordered(self) -> Events:
        """The events from the oldest to the newest."""
        if self.times is None or (self.times[1:] >= self.times[:-1]).all():
            return self
        return self.take(np.argsort(self.times, kind="stable"))

    def take(self, chosen: Longs) -> Events:
        """Some of the events, in the order chosen."""
        return Events(
            [self.ids[at] for at in chosen.tolist()],
            None if self.kinds is None else [self.kinds[at] for at in chosen.tolist()],
            None if self.values is None else self.values[chosen],
            None if self.times is None else self.times[chosen],
            None if self.contexts is None else [self.contexts[at] for at in chosen.tolist()],
            None if self.texts is None else [self.texts[at] for at in chosen.tolist()],
        )


def read_events(history: Iterable[Any]) -> Events:
    """Columns of a list of ids, ``(id, value)`` tuples or ``{"item", "kind", "value", "time", "context",
    "text"}`` dictionaries.

    A pandas or polars table with these columns is one, too. Raises ``ParameterError`` for anything else, and
    ``DataError`` for a value or a time that is not a number.
    """
    history = _listed(history)
    ids: list[object] = []
    kinds: list[str | None] = []
    values: list[float] = []
    times: list[int] = []
    contexts: list[Mapping[str, Any] | None] = []
    texts: list[str | None] = []
    for event in history:
        item, kind, value, time = _fields(event, len(ids))
        contexts.append(_context(event, len(ids)))
        texts.append(_text(event, len(ids)))
        values.append(_number(value, len(ids)))
        times.append(_microseconds(time, len(ids)))
        kinds.append(None if kind is None else str(kind))
        ids.append(item)
    missing = np.array([time == _MISSING for time in times], dtype=np.bool_)
    if missing.any() and not missing.all():  # as in a log: these come last, at the newest time known
        newest = max(times)
        order = np.argsort(missing, kind="stable").tolist()
        ids, kinds, values = ([column[at] for at in order] for column in (ids, kinds, values))
        contexts, texts = [contexts[at] for at in order], [texts[at] for at in order]
        times = [newest if missing[at] else times[at] for at in order]
    return Events(
        ids,
        kinds if any(kind is not None for kind in kinds) else None,
        None if np.isnan(values).all() else np.asarray(values),
        None if missing.all() else np.array(times, dtype=np.int64),
        contexts if any(contexts) else None,
        texts if any(texts) else None,
    )


def _listed(history: Any) -> Iterable[Any]:
    """A history as events one after the other; raises ``ParameterError`` for what may mean something else."""
    if hasattr(history, "columns") and hasattr(history, "iloc"):  # pandas
        history = history.astype(object).where(history.notna(), None).to_dict("records")
    elif hasattr(history, "iter_rows"):  # polars
        history = history.to_dicts()
    elif hasattr(history, "to_pylist") and hasattr(history, "column_names"):  # Arrow
        history = history.to_pylist()
    elif getattr(history, "ndim", 1) != 1:
        raise ParameterError(f"a history is one list of ids, not an array of shape {tuple(history.shape)}")
    if isinstance(history, (str, bytes, Mapping)) or not isinstance(history, Iterable):
        raise ParameterError(f"a history is a list of ids or events, not {str(history)[:80]!r}")
    return history


def _fields(event: Any, number: int) -> tuple[object, object, object, object]:
    """Item, kind, value and time."""
    if isinstance(event, Mapping):
        strange = set(event) - _KEYS
        if strange or "item" not in event:
            problem = f"has the unknown field {min(map(str, strange))!r}" if strange else "names no item"
            raise ParameterError(f"event {number} of the history {problem}: an event is item, kind, value, time")
        return event["item"], event.get("kind"), event.get("value"), event.get("time")
    if isinstance(event, (list, set, np.ndarray)):
        raise ParameterError(
            f"event {number} of the history is a list: an id with its value is a tuple (id, value), and several "
            "histories are asked for one by one"
        )
    if isinstance(event, tuple):
        if len(event) != 2:
            raise ParameterError(f"event {number} of the history should be (id, value), got {event!r}")
        return event[0], None, event[1], None
    return event, None, None, None


def _context(event: Any, number: int) -> Mapping[str, Any] | None:
    stated = event.get("context") if isinstance(event, Mapping) else None
    if stated is None or isinstance(stated, Mapping):
        return stated
    raise ParameterError(f"event {number} of the history: a context is names and values, not {str(stated)[:80]!r}")


def _text(event: Any, number: int) -> str | None:
    text = event.get("text") if isinstance(event, Mapping) else None
    if text is None or isinstance(text, str):
        return text
    raise ParameterError(f"event {number} of the history: a text is text, not {type(text).__name__}")


def _number(value: object, event: int) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
        raise DataError(f"event {event} of the history: a value is a finite number", value=value)
    return float(value)


def _microseconds(time: object, event: int) -> int:
    if time is None:
        return _MISSING
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            raise DataError(f"event {event} of the history: the time is not ISO-8601", value=time) from None
    if isinstance(time, datetime):
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    seconds = _number(time, event)
    if abs(seconds) >= 2**62 / MICRO:
        raise DataError(f"event {event} of the history: the time is not in unix seconds", value=time)
    return int(time) * MICRO if isinstance(time, (int, np.integer)) else round(seconds * MICRO)
