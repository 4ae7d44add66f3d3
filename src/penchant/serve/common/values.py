"""Attribute values of the catalogue and filters: text, numbers, true and false."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

VALUES = 256  # values of one attribute
TEXT = 2000  # characters of one value
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def named(text: str) -> str:
    """A name, kept unchanged: without control characters."""
    if not text.isprintable() and _CONTROL.search(text):
        raise ValueError("it contains a control character")
    return text


def scalar(value: Any) -> Any:
    """Text, a number, true or false."""
    if isinstance(value, str):
        if len(value) > TEXT:
            raise ValueError(f"a text has at most {TEXT:,} characters")
        plain(value)
    elif isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63):
        pass
    elif not isinstance(value, float) or not math.isfinite(value):
        raise ValueError("a value is text, a number, true or false")
    return value


def plain(text: str) -> str:
    """Text that every database and page can hold: valid Unicode without NUL."""
    if "\0" in text:
        raise ValueError("text must not contain NUL")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("text must be valid Unicode") from None
    return text


def attribute(value: Any) -> Any:
    """A value of an item: text, a number, true or false, a list of these, or null."""
    if isinstance(value, list):
        if len(value) > VALUES:
            raise ValueError(f"an attribute has at most {VALUES} values")
        return [scalar(part) for part in value]
    return None if value is None else scalar(value)


_SCALAR: dict[str, Any] = {"anyOf": [{"type": "string", "maxLength": TEXT}, {"type": "number"}, {"type": "boolean"}]}
_LIST: dict[str, Any] = {"type": "array", "items": _SCALAR, "maxItems": VALUES}

Scalar = Annotated[Any, PlainValidator(scalar), WithJsonSchema(_SCALAR)]
Attribute = Annotated[
    Any, PlainValidator(attribute), WithJsonSchema({"anyOf": [*_SCALAR["anyOf"], _LIST, {"type": "null"}]})
]
