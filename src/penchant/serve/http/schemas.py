"""What requests and answers look like; the OpenAPI document is made from these."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictStr,
    WithJsonSchema,
    WrapValidator,
)

from penchant.data.vocab import normalise_id
from penchant.errors import DataError
from penchant.serve.answers.ranking import MOST
from penchant.serve.catalogue.filters import Where, parse
from penchant.serve.common.values import Attribute, Scalar, named

CONTEXT_BYTES = 4096
ATTRIBUTES = 64
LATEST = 253_402_300_800  # the year 10000, in unix seconds


def check_id(text: str) -> str:
    """An id as it is kept; raises ``ValueError`` for one that cannot be."""
    if text.isascii() and text.isalnum() and len(text) <= 512:
        return text
    try:
        return normalise_id(text)
    except DataError as wrong:
        raise ValueError(str(wrong)) from None


def path_id(raw: str) -> str:
    """An id as it stands in a path: percent-encoded, so that it may hold a slash."""
    try:
        return check_id(unquote_to_bytes(raw).decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("an id is UTF-8, percent-encoded") from None


def _context(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is not None:
        if len(json.dumps(value)) > CONTEXT_BYTES:
            raise ValueError(f"a context has at most {CONTEXT_BYTES} bytes of JSON")
        for inner in value.values():
            within = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
            if any(isinstance(part, (dict, list)) for part in within):
                raise ValueError("a context is nested at most two levels deep")
    return value


def seconds(value: Any) -> int:
    """Unix seconds of a time as it is sent: a number of seconds or ISO-8601; without a zone it is UTC."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("a time is unix seconds or ISO-8601, such as 2026-11-25T12:00:00Z") from None
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a time is unix seconds or ISO-8601")  # noqa: TRY004  # pydantic listens for this one
    if not abs(value) < LATEST:
        raise ValueError("a time is in unix seconds, not in milliseconds")
    return int(value)


_TIME: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]}
Id = Annotated[StrictStr, Field(min_length=1, max_length=600, examples=["42"]), AfterValidator(check_id)]
PathId = Annotated[str, Path(description="percent-encoded, a slash as %2F"), AfterValidator(path_id)]
Time = Annotated[int, PlainValidator(seconds), WithJsonSchema(_TIME)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e9, le=1e9)]  # models count in single precision
Kind = Annotated[StrictStr, Field(min_length=1, max_length=64), AfterValidator(named)]
K = Annotated[int, Query(ge=1, le=MOST, description="how many items")]
Name = Annotated[StrictStr, Field(min_length=1, max_length=64), AfterValidator(named)]
Filter = Annotated[Where | None, WrapValidator(lambda given, _: parse(given))]  # parse bounds it and names the place
WhereText = Annotated[str | None, Query(max_length=20_000, description="a filter as JSON; POST takes it as an object")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Event(_Strict):
    """Someone did something with an item."""

    item: Id
    user: Id | None = None
    session: Id | None = None
    kind: Kind | None = Field(default=None, examples=["view", "cart", "dislike"])
    value: Finite | None = Field(default=None, description="a rating or a weight")
    time: Time | None = Field(default=None, description="unix seconds or ISO-8601; now if it is left out")
    context: Annotated[dict[str, Any], AfterValidator(_context)] | None = None
    id: Annotated[StrictStr, Field(min_length=1, max_length=128), AfterValidator(named)] | None = Field(
        default=None, description="the same id is counted once, so that a request may be sent again"
    )


class Events(_Strict):
    """A batch of events. Those that are wrong are named in the answer, the others are kept."""

    events: list[Event] = Field(min_length=1)


class EventError(BaseModel):
    """Why one event was not kept."""

    index: int
    field: str
    detail: str


class Collected(BaseModel):
    """What became of a batch; everything accepted is on the disk."""

    accepted: int
    duplicates: int
    errors: list[EventError]


class Past(_Strict):
    """An event of a history that is sent along and not kept."""

    item: Id
    kind: Kind | None = None
    value: Finite | None = None
    time: Time | None = None


class Ask(_Strict):
    """What to recommend."""

    k: int = Field(default=10, ge=1, le=MOST, strict=True)
    page: Annotated[StrictStr, Field(max_length=2048)] | None = Field(
        default=None, description="the token of the page before, to go on where it ended"
    )
    exclude: Annotated[list[Id], Field(max_length=1000)] = []
    where: Filter = None
    why: StrictBool = False
    repeat: StrictBool = Field(default=False, description="seen items may come again")


class AskByQuery(BaseModel):
    """What to recommend, as it stands in an address."""

    k: int = Field(default=10, ge=1, le=MOST, description="how many items")
    page: str | None = Field(default=None, max_length=2048, description="the token of the page before")
    exclude: list[Id] = Field(default_factory=list, max_length=1000, description="items not wanted; may come again")
    where: str | None = Field(
        default=None, max_length=20_000, description="a filter as JSON; POST takes it as an object"
    )
    why: bool = False
    repeat: bool = Field(default=False, description="seen items may come again")


def _past(given: Any) -> Any:
    return {"item": given} if isinstance(given, str) else given


class AskAnonymous(Ask):
    """What to recommend for a history that is sent along."""

    history: Annotated[
        list[Annotated[Past, BeforeValidator(_past, json_schema_input_type=Id | Past)]],
        Field(max_length=5000, description="oldest first; an event, or only its item"),
    ]


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str


class Part(BaseModel):
    """What one past event gave to a score."""

    item: str
    title: str | None
    contribution: float


class Why(BaseModel):
    """``exact``: score = base + sum of the contributions; ``leave-one-out``: the score minus that without the event."""

    method: Literal["exact", "leave-one-out"]
    base: float
    parts: list[Part]


class Entry(BaseModel):
    """One recommended item."""

    item: str
    title: str | None
    score: float
    why: Why | None = None


class Recommended(BaseModel):
    """A list, best first, and everything there is to say about it."""

    user: str | None
    items: list[Entry]
    fallback: bool = Field(description="the model knows nothing about this history: popular items")
    unknown: list[str] = Field(description="items of the history that the model does not know")
    model: ModelName
    degraded: str | None = Field(description="why the answer is less than it should be")
    removed: dict[str, int] = Field(description="how many items each filter took out")
    next: str | None = Field(description="the token of the next page")
    segment: dict[str, Any] | None = Field(default=None, description="whose popular items these are")


class Item(_Strict):
    """What may be said about an item; ``null`` takes something away."""

    title: Annotated[StrictStr, Field(max_length=1000)] | None = None
    domain: Name | None = None
    available: StrictBool | None = None
    hidden: StrictBool | None = None
    expires: Time | None = Field(default=None, description="from then on it is not shown")
    attributes: Annotated[dict[Name, Attribute], Field(max_length=ATTRIBUTES)] = {}


class NamedItem(Item):
    """An item of a batch."""

    item: Id


class ItemBatch(_Strict):
    """Items to put, patch and delete, in this order, all or none."""

    put: list[NamedItem] = []
    patch: list[NamedItem] = []
    delete: list[Id] = []


class Attributes(_Strict):
    """What is said about a person; they choose whose popular items someone without events gets."""

    attributes: Annotated[dict[Name, Scalar | None], Field(max_length=ATTRIBUTES)]


class Merge(_Strict):
    """Whose events to take over: a session that turned out to be this user, or the same person elsewhere."""

    user: Id | None = None
    session: Id | None = None


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = []
