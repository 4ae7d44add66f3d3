"""Visitors of the pages: sessions in a signed cookie, and protection of forms against other sites."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request

from penchant.serve.common.problems import Problem, invalid
from penchant.serve.common.signing import sign, unsign
from penchant.serve.http.middleware import Caller
from penchant.serve.service import Service
from penchant.store.keys import Key

ROOT = "/ui/"  # the only path that gets the cookie: the API ignores cookies
COOKIE = "penchant_session"
IDLE, LONGEST = 3600, 12 * 3600  # seconds: without a request, and in total
RENEW = 300  # seconds after which the cookie is renewed
FIELDS = 3000  # of one form


class SignInNeeded(Exception):  # noqa: N818  # not an error: it leads to the sign-in
    """The page needs a sign-in with an admin key."""


@dataclass(frozen=True)
class Session:
    """The content of the cookie: key (none before the sign-in), start, last request, and a random number."""

    nonce: str
    begun: int
    seen: int
    key: str | None = None
    proof: str | None = None  # derived from the key's hash: rotating or revoking the key ends its sessions

    def cookie(self, secret: bytes) -> str:
        """The session as a signed text."""
        document = {"n": self.nonce, "b": self.begun, "s": self.seen, "k": self.key, "p": self.proof}
        return sign(secret, "session", document)

    @classmethod
    def of(cls, text: str, secret: bytes, now: int) -> Session | None:
        """The session of a cookie; None if it is invalid or expired."""
        document = unsign(secret, "session", text)
        if document is None or not {"n", "b", "s", "k", "p"} <= set(document):
            return None
        over = now - document["s"] > IDLE or now - document["b"] > LONGEST
        return None if over else cls(document["n"], document["b"], document["s"], document["k"], document["p"])


def new_session(now: int, key: Key | None = None) -> Session:
    """A new session with a new random number, which prevents session fixation."""
    nonce = secrets.token_hex(16)
    return Session(nonce, now, now) if key is None else Session(nonce, now, now, key.id, proof_of(key))


def proof_of(key: Key) -> str:
    """A value derived from the hash of a key; the hash itself never leaves the store."""
    return hmac.new(key.hash, b"session", "sha256").hexdigest()[:32]


@dataclass
class Visitor:
    """A visitor: their session, its key, and whether the service is open to this machine."""

    service: Service
    session: Session
    open: bool
    key: Key | None = None
    fresh: bool = False  # the browser does not have the cookie yet
    renewed: bool = False  # the cookie is to be sent again

    @property
    def may_all(self) -> bool:
        """Whether the visitor may use every page."""
        return self.open or (self.key is not None and self.key.allows("admin"))

    @property
    def may_try(self) -> bool:
        """Whether the visitor may use the page Try it."""
        return self.may_all or self.service.settings.demo

    @property
    def token(self) -> str:
        """The token of our forms, which other sites cannot know."""
        return sign(self.service.store.secret, "form", {"n": self.session.nonce})

    def owns(self, token: str) -> bool:
        """Whether a form was made for this session."""
        return not self.fresh and hmac.compare_digest(token.encode(), self.token.encode())

    def sign_in(self, key: Key | None) -> None:
        """Start a new session, with or without a key."""
        self.session, self.key, self.fresh = new_session(int(time.time()), key), key, True


def visitor_of(request: Request) -> Visitor:
    """The visitor behind a request, known by the cookie."""
    known = getattr(request.state, "visitor", None)
    if known is not None:
        return known  # type: ignore[no-any-return]  # state has no types
    service: Service = request.app.state.service
    now = int(time.time())
    caller: Caller = request.scope.get("penchant.caller") or Caller()
    session = Session.of(request.cookies.get(COOKIE, ""), service.store.secret, now)
    key = None
    if session is not None and session.key is not None:
        key = next((one for one in service.keys if one.id == session.key), None)
        if key is None or not hmac.compare_digest(proof_of(key), session.proof or ""):
            session, key = None, None
    found = Visitor(service, session or new_session(now), caller.open, key, fresh=session is None)
    if session is not None and now - session.seen > RENEW:
        found.session, found.renewed = replace(session, seen=now), True
    request.state.visitor = found
    return found


# -- access to pages --------------------------------------------------------------------------------------------------


async def anyone(request: Request) -> Visitor:
    """For pages that are open to everyone."""
    return visitor_of(request)


async def may_try(request: Request) -> Visitor:
    """For the page Try it; raises ``SignInNeeded``."""
    visitor = visitor_of(request)
    if not visitor.may_try:
        raise SignInNeeded
    return visitor


async def signed_in(request: Request) -> Visitor:
    """For all other pages; raises ``SignInNeeded``."""
    visitor = visitor_of(request)
    if not visitor.may_all:
        raise SignInNeeded
    return visitor


async def own_form(request: Request) -> Form:
    """The form of a request that changes something. Raises 403 unless a page of this session sent it."""
    from_here(request)
    form = await read_form(request)
    if not visitor_of(request).owns(form.one("token")):
        raise Problem(403, "this form has expired: go back, reload the page and send it again", kind="form")
    return form


ANYONE, TRY, SIGNED_IN, OWN_FORM = Depends(anyone), Depends(may_try), Depends(signed_in), Depends(own_form)


def from_here(request: Request) -> None:
    """Raises ``Problem`` 403 if the browser reports that another site sent the request."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if elsewhere or site not in {None, "same-origin", "none"}:
        raise Problem(403, "another site sent this form", field="Origin", kind="origin")


# -- forms ------------------------------------------------------------------------------------------------------------


class Form:
    """The fields of a form in order; names may repeat."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields

    def one(self, name: str, default: str = "") -> str:
        """The last field of a name: a pressed button comes after the other fields."""
        return next((value for key, value in reversed(self.fields) if key == name), default)

    def all(self, name: str) -> list[str]:
        """All fields of a name."""
        return [value for key, value in self.fields if key == name]


async def read_form(request: Request) -> Form:
    """The form in a body; raises ``Problem`` for an invalid one."""
    try:
        text = (await request.body()).decode()
        return Form(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS))
    except UnicodeDecodeError:
        raise Problem(400, "a form is UTF-8", field="body") from None
    except ValueError:
        raise invalid("body", f"a form has at most {FIELDS:,} fields") from None
