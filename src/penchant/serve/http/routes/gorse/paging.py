"""What the listings of Gorse's API share: sizes, and cursors that say where the next page begins."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import Query
from pydantic_core import from_json, to_json

from penchant.serve.answers.ranking import MOST
from penchant.serve.common.problems import invalid
from penchant.serve.service import Service

N = Annotated[int, Query(ge=1, le=MOST, description="number of rows")]
Cursor = Annotated[str, Query(max_length=2048, description="where the page before ended")]


def cursor_of(*place: Any) -> str:
    """The cursor for what follows a place."""
    return base64.urlsafe_b64encode(to_json(place)).decode()


def place_of(cursor: str, kinds: tuple[type, ...]) -> list[Any]:
    """The place of a cursor. Raises ``Problem`` 422."""
    try:
        place = from_json(base64.urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error):
        place = None
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise invalid("cursor", "is not one of a page before")
    if any(isinstance(part, int) and not -1 <= part < 2**63 for part in place) or "\0" in str(place[0]):
        raise invalid("cursor", "is not one of a page before")
    return place


def bounded(service: Service, count: int) -> None:
    """Raises ``Problem`` 422 for a body with too many rows, or none."""
    if not 1 <= count <= service.settings.max_batch:
        raise invalid("body", f"a request has 1 to {service.settings.max_batch:,} rows, not {count:,}")
