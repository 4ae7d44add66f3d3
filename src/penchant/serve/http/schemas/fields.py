"""The field types that several requests share: ids, times, values, names, filters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictStr,
    WithJsonSchema,
    WrapValidator,
)

from penchant.data.vocab import normalise_id
from penchant.errors import DataError
from penchant.serve.answers.ranking import MOST
from penchant.serve.catalogue.filters import Where, parse
from penchant.serve.common.values import named

ATTRIBUTES = 64  # of one item or person
LATEST = 253_402_300_800  # the year 10000, in unix seconds


class Request(BaseModel):
    """The base of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Response(BaseModel):
    """The base of response bodies: the document lists every field."""

    model_config = ConfigDict(extra="forbid")


def needs(*names: str, only_one: bool = False) -> Any:
    """For the OpenAPI document: at least, or exactly, one of these text fields is required, and not null."""
    forms: list[Any] = [{"required": [name], "properties": {name: {"type": "string"}}} for name in names]
    return {"oneOf" if only_one else "anyOf": forms}


def check_id(text: str) -> str:
    """An id in its stored form; raises ``ValueError`` for an invalid one."""
    if text.isascii() and text.isalnum() and len(text) <= 512:
        return text
    try:
        return normalise_id(text)
    except DataError as wrong:
        raise ValueError(str(wrong)) from None


def path_id(raw: str) -> str:
    """An id from a path, where it is percent-encoded so that it may contain a slash."""
    try:
        return check_id(unquote_to_bytes(raw).decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("an id is UTF-8, percent-encoded") from None


def seconds(value: Any) -> int:
    """Unix seconds of a time in a request: a number of seconds, or ISO-8601 (UTC if it names no zone)."""
    return int(_moment(value))


def milliseconds(value: Any) -> int:
    """As ``seconds``, in milliseconds."""
    return round(_moment(value) * 1000)


def _moment(value: Any) -> float:
    if isinstance(value, str) and len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("a time is unix seconds or ISO-8601, such as 2026-11-25T12:00:00Z") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a time is unix seconds or ISO-8601")  # noqa: TRY004  # pydantic reports only ValueError
    if not abs(value) < LATEST:
        raise ValueError("a time is in unix seconds, not in milliseconds")
    return value


_TIME: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]}
Id = Annotated[StrictStr, Field(min_length=1, max_length=600, examples=["42"]), AfterValidator(check_id)]
PathId = Annotated[str, Path(description="percent-encoded, a slash as %2F"), AfterValidator(path_id)]
Time = Annotated[int, PlainValidator(seconds), WithJsonSchema(_TIME)]
Moment = Annotated[int, PlainValidator(milliseconds), WithJsonSchema(_TIME)]  # in milliseconds
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e9, le=1e9)]  # models use single precision
Kind = Annotated[StrictStr, Field(min_length=1, max_length=64), AfterValidator(named)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=64), AfterValidator(named)]
K = Annotated[int, Query(ge=1, le=MOST, description="number of items")]
Filter = Annotated[Where | None, WrapValidator(lambda given, _: parse(given))]  # parse bounds it and names the place
WhereText = Annotated[str | None, Query(max_length=20_000, description="a filter as JSON; POST takes it as an object")]
