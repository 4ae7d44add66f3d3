"""Events: the batch that a client sends, and the outcome."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StrictStr

from penchant.serve.common.values import named
from penchant.serve.http.schemas.fields import Finite, Id, Kind, Moment, Request, Response, needs
from penchant.text.comment import MOST_BYTES

CONTEXT_BYTES = 4096


def _finite(value: Any) -> bool:
    """Whether all numbers in a value of JSON are finite: a parser reads 1e999 as infinity."""
    if isinstance(value, (dict, list)):
        return all(map(_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def checked_context(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """The context of an event; raises ``ValueError`` for one that is too large."""
    if value is not None:
        if len(json.dumps(value)) > CONTEXT_BYTES:
            raise ValueError(f"a context has at most {CONTEXT_BYTES} bytes of JSON")
        if not all(map(_finite, value.values())):
            raise ValueError("a number must be finite")
        for inner in value.values():
            within = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
            if any(isinstance(part, (dict, list)) for part in within):
                raise ValueError("a context is nested at most two levels deep")
    return value


def checked_text(value: str) -> str:
    """The text of an event; raises ``ValueError`` for one that is too long."""
    if len(value.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise ValueError(f"a text has at most {MOST_BYTES} bytes")
    return value


ABOUT: Any = {"allOf": [needs("user", "session"), needs("item", "text")]}


class Event(Request):
    """A person did something with an item, or wrote something: a text needs no item."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=ABOUT)

    item: Id | None = Field(default=None, description="required, except with a text: a search, or a reply")
    user: Id | None = None
    session: Id | None = None
    kind: Kind | None = Field(default=None, examples=["view", "cart", "dislike"])
    value: Finite | None = Field(default=None, description="a rating or a weight")
    time: Moment | None = Field(default=None, description="unix seconds or ISO-8601; default: now")
    context: Annotated[dict[str, Any], AfterValidator(checked_context)] | None = None
    text: Annotated[StrictStr, AfterValidator(checked_text)] | None = Field(
        default=None,
        description="a comment, of at most 4 KiB; its opinion is kept, and the text dropped unless keep_text. Without "
        "an item it is what the person needs now",
    )
    recommendation: Annotated[StrictStr, Field(pattern=r"^r_[A-Za-z0-9_-]{1,30}$")] | None = Field(
        default=None, description="the id of the list that the person followed"
    )
    purpose: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] | None = Field(
        default=None, description="what the person agreed to; models learn from the purposes that the service names"
    )
    id: Annotated[StrictStr, Field(min_length=1, max_length=128), AfterValidator(named)] | None = Field(
        default=None, description="an event with a known id is counted once, so a request may be sent again"
    )


class Events(Request):
    """A batch of events. The response names the invalid ones; the others are stored."""

    events: list[Event] = Field(min_length=1)


class EventError(Response):
    """Why one event was not stored."""

    index: int
    field: str
    detail: str


class Collected(Response):
    """The outcome of a batch. Every accepted event is on disk."""

    accepted: int
    duplicates: int
    errors: list[EventError]
