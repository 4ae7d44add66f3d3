"""The page Live: load, response times, and the newest events."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from penchant.serve.pages.charts import area, line, nice
from penchant.serve.pages.html import PageRoute, page
from penchant.serve.pages.html import query as address
from penchant.serve.pages.live_metrics import SECONDS, WINDOW, LiveMetrics, Sample, counted
from penchant.serve.pages.sessions import SIGNED_IN, visitor_of
from penchant.serve.pages.tryit import describe
from penchant.store.people import subject
from penchant.store.recent import recent

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SHOWN = 12  # recent events


@router.get("/ui/live", dependencies=[SIGNED_IN])
async def live(request: Request) -> Response:
    """The page."""
    return page(request, "live.html", **await _figures(request))


@router.get("/ui/live/now", dependencies=[SIGNED_IN])
async def now(request: Request) -> Response:
    """The part that is refreshed."""
    return page(request, "live_now.html", **await _figures(request))


async def _figures(request: Request) -> dict[str, Any]:
    service = visitor_of(request).service
    live_metrics: LiveMetrics = request.app.state.live_metrics
    samples = list(live_metrics.samples)
    clock = await service.read(service.measure)
    metrics, active = service.metrics, service.models.active
    newest = [
        {
            **event._asdict(),
            **describe(active, event.item),
            "name": event.person[2:],
            "to": address(**subject(event.person)),
            "against": active.recommender.recipe.is_dislike(event.kind),
        }
        for event in await service.read(recent, service.store.database, SHOWN)
    ]
    return {
        "events": _chart([sample.events for sample in samples]),
        "answers": _chart([sample.answers for sample in samples]),
        "fallback": _share(samples),
        "times": _times(samples),
        "happened": newest,
        "store": metrics.store_bytes._value.get(),  # noqa: SLF001  # the library has no public way to read a gauge
        "waiting": service.store.writer.waiting,
        "accepted": counted(metrics.events, "outcome").get("accepted", 0.0),
        "dropped": clock.dropped_old + clock.dropped_many,
        "items": len(active.catalogue),
        "total": sum(counted(metrics.answers, "kind").values()),
        "seconds": SECONDS,
    }


def _mean(values: list[float]) -> float:
    return sum(values[-WINDOW:]) / max(1, len(values[-WINDOW:]))


def _chart(values: list[float]) -> dict[str, Any]:
    top = nice(max(values, default=0.0))
    return {"now": _mean(values), "top": top, "line": line(values, top), "area": area(values, top)}


def _share(samples: list[Sample]) -> dict[str, Any]:
    """The share of fallback answers, each over the last seconds."""
    shares: list[float | None] = []
    for n in range(len(samples)):
        window = samples[max(0, n - WINDOW + 1) : n + 1]
        answers = sum(sample.answers for sample in window)
        shares.append(sum(sample.fallback for sample in window) / answers if answers > 0 else None)
    return {"now": shares[-1] if shares else None, "line": line(shares, 1.0)}


def _times(samples: list[Sample]) -> dict[str, Any]:
    lines = {name: [getattr(sample, name) for sample in samples] for name in ("p50", "p95", "p99")}
    top = nice(max((value for values in lines.values() for value in values if value is not None), default=0.0))
    times: dict[str, Any] = {"top": top}
    for name, values in lines.items():
        times[name] = {"now": values[-1] if values else None, "line": line(values, top)}
    return times
