"""Responses ready to send.

Routes declare ``response_model`` for the OpenAPI document and return their document as it is: checking every response
against its model again would cost more than making it. The tests do so instead.
"""

from __future__ import annotations

from fastapi import Response
from pydantic_core import to_json


def ready(document: object) -> Response:
    """A document as JSON; bytes are JSON already."""
    content = document if isinstance(document, bytes) else to_json(document)
    return Response(content, media_type="application/json")
