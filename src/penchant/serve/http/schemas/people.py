"""People: stored events, attributes, export, merge and erasure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictStr

from penchant.serve.common.problems import invalid
from penchant.serve.common.values import Scalar
from penchant.serve.http.schemas.fields import ATTRIBUTES, Finite, Id, Kind, Name, Request, Response, needs
from penchant.store.choices import LONGEST, MOST

Off = Annotated[StrictStr, Field(min_length=1, max_length=LONGEST)]

# -- requests ---------------------------------------------------------------------------------------------------------


class Attributes(Request):
    """Attributes of a person; they choose the segment for someone without events. ``null`` removes one."""

    attributes: Annotated[dict[Name, Scalar | None], Field(max_length=ATTRIBUTES)]


class Choose(Request):
    """What a person chooses; what is left out stays as it is."""

    paused: StrictBool | None = None
    private: StrictBool | None = None
    training: StrictBool | None = None
    off_kinds: Annotated[list[Name], Field(max_length=MOST)] | None = None
    off_items: (
        Annotated[list[Annotated[StrictStr, Field(min_length=1, max_length=LONGEST)]], Field(max_length=60)] | None
    ) = None

    def said(self) -> dict[str, Any]:
        """What was chosen."""
        return {name: tuple(one) if isinstance(one, list) else one for name, one in _given(self).items()}


class CorrectEvent(Request):
    """What is right of an event; what is left out stays as it is."""

    item: Id | None = None
    kind: Kind | None = None
    value: Finite | None = None

    def said(self) -> dict[str, Any]:
        """What was corrected; raises ``Problem`` 422 where nothing was."""
        if not (given := _given(self)):
            raise invalid("item", "give an item, a kind or a value")
        return given


def _given(change: Request) -> dict[str, Any]:
    return {name: value for name, value in change.model_dump(exclude_unset=True).items() if value is not None}


class Merge(Request):
    """Whose events to take over: a session of this user, or the same person under another id."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=needs("user", "session", only_one=True))

    user: Id | None = None
    session: Id | None = None


# -- responses --------------------------------------------------------------------------------------------------------


class KeptEvent(Response):
    """A stored event; ``seq`` is its place in the order of acceptance."""

    seq: int
    item: str
    kind: str | None
    value: float | None
    time: int = Field(description="unix seconds")
    context: dict[str, Any] | None
    id: str | None
    recommendation: str | None = Field(description="the id of the list that the person followed")
    purpose: str | None = Field(description="what the person agreed to")


class KeptWritten(Response):
    """What was written without an item; ``seq`` is its place in the order of acceptance, among events too."""

    seq: int
    kind: str | None
    time: int = Field(description="unix seconds")
    context: dict[str, Any] = Field(description="what was read of the text is its `comment`")
    id: str | None
    purpose: str | None = Field(description="what the person agreed to")


class ShownList(Response):
    """A list that was shown, or one page of it."""

    recommendation: str
    start: int = Field(description="position of the first item, from 0")
    time: int = Field(description="unix seconds")
    placement: str
    arm: str = Field(description="of an experiment; empty without one")
    model: str = Field(description="the version of the model")
    fallback: bool
    items: list[str]
    scores: list[float]
    chances: list[float] | None = Field(description="of each item, where there is exploration")


class _EventPage(Response):
    events: list[KeptEvent]
    next: int | None = Field(description="``before`` of the next page; null at the end")


class UserEvents(_EventPage):
    """The newest events of a user."""

    user: str


class SessionEvents(_EventPage):
    """The newest events of a session."""

    session: str


class UserAttributes(Response):
    """The attributes of a user."""

    user: str
    attributes: dict[str, Scalar]


class Choices(Response):
    """What a person chose."""

    paused: bool = Field(description="nothing is recorded; answers are made from what is there")
    private: bool = Field(description="nothing is recorded, and answers use nothing of what is there")
    training: bool = Field(description="whether models and counts over everybody may learn from the events")
    off_kinds: list[str] = Field(description="kinds of events that answers do not use")
    off_items: list[str] = Field(description="items that are not shown, as attribute=value")


class UserChoices(Choices):
    """What a user chose."""

    user: str


class EventRemoved(Response):
    """The event that was removed."""

    user: str
    seq: int


class Person(Response):
    """A user or a session."""

    user: str | None = None
    session: str | None = None


class Merged(Response):
    """The outcome of a merge."""

    source: Person = Field(alias="from")
    target: Person = Field(alias="to")
    events: int
    attributes: int
    refused: int = Field(description="events dated before an erasure of the target, to the second")


Files = Annotated[
    Literal["pending", "clean", "database"],
    Field(
        description="pending: files of the store may still hold copies; clean: none does; "
        "database: PostgreSQL decides, by its VACUUM and its log"
    ),
]


class Removed(Response):
    """The number of rows that an erasure removed."""

    events: int
    written: int = Field(description="texts without an item")
    attributes: int
    exposures: int = Field(description="lists that were shown, page by page")
    choices: int = Field(description="1 if the person had chosen something")


class CorrectedModel(Response):
    """A model from which the person was subtracted: the folder before, and the one after."""

    name: str
    into: str


class PendingModel(Response):
    """A model that may hold the person until it is replaced."""

    name: str
    since: int = Field(description="unix seconds")
    due: int = Field(description="from then on it is not activated, unix seconds")
    people: int
    overdue: bool
    why: str = Field(description="why it was not corrected")


class ForgottenModels(Response):
    """What became of the models that may have learned from the person."""

    corrected: list[CorrectedModel]
    pending: list[PendingModel]


class Signature(Response):
    """The signature of the receipt without this field, as JSON with sorted keys and no spaces."""

    algorithm: Literal["Ed25519"]
    public_key: str
    value: str


class Receipt(Person):
    """The receipt of an erasure: what was removed, and what is left."""

    erased_at: int = Field(description="unix seconds")
    removed: Removed
    kept: str
    hash: str
    files: Files
    number: int = Field(description="of the erasure")
    models: ForgottenModels
    covered: list[str]
    not_covered: list[str]
    signature: Signature | None = Field(description="null without receipt_key")


class Erasure(Response):
    """Whether an erasure has reached the files of the store."""

    hash: str
    erased_at: int = Field(description="unix seconds")
    files: Files
