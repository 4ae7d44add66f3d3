"""Models, health and problem documents."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from penchant.serve.http.schemas.fields import Response


class StaleModel(Response):
    """Why a model has to be replaced: it may hold people who were erased."""

    since: int = Field(description="the first of these erasures, unix seconds")
    due: int = Field(description="from then on it is not activated, unix seconds")
    people: int
    overdue: bool


class ModelEntry(Response):
    """A folder with a saved recommender."""

    name: str
    version: str | None
    model: str | None
    created: str | None
    broken: str | None = Field(description="why it cannot be served; null if it can")
    active: bool
    loaded: bool
    params: Any = None
    fitted_on: Any = None
    evaluation: Any = None
    stale: StaleModel | None = Field(description="null if it holds nobody who was erased")


class ModelList(Response):
    """Every model that can be served, newest first."""

    models: list[ModelEntry]


class Activated(Response):
    """The model that is active now."""

    active: str
    model: str
    version: str


class Alive(Response):
    """The process answers."""

    status: Literal["alive"]


class Ready(Response):
    """A model is loaded and warm, and the store can be read."""

    status: Literal["ready"]
    model: str
    version: str


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    detail: str


class ProblemDocument(BaseModel):
    """A refusal, as in RFC 9457."""

    type: str = Field(examples=["urn:penchant:problem:invalid"])
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
