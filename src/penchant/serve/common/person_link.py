"""A signed link of one person to their own data: who it is, when it was made, and until when it is valid."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from penchant.serve.common.problems import Problem
from penchant.serve.common.signing import sign, unsign
from penchant.store.ledger import MS, Ledger

PURPOSE = "person"  # separates these from other signed texts
MINUTES, MOST_MINUTES = 60, 7 * 24 * 60  # how long a link is valid: by default, and at most
PAGE = "/ui/mine"
ASK = "ask for a new one where you got it"


@dataclass(frozen=True)
class PersonLink:
    """Who may see and change what is stored about ``person``, named as the store knows them (with pseudonyms: by one).

    ``made`` is in unix milliseconds, ``until`` in unix seconds.
    """

    person: str
    made: int
    until: int

    @classmethod
    def new(cls, person: str, minutes: int) -> PersonLink:
        """A link that is valid from now on."""
        now = time.time()
        return cls(person, int(now * MS), int(now) + 60 * minutes)

    def token(self, secret: bytes) -> str:
        """The link as a signed text, of at most 1,100 characters."""
        person = urlsafe_b64encode(self.person.encode()).decode()  # JSON would take six characters for some
        return sign(secret, PURPOSE, {"p": person, "m": self.made, "u": self.until})

    @classmethod
    def of(cls, text: str, secret: bytes) -> PersonLink:
        """The link of a text; raises ``Problem`` 401 for one that we did not sign, 410 for one that has expired."""
        document = unsign(secret, PURPOSE, text)
        if document is None:
            raise unknown("this link is not valid: it is incomplete or was changed")
        link = cls(urlsafe_b64decode(document["p"]).decode(), document["m"], document["u"])
        if link.until < time.time():
            raise Problem(410, f"this link has expired: {ASK}", kind="link-expired")
        return link

    def check(self, ledger: Ledger, prefix: str | None) -> None:
        """Raises ``Problem`` 410 for a link from before the person was erased, or before the key of pseudonyms was
        replaced (``prefix`` is that of the current one)."""
        if prefix is not None and not self.person[2:].startswith(prefix):
            raise Problem(410, f"this link is from before a change of keys: {ASK}", kind="link-expired")
        if (limit := ledger.found(self.person)) is not None and limit.ours >= self.made:
            raise Problem(410, "everything about you was erased after this link was made", kind="erased")


def unknown(detail: str) -> Problem:
    """The refusal of somebody without a valid link."""
    return Problem(401, f"{detail}; {ASK}", kind="link", headers={"WWW-Authenticate": "Bearer"})
