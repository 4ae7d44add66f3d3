"""Query parameters validated as one model: faster than one by one, for routes with a thousand requests a second."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

Asked = TypeVar("Asked", bound=BaseModel)


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """The parameters of a model for the OpenAPI document: the ``openapi_extra`` of a route."""
    schema = model.model_json_schema()
    required = schema.get("required", ())
    found = []
    for name, one in schema["properties"].items():
        about = {"description": one.pop("description")} if "description" in one else {}
        found.append({"name": name, "in": "query", "required": name in required, "schema": one, **about})
    return {"parameters": found}


def asked(request: Request, model: type[Asked]) -> Asked:
    """The query parameters of a request: the last value of a repeated parameter, all values of a list.

    Raises ``RequestValidationError``, as FastAPI does for parameters of its own.
    """
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in model.model_fields:
            if model.model_fields[name].default_factory is list:
                given.setdefault(name, []).append(value)
            else:
                given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as wrong:
        errors = [{**error, "loc": ("query", *error["loc"])} for error in wrong.errors()]
        raise RequestValidationError(errors) from None
