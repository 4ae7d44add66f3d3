"""Filters: a small grammar over the attributes of items.

::

    where     = {"all": [where, ...]} | {"any": [where, ...]} | {"none": [where, ...]} | condition
    condition = {"attribute": NAME, "in": [value, ...]}            one of the item's values is in the list
              | {"attribute": NAME, "from": number, "to": number}  either bound may be left out; both are inclusive
              | {"attribute": NAME, "exists": true | false}
              | {"domain": [NAME, ...]}
              | {"available": true | false}                        replaces the rule that hides unavailable items
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from penchant.data.conditions import CONDITIONS, DEPTH, VALUES
from penchant.serve.common.problems import from_validation, invalid
from penchant.serve.common.values import Scalar, plain

Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(plain)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_STRICT = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)


class AllOf(BaseModel):
    """All of these hold."""

    model_config = _STRICT
    all: list[Where] = Field(min_length=1, max_length=CONDITIONS)


class AnyOf(BaseModel):
    """At least one of these holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="AnyOf")
    any: list[Where] = Field(min_length=1, max_length=CONDITIONS)


class NoneOf(BaseModel):
    """None of these holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="NoneOf")
    none: list[Where] = Field(min_length=1, max_length=CONDITIONS)


class OneOf(BaseModel):
    """The attribute has one of these values."""

    model_config = _STRICT
    attribute: Name
    values: list[Scalar] = Field(alias="in", min_length=1, max_length=VALUES)


class Between(BaseModel):
    """The attribute is a number in a range, bounds included."""

    model_config = _STRICT
    attribute: Name
    low: Number | None = Field(default=None, alias="from")
    high: Number | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _bounded(self) -> Between:
        if self.low is None and self.high is None:
            raise ValueError("a range needs 'from', 'to' or both")
        return self


class Exists(BaseModel):
    """The attribute has a value, or has none."""

    model_config = _STRICT
    attribute: Name
    exists: bool = Field(strict=True)


class Domain(BaseModel):
    """The item belongs to one of these domains."""

    model_config = _STRICT
    domain: list[Name] = Field(min_length=1, max_length=VALUES)


class Available(BaseModel):
    """The item is available, or is not."""

    model_config = _STRICT
    available: bool = Field(strict=True)


Where = AllOf | AnyOf | NoneOf | OneOf | Between | Exists | Domain | Available
for _model in (AllOf, AnyOf, NoneOf):
    _model.model_rebuild()
_BY_KEY: tuple[tuple[str, type[BaseModel]], ...] = (
    ("all", AllOf), ("any", AnyOf), ("none", NoneOf), ("in", OneOf), ("exists", Exists), ("domain", Domain),
    ("available", Available), ("attribute", Between),
)  # fmt: skip
_ADAPTERS = {model: TypeAdapter(model) for _, model in _BY_KEY}


def parse(given: Any, field: str = "where") -> Where | None:
    """The filter of a request, from JSON text (GET) or an object (POST); None if there is none.

    Raises ``Problem`` 422 that names the place in the filter.
    """
    if given is None:
        return None
    if isinstance(given, (str, bytes)):
        try:
            given = from_json(given, allow_inf_nan=False)
        except ValueError as wrong:
            raise invalid(field, f"is not JSON: {str(wrong)[:100]}") from None
    _measure(given, field)
    return _read(given, field)


def _measure(given: Any, field: str) -> None:
    """Check depth and size before anything is built."""
    count, waiting = 0, [(given, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEPTH:
            raise invalid(field, f"is nested deeper than {DEPTH} levels")
        count += 1
        if count > CONDITIONS:
            raise invalid(field, f"has more than {CONDITIONS} conditions")
        if isinstance(node, dict):
            for key in ("all", "any", "none"):
                inner = node.get(key)
                waiting += [(part, depth + 1) for part in inner] if isinstance(inner, list) else []


def _read(given: Any, field: str) -> Where:
    """Read the form that its key names, so that an error describes that form and not all eight."""
    if not isinstance(given, dict):
        raise invalid(field, 'is not a JSON object like {"attribute": "genre", "in": ["drama"]}')
    found = next((model for key, model in _BY_KEY if key in given), None)
    if found is None:
        raise invalid(field, "needs one of all, any, none, attribute, domain and available")
    for key in ("all", "any", "none"):
        inner = given.get(key)
        if isinstance(inner, list) and set(given) == {key} and inner:
            read = [_read(part, f"{field}.{key}.{n}") for n, part in enumerate(inner)]
            return cast("Where", found.model_construct(None, **{key: read}))
    try:
        return cast("Where", _ADAPTERS[found].validate_python(given))
    except ValidationError as wrong:
        errors = [{"loc": (*field.split("."), *error["loc"]), "msg": error["msg"]} for error in wrong.errors()]
        raise from_validation(errors) from None


def walk(where: Where | None) -> Iterator[Where]:
    """All parts of a filter."""
    waiting = [where] if where is not None else []
    while waiting:
        node = waiting.pop()
        yield node
        for key in ("all", "any", "none"):
            waiting += getattr(node, key, [])


def text(where: Where | None) -> str:
    """The canonical text of a filter, for comparisons and as a cache key."""
    return "" if where is None else json.dumps(where.model_dump(by_alias=True), sort_keys=True)
