"""The page Models: what can be served, its evaluation, and which model is active."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from penchant.serve.common.problems import Problem
from penchant.serve.pages.charts import span
from penchant.serve.pages.html import PageRoute, away, page
from penchant.serve.pages.html import query as address
from penchant.serve.pages.sessions import OWN_FORM, SIGNED_IN, own_form, visitor_of
from penchant.serve.pages.trainings import history, stale, told

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SILENT: dict[str, Any] = {"params": {}, "fitted_on": {}, "evaluation": None}  # defaults for a broken folder
DONE = {"activated": "is active now", "back": "is active again", "beside": "is loaded: compare with it on Try it"}


@router.get("/ui/models", dependencies=[SIGNED_IN])
async def show(request: Request) -> Response:
    """Every model that can be served, newest first."""
    done = next(((DONE[key], value) for key, value in request.query_params.items() if key in DONE), None)
    return await _page(request, done=done)


async def _page(request: Request, *, status: int = 200, done: Any = None, trouble: str = "") -> Response:
    service = visitor_of(request).service
    entries = [{**SILENT, **entry} for entry in await service.thread(service.described)]
    for entry in entries:
        entry["evaluation"] = evaluation(entry)
    scales = _scales(entries)
    for entry in entries:
        for measure in (entry["evaluation"] or {}).get("measures", ()):
            measure["span"] = span(measure["low"], measure["mean"], measure["high"], *scales[_scale(entry, measure)])
    known = {entry["name"] for entry in entries}
    past = await service.thread(service.trainings.lately)
    created = next((entry["created"] for entry in entries if entry["active"]), None)
    return page(
        request,
        "models.html",
        status=status,
        models=entries,
        done=done if done and done[1] in known else None,
        trouble=trouble,
        several=len(entries) > 1,
        trainings=told(past),
        history=history(past),
        stale=stale(created, service.settings.stale_seconds),
    )


@router.post("/ui/models/activate", dependencies=[SIGNED_IN, OWN_FORM])
async def activate(request: Request) -> Response:
    """Activate a model."""
    name = (await own_form(request)).one("name")
    return await _do(request, "activated", visitor_of(request).service.activate(name))


@router.post("/ui/models/beside", dependencies=[SIGNED_IN, OWN_FORM])
async def beside(request: Request) -> Response:
    """Load a model for comparison."""
    name = (await own_form(request)).one("name")
    return await _do(request, "beside", visitor_of(request).service.load_beside(name))


@router.post("/ui/models/rollback", dependencies=[SIGNED_IN, OWN_FORM])
async def roll_back(request: Request) -> Response:
    """Activate the previous model."""
    return await _do(request, "back", visitor_of(request).service.roll_back())


async def _do(request: Request, what: str, work: Any) -> Response:
    try:
        ready = await work
    except Problem as wrong:
        return await _page(request, status=wrong.status_code, trouble=wrong.detail)
    return away(request, f"/ui/models?{address(**{what: ready.name})}")


# -- evaluations ------------------------------------------------------------------------------------------------------


def evaluation(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The evaluation of a model, from the document of ``penchant evaluate --json`` beside its folder; None if there is
    none, or if it is about other models."""
    document: Any = entry.get("evaluation")  # a file may contain anything
    try:
        found = [one for one in document["models"] if entry["model"] in {one["name"], one["label"]}]
        own = [one for one in found if all(entry["params"].get(key) == value for key, value in one["params"].items())]
        result, split = (own or found)[0], document["split"]
        measures = [
            {"name": str(name), **{part: float(values[part]) for part in ("mean", "low", "high")}}
            for name, values in result["metrics"].items()
            if values.get("mean") is not None and values.get("low") is not None and values.get("high") is not None
        ]
        plain = [
            {"name": str(name), "mean": float(values["mean"])}
            for name, values in result["metrics"].items()
            if values.get("mean") is not None and values.get("low") is None
        ]
        return {"split": str(split["name"]), "cases": int(split["cases"]), "measures": measures, "plain": plain}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None


def _scale(entry: Mapping[str, Any], measure: Mapping[str, Any]) -> tuple[str, int, str]:
    """The key of comparable measures: the same measure of the same split."""
    return entry["evaluation"]["split"], entry["evaluation"]["cases"], measure["name"]


def _scales(entries: list[dict[str, Any]]) -> dict[tuple[str, int, str], tuple[float, float]]:
    """One scale for all comparable models, from 0 to a little above the highest interval."""
    tops: dict[tuple[str, int, str], float] = {}
    for entry in entries:
        for measure in (entry["evaluation"] or {}).get("measures", ()):
            key = _scale(entry, measure)
            tops[key] = max(tops.get(key, 0.0), measure["high"])
    return {key: (0.0, 1.05 * top) for key, top in tops.items()}
