"""The page Results: what was shown, clicked and bought, by placement, model and day."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from penchant.serve.pages.charts import span
from penchant.serve.pages.html import PageRoute, page
from penchant.serve.pages.sessions import SIGNED_IN, visitor_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PERIODS = (1, 7, 28)
TITLES = (("placement", "By placement"), ("model", "By model"), ("day", "By day"))
MOST = 60  # rows of a table


@router.get("/ui/results", dependencies=[SIGNED_IN])
async def show(request: Request) -> Response:
    """The counts of the last day, week or four weeks."""
    asked = request.query_params.get("days", "")
    days = int(asked) if asked in map(str, PERIODS) else 7
    service = visitor_of(request).service
    found = await service.heavy(service.results.lately, days)
    names = {entry["version"]: entry["name"] for entry in await service.thread(service.models.describe)}
    top = _top(found)
    tables = []
    for name, title in TITLES:
        rows = found[f"{name}s"]
        rows = rows[::-1] if name == "day" else sorted(rows, key=lambda row: -row["shown"])
        chosen = [{**row, "name": _named(row[name], names), "span": _span(row, top)} for row in rows[:MOST]]
        tables.append({"key": name, "title": title, "rows": chosen, "more": len(rows) - len(chosen)})
    return page(request, "results.html", found=found, tables=tables, days=days, periods=PERIODS)


def _named(value: str, names: dict[str, str]) -> str:
    return f"{names[value]} · {value}" if value in names else value


def _top(found: dict[str, Any]) -> float:
    """One scale for all rates: from 0 to a little above the highest interval."""
    rates = [row["click_through"] for name, _ in TITLES for row in found[f"{name}s"]]
    return max([1.05 * rate["high"] for rate in rates if rate is not None], default=1.0)


def _span(row: dict[str, Any], top: float) -> dict[str, float] | None:
    rate = row["click_through"]
    return None if rate is None else span(rate["low"], rate["mean"], rate["high"], 0.0, top)
