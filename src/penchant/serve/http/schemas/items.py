"""Items: changes to the catalogue, descriptions, and the lists that are the same for everybody."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictStr

from penchant.serve.common.values import Attribute, plain
from penchant.serve.http.schemas.answers import Recommended
from penchant.serve.http.schemas.fields import ATTRIBUTES, Id, Name, Request, Response, Time

# -- requests ---------------------------------------------------------------------------------------------------------


class Item(Request):
    """The fields of an item that can be set; ``null`` removes a value."""

    title: Annotated[StrictStr, Field(max_length=1000), AfterValidator(plain)] | None = None
    domain: Name | None = None
    available: StrictBool | None = None
    hidden: StrictBool | None = None
    expires: Time | None = Field(default=None, description="the item is not shown from this time on")
    attributes: Annotated[dict[Name, Attribute], Field(default_factory=dict, max_length=ATTRIBUTES)]


class NamedItem(Item):
    """An item of a batch."""

    item: Id


class ItemBatch(Request):
    """Items to put, patch and delete, in this order, all or none."""

    put: list[NamedItem] = Field(default_factory=list)
    patch: list[NamedItem] = Field(default_factory=list)
    delete: list[Id] = Field(default_factory=list)


# -- responses --------------------------------------------------------------------------------------------------------


class ItemDescription(Response):
    """Everything that is known about an item."""

    item: str
    title: str | None
    domain: str | None
    available: bool
    hidden: bool
    expires: int | None = Field(description="unix seconds")
    expired: bool
    attributes: dict[str, Attribute]
    known_to_model: bool


class ItemsFound(Response):
    """The items that a search found, best first."""

    items: list[ItemDescription]


class ItemsChanged(Response):
    """The number of items that a batch changed."""

    put: int
    patched: int
    deleted: int


class ItemDeleted(Response):
    """The item that was deleted."""

    item: str
    deleted: Literal[True]


class ItemList(Recommended):
    """A list that is the same for everybody, best first."""


class SimilarItems(ItemList):
    """The items most similar to one."""

    item: str
    method: Literal["model", "content"]


class PopularItems(ItemList):
    """The most popular items."""

    days: float | None = Field(description="the period that was counted; null: the training data")


class LatestItems(ItemList):
    """The newest items; ``score`` is their time in unix seconds."""

    by: str | None = Field(description="the attribute with the dates; null: when items were added")


class TrendingItems(ItemList):
    """The items whose number of people rose most."""

    days: float = Field(description="the period that was compared with the one before it")
