"""Placements: lists by their rules, why an item is not in one, and what is declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool

from penchant.serve.common.values import Scalar
from penchant.serve.http.schemas.answers import CONTEXT, EXPOSE, Recommended, RecommendedItem
from penchant.serve.http.schemas.fields import Id, Request, Response

# -- requests ---------------------------------------------------------------------------------------------------------


class AskPlaced(Request):
    """A list by a placement, for a person."""

    why: StrictBool = False
    expose: StrictBool = Field(default=True, description=EXPOSE)
    context: Annotated[dict[str, Scalar], Field(max_length=64)] | None = Field(default=None, description=CONTEXT)


class Basket(Request):
    """The items of a basket."""

    items: Annotated[list[Id], Field(min_length=1, max_length=500)]


class SetPlacement(Request):
    """A placement, with the keys of its table in a file."""

    placement: dict[str, Any]


# -- responses --------------------------------------------------------------------------------------------------------


class PlacedItem(RecommendedItem):
    """One item, and the rules that moved it."""

    rules: list[str]


class PlacedList(Recommended):
    """A list by a placement, best first."""

    items: list[PlacedItem]  # type: ignore[assignment]  # the same, with rules
    placement: str
    loosened: list[str] = Field(description="what could not be kept, and which rule to loosen")
    chances: list[float] | None = Field(
        description="of each item at its position, given those before it, where there is exploration"
    )


class WhyNot(Response):
    """Why an item is not in a list."""

    rank: int | None = Field(description="among all items by the model; null where it knows nothing of the person")
    removed_by: str | None = Field(description="the rule, or rank; null: it is in the list")
    would_need: str


class DeclaredPlacement(Response):
    """A placement as it was declared."""

    name: str
    origin: Literal["file", "http"]
    version: int | None = Field(description="of those set over HTTP")
    set: int | None = Field(description="unix seconds")
    counts: bool = Field(description="false: what was set over HTTP counts instead")
    placement: dict[str, Any]


class PlacementList(Response):
    """All placements."""

    placements: list[DeclaredPlacement]


class PlacementSet(Response):
    """A placement that was set or removed."""

    name: str
    version: int


class Previewed(Response):
    """The list of a placement that is not set, beside that of today; null where there is none."""

    new: PlacedList
    today: PlacedList | None
