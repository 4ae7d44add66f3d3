"""Recommendations: what a client asks for, and the list with its reasons."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, StrictStr

from penchant.serve.answers.ranking import MOST
from penchant.serve.common.values import Scalar
from penchant.serve.http.schemas.fields import Filter, Finite, Id, Kind, Request, Response, Time
from penchant.store.exposures import DEFAULT

NEED = "what is wanted now, in words: a quiet thriller for two"
CONTEXT = "what holds now, by the names that the model was fitted with: mood, weather, companion"
EXPOSE = "false: the list is not shown to the person, and not written down"
IMPRESSIONS = "leave out an item after so many impressions without another event; 0: no limit; default: the setting"
Placement = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="the name of the spot where the list is shown"),
]

# -- requests ---------------------------------------------------------------------------------------------------------


class Ask(Request):
    """What to recommend."""

    k: int = Field(default=10, ge=1, le=MOST, strict=True)
    page: Annotated[StrictStr, Field(max_length=2048)] | None = Field(
        default=None, description="the token of the previous page, to continue after it"
    )
    exclude: Annotated[list[Id], Field(default_factory=list, max_length=1000)]
    where: Filter = None
    why: StrictBool = False
    repeat: StrictBool = Field(default=False, description="include items the person has seen")
    context: Annotated[dict[str, Scalar], Field(max_length=64)] | None = Field(default=None, description=CONTEXT)
    need: Annotated[StrictStr, Field(min_length=1, max_length=500)] | None = Field(default=None, description=NEED)


class AskPersonal(Ask):
    """What to recommend for a person, and where it is shown."""

    placement: Placement = DEFAULT
    expose: StrictBool = Field(default=True, description=EXPOSE)
    most_impressions: int | None = Field(default=None, ge=0, le=1000, strict=True, description=IMPRESSIONS)


class AskByQuery(BaseModel):
    """What to recommend, as query parameters."""

    k: int = Field(default=10, ge=1, le=MOST, description="number of items")
    page: str | None = Field(default=None, max_length=2048, description="the token of the previous page")
    exclude: list[Id] = Field(default_factory=list, max_length=1000, description="items to leave out; repeatable")
    where: str | None = Field(
        default=None, max_length=20_000, description="a filter as JSON; POST takes it as an object"
    )
    context: str | None = Field(default=None, max_length=4096, description=CONTEXT + "; as JSON")
    need: str | None = Field(default=None, min_length=1, max_length=500, description=NEED)
    why: bool = False
    repeat: bool = Field(default=False, description="include items the person has seen")
    placement: Placement = DEFAULT
    expose: bool = Field(default=True, description=EXPOSE)
    most_impressions: int | None = Field(default=None, ge=0, le=1000, description=IMPRESSIONS)


class Past(Request):
    """An event of a history in the request; it is not stored."""

    item: Id
    kind: Kind | None = None
    value: Finite | None = None
    time: Time | None = None
    context: Annotated[dict[str, Scalar], Field(max_length=64)] | None = None


def _past(given: Any) -> Any:
    return {"item": given} if isinstance(given, str) else given


class AskAnonymous(Ask):
    """What to recommend for the history in the request."""

    history: Annotated[
        list[Annotated[Past, BeforeValidator(_past, json_schema_input_type=Id | Past)]],
        Field(max_length=5000, description="oldest first; an event, or only its item"),
    ]


# -- responses --------------------------------------------------------------------------------------------------------


class ModelName(Response):
    """The model that answered."""

    name: str
    version: str


class Part(Response):
    """What one past event contributed to a score."""

    item: str
    title: str | None
    contribution: float
    said: str | None = Field(default=None, description="words of a comment on the event")


class Reason(Response):
    """What something else than an event adds to a score: an attribute, the context, another model."""

    name: str
    words: str
    contribution: float


class Why(Response):
    """Reasons. ``exact``: score = base + Σ contributions. ``leave-one-out``: score minus that without the event."""

    method: Literal["exact", "leave-one-out"]
    base: float
    parts: list[Part]
    reasons: list[Reason] = Field(default_factory=list, description="of models that look at more than events")


class RecommendedItem(Response):
    """One recommended item."""

    item: str
    title: str | None
    score: float
    why: Why | None = None


class SegmentName(Response):
    """A segment of people: those who share the value of an attribute."""

    attribute: str
    value: Scalar
    people: int


class Recommended(Response):
    """A recommendation list, best first."""

    user: str | None
    session: str | None = None
    recommendation: str | None = Field(default=None, description="the id of the list, which events may carry back")
    items: list[RecommendedItem]
    fallback: bool = Field(description="the model knows nothing about this history: popular items")
    unknown: list[str] = Field(description="items of the history that the model does not know")
    model: ModelName
    degraded: str | None = Field(description="why the answer is incomplete or of lower quality; null if it is not")
    removed: dict[str, int] = Field(description="number of items that each filter removed")
    next: str | None = Field(description="the token of the next page; null at the end")
    segment: SegmentName | None = Field(default=None, description="the segment whose popular items these are")
    strange: list[str] = Field(
        default_factory=list, description="what the context states and the model never saw, name=value: it is missing"
    )
