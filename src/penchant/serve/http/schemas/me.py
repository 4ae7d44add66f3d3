"""What a person sees and changes by a signed link."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from penchant.serve.common.person_link import MINUTES, MOST_MINUTES
from penchant.serve.common.values import Scalar
from penchant.serve.http.schemas.fields import Request, Response
from penchant.serve.http.schemas.people import Choices, KeptEvent, KeptWritten, Person, ShownList

Until = Annotated[int | None, Field(description="until when it is kept, in unix seconds; null: for ever")]


class MakeLink(Request):
    """For how long a link is valid."""

    minutes: Annotated[StrictInt, Field(ge=1, le=MOST_MINUTES)] = MINUTES


class PersonLinkMade(Person):
    """A link of a person to their own data. Whoever has it may see, change and erase what is stored about them."""

    path: str = Field(description="of the page; put the address of the service before it")
    token: str = Field(description="for the requests under /v1/me: Authorization: Bearer TOKEN")
    until: int = Field(description="unix seconds")


class OwnEvent(KeptEvent):
    """A stored event, and until when it is kept."""

    kept_until: Until


class OwnWritten(KeptWritten):
    """What was written without an item, and until when it is kept."""

    kept_until: Until


class OwnEvents(Response):
    """The newest events."""

    events: list[OwnEvent]
    next: int | None = Field(description="``before`` of the next page; null at the end")


class OwnList(ShownList):
    """A list that was shown, and until when this is kept."""

    kept_until: Until


class Counts(Response):
    """How much is stored."""

    events: int
    written: int = Field(description="texts without an item")
    shown_lists: int = Field(description="page by page")


class KeptFor(Response):
    """For how many seconds things are kept; null: for ever."""

    kinds: dict[str, int | None] = Field(description="events of these kinds")
    others: int | None = Field(description="all other events")
    shown_lists: int | None


class Known(Response):
    """What is stored about a person, and for how long."""

    identities: list[Person] = Field(description="the names under which the store knows the person")
    attributes: dict[str, Scalar]
    choices: Choices
    counts: Counts
    keep: KeptFor
    link_until: int = Field(description="when the link expires, in unix seconds")


class SeqOf(Response):
    """The event that was corrected or removed."""

    seq: int


class Export(Person):
    """Everything that is stored about a person, events in the order of acceptance."""

    identities: list[Person] = Field(description="the names under which the store knows the person")
    attributes: dict[str, Scalar]
    events: list[OwnEvent]
    written: list[OwnWritten] = Field(description="what was written without an item")
    exposures: list[OwnList] = Field(description="the lists that were shown, oldest first")
    choices: Choices
    clock_ahead: float = Field(description="seconds by which the clock of the person's events was ahead, at most")
    exported_at: int = Field(description="unix seconds")
