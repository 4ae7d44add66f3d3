"""Templates, the headers of every page, and refusals as pages."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

import penchant
from penchant.errors import InputError
from penchant.serve.common.person_link import PAGE as OWN
from penchant.serve.common.problems import Problem, from_validation
from penchant.serve.pages.sessions import COOKIE, LONGEST, ROOT, SignInNeeded, Visitor, visitor_of
from penchant.store.database import StoreError

HERE = Path(__file__).parent
ASSETS = {path.name: path.read_bytes() for path in sorted((HERE / "assets").iterdir()) if path.suffix != ".txt"}
VERSION = hashlib.sha256(b"\0".join(ASSETS.values())).hexdigest()[:10]  # for cacheable addresses
LONG = 300  # characters of a title that a page shows
THEME = "penchant_theme"  # the cookie
THEMES = ("auto", "light", "dark")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would send no origin with our forms
    "Cache-Control": "no-store",
}
HTMX = {
    "includeIndicatorStyles": False,  # they would be inline
    "allowEval": False,
    "allowScriptTags": False,
    "selfRequestsOnly": True,
    "historyCacheSize": 0,  # browsers keep no copy of a page
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "[45]..", "swap": True, "target": "#trouble", "swapOverride": "innerHTML", "error": True},
    ],
}
log = logging.getLogger("penchant.serve")


def short(text: object, most: int = LONG) -> str:
    """At most ``most`` characters of a text."""
    full = str(text)
    return full if len(full) <= most else full[: most - 1] + "…"


def moment(seconds: float) -> str:
    """Unix seconds as a date and time in UTC."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def ago(seconds: float) -> str:
    """How long ago something was, in words."""
    passed = max(0.0, time.time() - seconds)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if passed >= length:
            return moment(seconds) if passed >= 30 * 86_400 else f"{passed / length:.0f} {unit} ago"
    return f"{passed:.0f} s ago"


def size(count: float) -> str:
    """A number of bytes in words."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    raise AssertionError


def figure(value: float | None, digits: int = 0, none: str = "–") -> str:
    """A number in words; a dash for None."""
    return none if value is None else f"{value:,.{digits}f}"


def query(**fields: str) -> str:
    """A query string; slashes are encoded too."""
    return urlencode(fields, quote_via=quote, safe="")


ENVIRONMENT = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {"short": short, "moment": moment, "ago": ago, "size": size, "figure": figure}
ENVIRONMENT.globals |= {"query": query, "assets": f"{ROOT}assets/", "v": VERSION, "htmx": json.dumps(HTMX)}
ENVIRONMENT.globals["parts"] = ENVIRONMENT.get_template("parts.html").module  # macros for every template


def page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> Response:
    """A page, or a part of one for htmx."""
    visitor = visitor_of(request)
    theme = request.cookies.get(THEME, "auto")
    active = visitor.service.models.active
    common = {
        "visitor": visitor,
        "theme": theme if theme in THEMES else "auto",
        "here": request.url.path,
        "address": _address(request),
        "release": penchant.__version__,
        "active": {"name": active.name, "model": type(active.recommender.model).name, "version": active.version},
    }
    text = ENVIRONMENT.get_template(template).render({**common, **values})
    return with_cookie(request, Response(text, status, HEADERS, "text/html; charset=utf-8"), visitor)


def _address(request: Request) -> str:
    """The path and query to return to."""
    asked = request.url.query if request.method == "GET" else ""
    return request.url.path + (f"?{asked}" if asked else "")


def away(request: Request, to: str) -> Response:
    """Redirect to another page."""
    return with_cookie(request, Response(status_code=303, headers={**HEADERS, "Location": to}), visitor_of(request))


def with_cookie(request: Request, response: Response, visitor: Visitor) -> Response:
    """Add the session cookie: hidden from scripts, same-site only, and secure if the request came over TLS."""
    if not (visitor.fresh or visitor.renewed):
        return response
    response.set_cookie(
        COOKIE,
        visitor.session.cookie(visitor.service.store.secret),
        max_age=LONGEST,
        path=ROOT,
        secure=over_tls(request),
        httponly=True,
        samesite="strict",
    )
    return response


def over_tls(request: Request) -> bool:
    """Whether the browser uses TLS, to the service or to a proxy."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"


def by_htmx(request: Request) -> bool:
    """Whether htmx asks for a part of the page."""
    return request.headers.get("hx-request") == "true"


# -- refusals ---------------------------------------------------------------------------------------------------------

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route whose refusals are pages, and which redirects to the sign-in where needed."""

    def get_route_handler(self) -> Handler:
        """The handler, with refusals turned into pages."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInNeeded:
                return _to_sign_in(request)
            except (Problem, HTTPException, RequestValidationError, StoreError, InputError) as wrong:
                return _refusal(request, _problem(wrong))

        return handled


def _problem(wrong: Exception) -> Problem:
    match wrong:
        case Problem():
            return wrong
        case HTTPException():
            return Problem(wrong.status_code, str(wrong.detail))
        case RequestValidationError():
            return from_validation(wrong.errors())
        case StoreError():
            return Problem(503, str(wrong), kind="store")
    return Problem(422, str(wrong), kind="invalid")


def _refusal(request: Request, problem: Problem) -> Response:
    template = "trouble.html" if by_htmx(request) else "refused.html"
    phrase = HTTPStatus(problem.status_code).phrase
    own = request.url.path.startswith(OWN)
    about = {"title": phrase, "detail": problem.detail, "frame": "mine_base.html" if own else "base.html"}
    response = page(request, template, status=problem.status_code, **about)
    response.headers.update(problem.headers or {})
    return response


def _to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in, and from there back to the requested page."""
    asked = urlsplit(request.headers.get("hx-current-url", "")) if by_htmx(request) else request.url
    wanted = asked.path + (f"?{asked.query}" if asked.query else "")
    to = f"{ROOT}sign-in" + (f"?{query(next=wanted)}" if by_htmx(request) or request.method == "GET" else "")
    if not by_htmx(request):
        return away(request, to)
    refused = Response(status_code=401, headers={**HEADERS, "HX-Redirect": to})  # leave the whole page
    return with_cookie(request, refused, visitor_of(request))
