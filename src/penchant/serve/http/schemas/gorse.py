"""Bodies of Gorse's API, with its names of fields."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, StrictBool, StrictStr, WithJsonSchema

from penchant.serve.common.values import VALUES, Scalar, named, plain
from penchant.serve.gorse.documents import NEVER
from penchant.serve.http.schemas.fields import Finite, Id, Kind, Request, Response, seconds


def when(value: Any) -> int | None:
    """Unix seconds of a time; None for no text and for the time that Gorse writes where there is none."""
    if value is None or (isinstance(value, str) and value in {"", NEVER}):
        return None
    return seconds(int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 12 else value)


_WHEN: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}, {"type": "null"}]}
_LABELS: dict[str, Any] = {
    "anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "string"}}, {"type": "string"}, {"type": "null"}]
}
When = Annotated[int | None, PlainValidator(when), WithJsonSchema(_WHEN)]
GivenLabels = Annotated[Any, WithJsonSchema(_LABELS)]
Text = Annotated[StrictStr, Field(max_length=1000), AfterValidator(plain)]
Category = Annotated[StrictStr, Field(min_length=1, max_length=600), AfterValidator(named), AfterValidator(plain)]
GivenCategories = Annotated[list[Category], Field(max_length=VALUES)]

# -- requests ---------------------------------------------------------------------------------------------------------


class GorseFeedback(Request):
    """A person did something with an item."""

    FeedbackType: Kind
    UserId: Id
    ItemId: Id
    Value: Finite | None = Field(default=None, description="0: none")
    Timestamp: When = Field(default=None, description="ISO-8601 or unix seconds; default: now")
    Updated: When = Field(default=None, description="in a listing; not read")
    Comment: Text | None = None


class GorseSessionFeedback(GorseFeedback):
    """Feedback of somebody without a name."""

    UserId: Annotated[StrictStr, Field(max_length=600)] | None = None  # type: ignore[assignment]  # it is not read


class GorseItemPatch(Request):
    """The fields of an item to change; null leaves one as it is."""

    IsHidden: StrictBool | None = None
    Categories: GivenCategories | None = None
    Timestamp: When = None
    Labels: GivenLabels = None
    Comment: Text | None = None


class GorseItem(GorseItemPatch):
    """An item; what is not given is empty."""

    ItemId: Id


class GorseUserPatch(Request):
    """The fields of a user to change; null leaves one as it is."""

    Labels: GivenLabels = None
    Comment: Text | None = None


class GorseUser(GorseUserPatch):
    """A user; what is not given is empty."""

    UserId: Id


# -- responses --------------------------------------------------------------------------------------------------------


class RowsAffected(Response):
    """How many rows changed."""

    RowAffected: int


class GorseScore(Response):
    """An item of a list."""

    Id: str
    Score: float


class GorseUserRow(Response):
    """A user."""

    UserId: str
    Labels: dict[str, Scalar | list[str]] | list[str] | Scalar | None
    Comment: str


class GorseItemRow(Response):
    """An item."""

    ItemId: str
    IsHidden: bool
    Categories: list[str]
    Timestamp: str
    Labels: Any
    Comment: str


class GorseFeedbackRow(Response):
    """Feedback; `Timestamp` is the first time of it, `Updated` the last."""

    FeedbackType: str
    UserId: str
    ItemId: str
    Value: float
    Timestamp: str
    Updated: str
    Comment: str


class GorseUserPage(Response):
    """A page of users; the cursor is empty at the end."""

    Cursor: str
    Users: list[GorseUserRow]


class GorseItemPage(Response):
    """A page of items; the cursor is empty at the end."""

    Cursor: str
    Items: list[GorseItemRow]


class GorseFeedbackPage(Response):
    """A page of feedback; the cursor is empty at the end."""

    Cursor: str
    Feedback: list[GorseFeedbackRow]
