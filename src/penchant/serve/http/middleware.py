"""Middleware around every request: caller, limits, headers, metrics and logs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import ClientDisconnect

from penchant.serve.common.problems import Problem, invalid, stopping
from penchant.serve.common.settings import is_loopback
from penchant.serve.service import Service
from penchant.store.keys import SCOPES, Key

log = logging.getLogger("penchant.serve")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON_TYPES = (b"application/json", b"application/problem+json")
FORM_TYPES = (b"application/x-www-form-urlencoded",)
KEYLESS = ("/livez", "/readyz", "/beacon.js", "/ui/assets/")  # monitoring, and files that cost nothing
LINKED = ("/v1/me", "/v1/me/")  # for people with a signed link, which the routes check
HUNG_UP = 499  # the status in the metrics for a client that went before its request was complete
PAGES = "/ui/"  # its forms carry a token of their own
WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}
# A proxy on this machine connects from this machine on behalf of others.
FORWARDED = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
COMMON: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


@dataclass(frozen=True)
class Caller:
    """The caller: a key or nobody; ``open`` if the service has no keys and only this machine can reach it."""

    key: Key | None = None
    open: bool = False

    def allows(self, scope: str) -> bool:
        """Whether the caller has a scope."""
        return self.open or (self.key is not None and self.key.allows(scope))


class Middleware:
    """ASGI middleware around the application."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        raw = scope.get("raw_path")
        if raw:
            scope["path"] = raw.decode("latin-1")  # paths are matched encoded: %2F belongs to an id
        exchange = _Exchange(scope, receive, send, self.service.settings.max_body)
        try:
            problem = self._refuse(scope, headers, exchange)
            if problem is None:
                await self.app(scope, exchange.receive, exchange.send)
            else:
                await problem.response()(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = HUNG_UP
        except asyncio.CancelledError:
            if not self.service.stopping:
                raise
            if not exchange.started:
                await stopping().response()(scope, exchange.receive, exchange.send)
        except Exception:
            log.exception("a request failed", extra={"data": {"route": _route(scope), "method": scope["method"]}})
            if not exchange.started:
                failed = Problem(500, "the service failed; the error is in its log")
                await failed.response()(scope, exchange.receive, exchange.send)
        self._note(scope, exchange.status, time.perf_counter() - start)

    # -- refusing -------------------------------------------------------------------------------------------------

    def _refuse(self, scope: Scope, headers: dict[bytes, bytes], exchange: _Exchange) -> Problem | None:
        """The reason to refuse a request, None if there is none; stores the caller in the scope."""
        service, settings = self.service, self.service.settings
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin:
            allowed = set(settings.origins)
            if scope["path"] == "/v1/events":
                allowed |= service.keys.origins()
            if origin in allowed:
                exchange.extra += [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
            if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                return self._preflight(exchange, allowed=origin in allowed)
        local = settings.loopback and FORWARDED.isdisjoint(headers) and is_loopback(_hostname(_host(headers)))
        scope["penchant.local"] = local
        linked = scope["path"] == LINKED[0] or scope["path"].startswith(LINKED[1])
        open_to_all = (linked or scope["path"].startswith(KEYLESS)) and not service.keys.unused
        try:
            caller = Caller() if open_to_all else self._caller(headers, origin, _address(scope), local=local)
            scope["penchant.caller"] = caller
        except Problem as refused:
            return refused
        wait = self._wait(scope, caller)
        if wait > 0:
            retry = {"Retry-After": str(max(1, round(wait)))}
            return Problem(429, "too many requests for this key: wait as long as Retry-After says", headers=retry)
        if (unreadable := _refuse_query(scope.get("query_string", b""))) is not None:
            return unreadable
        if scope["method"] in WITH_BODY:
            taken = FORM_TYPES if scope["path"].startswith(PAGES) else JSON_TYPES
            return _refuse_body(headers, settings.max_body, taken)
        return None

    def _preflight(self, exchange: _Exchange, *, allowed: bool) -> Problem:
        if not allowed:
            return Problem(403, "pages of this origin may not use the service", kind="origin")
        exchange.status_instead = 204
        exchange.extra += [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", b"authorization, content-type, x-api-key"),
            (b"access-control-max-age", b"600"),
        ]
        return Problem(403, "")

    def _caller(self, headers: dict[bytes, bytes], origin: str, address: str, *, local: bool) -> Caller:
        service = self.service
        if service.keys.unused:
            if not service.settings.loopback:
                raise Problem(403, "the service has no key and does not listen on a loopback address", kind="no-keys")
            if not local:  # through a proxy, or by DNS rebinding
                raise Problem(403, "without keys, only this machine may use the service", field="Host", kind="host")
            if origin and not is_loopback(_hostname(origin.partition("://")[2])):
                raise Problem(403, "without keys, no other web site may use the service", field="Origin", kind="origin")
            return Caller(open=True)
        text = headers.get(b"authorization", b"").decode("latin-1")
        if text[:7].lower() == "bearer ":
            text = text[7:].strip()
        elif text:
            raise _unauthorised("Authorization must be: Bearer KEY")
        else:
            text = headers.get(b"x-api-key", b"").decode("latin-1").strip()
        if not text:
            return Caller()
        key = service.keys.check(text)
        if key is None:
            raise self._wrong_key(address)
        if key.origins and origin not in key.origins:
            raise Problem(403, "this key may be used only by pages of its origins", field="Origin", kind="origin")
        return Caller(key)

    def _wrong_key(self, address: str) -> Problem:
        """401, or 429 after too many from one address. A valid key is never refused for it."""
        most = self.service.settings.wrong_keys
        wait = self.service.buckets.take(f"wrong key {address}", most / 60, most)
        if wait > 0:
            retry = {"Retry-After": str(max(1, round(wait)))}
            return Problem(429, "too many wrong keys from this address", headers=retry)
        return _unauthorised("the key is invalid or was revoked")

    def _wait(self, scope: Scope, caller: Caller) -> float:
        key = caller.key
        rate = key.rate if key is not None and key.rate else self.service.settings.rate
        if not rate or scope["path"].startswith(KEYLESS):
            return 0.0
        return self.service.buckets.take(name_of(scope), rate)

    # -- recording ------------------------------------------------------------------------------------------------

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        service, route, method = self.service, _route(scope), scope["method"]
        if method not in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"}:
            method = "other"
        service.metrics.requests.labels(method, route, status).inc()
        service.metrics.seconds.labels(route).observe(seconds)
        if route.endswith("/recommendations"):
            service.metrics.lately.append(seconds)
        if service.settings.access_log or status >= 500:
            caller = scope.get("penchant.caller")
            key = caller.key.id if caller is not None and caller.key is not None else None
            data = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 2), "key": key}
            log.log(logging.ERROR if status >= 500 else logging.INFO, "request", extra={"data": data})


