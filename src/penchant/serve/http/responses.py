"""Responses ready to send.

Routes declare ``response_model`` for the OpenAPI document and return their document as it is: checking every response
against its model again would cost more than making it. The tests do so instead.
"""

from __future__ import annotations

from fastapi import Response
from pydantic_core import to_json


def ready(document: object) -> Response:
    """A document as JSON."""
    return Response(to_json(document), media_type="application/json")
