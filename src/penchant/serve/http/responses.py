"""Responses ready to send.

Routes declare ``response_model`` for the OpenAPI document and return their document as it is: checking every response
against its model again would cost more than making it. The tests do so instead.
"""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic_core import to_json


def ready(document: object) -> Response:
    """A document as JSON; bytes are JSON already."""
    content = document if isinstance(document, bytes) else to_json(document)
    return Response(content, media_type="application/json")


class Csv(Response):
    """A table in a file."""

    media_type = "text/csv"  # Starlette adds the character set

    def __init__(self, content: Any = None, status_code: int = 200) -> None:
        super().__init__(content, status_code, {"Content-Disposition": 'attachment; filename="export.csv"'})