class _Exchange:
    """The two directions of a request: the body is bounded, the response gets headers and is recorded."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._left, self._most = receive, send, most, most
        self.status, self.started, self.status_instead = 500, False, 0
        self.extra: Headers = list(COMMON)
        if scope["path"].startswith(("/v1/", "/api/")):
            self.extra.append((b"cache-control", b"no-store"))

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise _too_large(self._most)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, self.status_instead or message["status"]
            own = message.get("headers", [])
            if self.status_instead:
                own = [(name, value) for name, value in own if name not in {b"content-type", b"content-length"}]
            own_names = {name.lower() for name, _ in own}
            extra = [(name, value) for name, value in self.extra if name not in own_names]
            message = {**message, "status": self.status, "headers": [*own, *extra]}
        elif self.status_instead:
            message = {**message, "body": b""}
        await self._send(message)


def _refuse_query(query: bytes) -> Problem | None:
    """Refuse a query that is not UTF-8."""
    if b"%" not in query and query.isascii():
        return None
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        try:
            unquote_to_bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            return invalid(name.decode("ascii", "replace")[:80], "is not UTF-8, percent-encoded")
    return None


def _refuse_body(headers: dict[bytes, bytes], most: int, taken: tuple[bytes, ...]) -> Problem | None:
    length = headers.get(b"content-length", b"0")
    if length == b"0" and b"transfer-encoding" not in headers:
        return None
    if length.isdigit() and int(length[:20]) > most:
        return _too_large(most)
    media = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if media not in taken:  # other web sites cannot send JSON without a preflight
        return Problem(415, f"the body must be {taken[0].decode()}", field="Content-Type")
    return None


def _too_large(most: int) -> Problem:
    return Problem(413, f"the body is larger than {most:,} bytes", field="body", kind="too-large")


def _unauthorised(detail: str) -> Problem:
    return Problem(401, detail, field="Authorization", headers={"WWW-Authenticate": "Bearer"})


def _address(scope: Scope) -> str:
    """The address of the caller; behind a trusted proxy the one that it names (see ``run``)."""
    return str((scope.get("client") or ("",))[0])


def name_of(scope: Scope) -> str:
    """Who sends a request, for limits: the id of the key, or the address where there is no key."""
    caller: Caller | None = scope.get("penchant.caller")
    return caller.key.id if caller is not None and caller.key is not None else _address(scope)


def _host(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"host", b"localhost").decode("latin-1")


def _hostname(host: str) -> str:
    """The host without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _route(scope: Scope) -> str:
    """The template of the route, never the path, which holds ids."""
    return str(getattr(scope.get("route"), "path", None) or "(none)")


def require_scope(scope: Scope, wanted: str) -> None:
    """Raises ``Problem`` unless the caller has a scope: 401 without a key, 403 with one."""
    caller: Caller = scope.get("penchant.caller") or Caller()
    if caller.allows(wanted):
        return
    assert wanted in SCOPES
    if caller.key is None:
        raise _unauthorised(f"this needs a key with the scope {wanted}: Authorization: Bearer KEY")
    raise Problem(403, f"this key does not have the scope {wanted}", kind="scope")
