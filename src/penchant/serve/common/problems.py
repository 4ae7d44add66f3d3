"""Refusals: RFC 9457 problem documents that name the fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
RESTART_SECONDS = 2  # what Retry-After says when the service stops
SHOWN = 80  # characters of an invalid value that a message repeats


class Problem(HTTPException):  # the term of RFC 9457
    """A refusal: HTTP status, detail, invalid fields, and extra headers.

    ``kind`` is the last part of the problem's type, ``urn:penchant:problem:KIND``, for programs.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        field: str | None = None,
        kind: str | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.kind = kind or HTTPStatus(status).phrase.lower().replace(" ", "-")
        self.errors = list(errors or ([{"field": field, "detail": detail}] if field else []))

    def to_json(self) -> dict[str, Any]:
        """The problem document."""
        document: dict[str, Any] = {
            "type": f"urn:penchant:problem:{self.kind}",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = self.errors
        return document

    def response(self) -> Response:
        """The HTTP response."""
        return Response(to_json(self.to_json()), self.status_code, self.headers, MEDIA_TYPE)


def invalid(field: str, detail: str) -> Problem:
    """422 for a field of the request."""
    return Problem(422, f"{field}: {detail}", kind="invalid", errors=[{"field": field, "detail": detail}])


def not_found(field: str, detail: str) -> Problem:
    """404 for what a field of the request names."""
    return Problem(404, detail, field=field)


def stopping() -> Problem:
    """503 for what is not answered any more because the service ends; another process may answer it."""
    return Problem(503, "the service is stopping", kind="stopping", headers={"Retry-After": str(RESTART_SECONDS)})


def place(location: Sequence[Any]) -> str:
    """A field as a dotted path, without the part of the request (body, query, …)."""
    parts = [str(part) for part in location]
    if len(parts) > 1 and parts[0] in {"body", "query", "path", "header"}:
        parts = parts[1:]
    return ".".join(parts)


def message_of(error: Mapping[str, Any]) -> str:
    """The message of a pydantic error."""
    return str(error["msg"]).removeprefix("Value error, ")[:300]


def from_validation(errors: Sequence[Any]) -> Problem:
    """422 with every field that pydantic found invalid."""
    found = [{"field": place(error["loc"]), "detail": message_of(error)} for error in errors[:100]]
    first = found[0] if found else {"field": "body", "detail": "cannot be read"}
    return Problem(422, f"{first['field']}: {first['detail']}", kind="invalid", errors=found)


def shown(value: object) -> str:
    """An invalid value as a message may repeat it: short and escaped."""
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
