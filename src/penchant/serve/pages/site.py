"""Shared routes of the pages: front page, assets, appearance, sign-in and sign-out."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from penchant.serve.common.problems import Problem
from penchant.serve.pages import live, mine, models, person, results, tryit
from penchant.serve.pages.html import ASSETS, HEADERS, THEME, THEMES, VERSION, PageRoute, away, over_tls, page
from penchant.serve.pages.sessions import ANYONE, OWN_FORM, ROOT, Form, from_here, own_form, read_form, visitor_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)
YEAR = 31_536_000
FRONT = "/ui/try"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
OURS = re.compile(r"/ui/[a-z/-]*(\?[\w=%.~&*+-]*)?", re.ASCII)  # a form may lead to our own pages only


@router.get("/")
@router.get("/ui")
@router.get("/ui/")
async def front() -> Response:
    """Redirect to the first page. The session cookie is not sent to this path, so none is made here."""
    return Response(status_code=303, headers={**HEADERS, "Location": FRONT})


@router.get("/ui/assets/{name}")
async def asset(request: Request, name: Annotated[str, Path(max_length=40)]) -> Response:
    """Styles, scripts and the icon, open to everyone."""
    found = ASSETS.get(name)
    if found is None:
        raise Problem(404, "there is no such file")
    kept = "public, max-age=31536000, immutable" if request.query_params.get("v") == VERSION else "public, max-age=60"
    media = TYPES["." + name.rpartition(".")[2]]
    return Response(found, headers={**HEADERS, "Cache-Control": kept}, media_type=media)


@router.post("/ui/theme", dependencies=[ANYONE])
async def theme(request: Request) -> Response:
    """Set the appearance: light, dark, or that of the system; kept in a cookie."""
    from_here(request)
    form = await read_form(request)
    chosen = form.one("theme")
    response = away(request, onward(form))
    if chosen in THEMES:
        secure = over_tls(request)
        response.set_cookie(THEME, chosen, YEAR, path=ROOT, samesite="strict", secure=secure, httponly=True)
    return response


@router.get("/ui/sign-in", dependencies=[ANYONE])
async def ask(request: Request) -> Response:
    """Ask for a key."""
    wanted = Form(list(request.query_params.multi_items()))
    return page(request, "sign_in.html", wrong="", onward=onward(wanted))


@router.post("/ui/sign-in", dependencies=[ANYONE])
async def sign_in(request: Request) -> Response:
    """Check a key and start a new session. The message does not say what is wrong with a key."""
    visitor, service = visitor_of(request), visitor_of(request).service
    address = request.client.host if request.client else ""
    most = service.settings.sign_ins
    if (wait := service.buckets.take(f"sign-in {address}", most / 60, most)) > 0:
        raise Problem(429, "too many attempts: wait a moment", headers={"Retry-After": str(max(1, round(wait)))})
    form = await own_form(request)
    key = service.keys.check(form.one("key").strip()[:200])
    if key is None or not key.allows("admin"):
        wrong = "This is not a valid key with the scope admin."
        return page(request, "sign_in.html", status=401, wrong=wrong, onward=onward(form))
    visitor.sign_in(key)
    return away(request, onward(form))


@router.post("/ui/sign-out", dependencies=[ANYONE, OWN_FORM])
async def sign_out(request: Request) -> Response:
    """End the session in this browser."""
    visitor_of(request).sign_in(None)
    return away(request, f"{ROOT}sign-in")


def onward(form: Form) -> str:
    """The page that a form leads to."""
    wanted = form.one("next")
    return wanted if len(wanted) <= 4000 and OURS.fullmatch(wanted) else FRONT


for part in (tryit.router, person.router, mine.router, live.router, results.router, models.router):
    router.include_router(part)


@router.get("/ui/{rest:path}", dependencies=[ANYONE])
async def nothing(rest: str) -> Response:  # noqa: ARG001  # every other path
    """No such page."""
    raise Problem(404, "there is no such page")
