"""The one answer of library, files and HTTP: a list that prints as a table, explains itself and converts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

import numpy as np

from penchant.core.histories import Histories
from penchant.data.contexts import Catalogue, in_words
from penchant.models.kinds.base import Explanation

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from rich.console import RenderableType

REASONS_SHOWN = 3  # per item of a table; objects and JSON contain all
NO_REASON = "nothing in the history"
BAR = 24  # characters of the longest bar
WIDTH = 100  # characters of a printed line
NOTHING_LEFT = "Nothing is left to recommend: every item is in the history, excluded or unavailable."
NO_CONTEXTS: Catalogue = {}
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Names(Protocol):
    """Where the ids and titles of item indexes come from: a recommender, or the live catalogue of a service."""

    def item_id(self, index: int) -> str | int: ...

    def title(self, index: int) -> str | None: ...


@dataclass(frozen=True)
class Part:
    """The contribution of one past event to a score; below zero where the event counts against the item."""

    item: str | int
    title: str | None
    contribution: float
    said: str | None = None  # words of a comment on the event

    @property
    def label(self) -> str:
        """The title, or the id where there is none, with what was written of it."""
        return (self.title or str(self.item)) + (f" (you wrote: {self.said})" if self.said else "")

    def to_json(self) -> dict[str, Any]:
        """As in every JSON answer; the id is text."""
        told = {} if self.said is None else {"said": self.said}
        return {"item": str(self.item), "title": self.title, "contribution": self.contribution, **told}


@dataclass(frozen=True)
class Reason:
    """What something else than an event adds to a score: an attribute, the context, another model."""

    name: str
    words: str
    contribution: float

    @property
    def label(self) -> str:
        """The words."""
        return self.words


@dataclass(frozen=True)
class Why:
    """Why an item has its score: the contributions of the events, largest first. Events that contribute nothing are
    left out. ``reasons`` are what models that look at more than events add, the largest first.

    - ``exact``: score = base + Σ contributions, of events and of reasons.
    - ``leave-one-out``: each contribution is the score minus the score without that event.
    """

    method: Literal["exact", "leave-one-out"]
    base: float
    parts: list[Part]
    reasons: list[Reason] = field(default_factory=list)

    @classmethod
    def of(cls, explanation: Explanation, given: Histories, names: Names, contexts: Catalogue = NO_CONTEXTS) -> Why:
        """An explanation of a model for the one history ``given``, with ids, titles and the words of contexts."""
        (why,) = cls.each([explanation], given, names, contexts)
        return why

    @classmethod
    def each(
        cls, explanations: Sequence[Explanation], given: Histories, names: Names, contexts: Catalogue = NO_CONTEXTS
    ) -> Iterator[Why]:
        """Explanations of several items for the one history ``given``; its ids and titles are read once."""
        items = given.items.tolist()
        named = {item: (names.item_id(item), names.title(item)) for item in set(items)} if explanations else {}
        events = [named[item] for item in items] if explanations else []
        stated = in_words(contexts, given.asked, given.inferred)
        return (cls._of(explanation, events, stated) for explanation in explanations)

    @classmethod
    def _of(
        cls, explanation: Explanation, events: Sequence[tuple[str | int, str | None]], stated: Sequence[str]
    ) -> Why:
        given = np.flatnonzero(explanation.parts)
        given = given[np.argsort(-explanation.parts[given], kind="stable")]
        gave = zip(given.tolist(), explanation.parts[given].tolist(), strict=True)
        parts = [Part(*events[at], part) for at, part in gave]
        reasons = [Reason(one.name, one.words.format(*stated), one.contribution) for one in explanation.features]
        return cls(explanation.method, float(explanation.base), parts, reasons)

    def to_json(self) -> dict[str, Any]:
        """As in every JSON answer; ids are strings."""
        parts = [part.to_json() for part in self.parts]
        reasons = [{"name": r.name, "words": r.words, "contribution": r.contribution} for r in self.reasons]
        return {"method": self.method, "base": self.base, "parts": parts, **({"reasons": reasons} if reasons else {})}


@dataclass(frozen=True)
class Item:
    """One item of an answer: its score and, if asked for, its reasons. Printed, it shows every contribution."""

    item: str | int
    title: str | None
    score: float
    why: Why | None = None
    rules: tuple[str, ...] = ()  # of the placement, that moved it

    @classmethod
    def listed(
        cls, indexes: Iterable[int], scores: Iterable[float], names: Names, whys: Sequence[Why | None] | None = None
    ) -> list[Item]:
        """Items from their indexes and scores, with ids and titles."""
        items = [
            cls(names.item_id(index), names.title(index), float(score))
            for index, score in zip(indexes, scores, strict=True)
        ]
        if whys is None:
            return items
        return [replace(item, why=why) for item, why in zip(items, whys, strict=True)]

    @property
    def label(self) -> str:
        """The title, or the id where there is none."""
        return self.title or str(self.item)

    def to_json(self) -> dict[str, Any]:
        """As in every JSON answer; ids are strings."""
        document: dict[str, Any] = {"item": str(self.item), "title": self.title, "score": self.score}
        if self.why is not None:
            document["why"] = self.why.to_json()
        return document

    def table(self, *notes: str) -> RenderableType:
        """The score and the contribution of every event as bars, negative ones in red; ``notes`` follow below."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        title = Text(f"{self.label}: score {self.score:.4g}", style="bold")
        below = list(notes)
        if self.why is None:
            return Group(title, *(Text(line) for line in below))
        grid = Table(box=box.SIMPLE_HEAD)
        grid.add_column("because of", overflow="fold")
        grid.add_column("contributes", justify="right")
        grid.add_column("", no_wrap=True)
        shown: list[Part | Reason] = [*self.why.parts, *self.why.reasons]
        longest = max((abs(part.contribution) for part in shown), default=0.0)
        for part in shown:
            drawn = Text(bar(abs(part.contribution) / longest), style="cyan" if part.contribution > 0 else "red")
            grid.add_row(Text(part.label), f"{part.contribution:+.4g}", drawn)
        if self.why.base:
            grid.add_row(Text("any history", style="dim"), f"{self.why.base:+.4g}", "")
        if not shown:
            below.append("Nothing in this history counts for or against it.")
        elif self.why.method == "leave-one-out":
            below.append("Each line is the score minus the score without that event.")
        return Group(title, *([grid] if grid.row_count else []), *(Text(line) for line in below))

    def __rich__(self) -> RenderableType:
        return self.table()

    def __str__(self) -> str:
        return _printed(self.table())


@dataclass(frozen=True, repr=False)
class Answer(Sequence[Item]):
    """A recommendation list, best first: a sequence of ``Item`` that prints as a table.

    - ``fallback``: the history holds no positive event that the model knows, and this is the popularity list.
    - ``unknown``: ids of the history that the model does not know; they were left out.
    - ``strange``: what the request states as its context and training never saw, ``name=value``; it counts as missing.
    - ``private``: epsilon, delta and unit of a model that was fitted privately; else None, and not in the JSON object.
    - ``degraded``: why the list is incomplete or of lower quality; None where it is neither.
    - ``placement`` is the placement that made the list, ``loosened`` what of its rules could not be kept, and
      ``chances`` the probability of each item at its position, given those before it, where there is exploration.
    - ``removed``, ``next`` and ``segment`` are set by the service: how many items each filter removed, the token of the
      next page, and the segment whose popular items these are. Elsewhere ``removed`` is None, and the JSON object has
      none of them.
    """

    items: list[Item]
    fallback: bool = False
    unknown: list[str] = field(default_factory=list)
    model: str = ""
    version: str = ""
    user: str | None = None
    session: str | None = None  # of a guest, in a log that has users and guests
    removed: dict[str, int] | None = None
    degraded: str | None = None
    next: str | None = None
    segment: dict[str, Any] | None = None
    strange: list[str] = field(default_factory=list)
    private: dict[str, Any] | None = None
    placement: str | None = None
    loosened: list[str] = field(default_factory=list)
    chances: list[float] | None = None

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    @property
    def ids(self) -> list[str | int]:
        """The item ids, best first."""
        return [entry.item for entry in self.items]

    def to_json(self) -> dict[str, Any]:
        """The JSON object of library, command line and service; ids are strings."""
        document: dict[str, Any] = {
            "user": self.user,
            "items": [entry.to_json() for entry in self.items],
            "fallback": self.fallback,
            "unknown": list(self.unknown),
            "model": {"name": self.model, "version": self.version},
        }
        if self.session is not None:
            document["session"] = self.session
        if self.placement is not None:
            document |= {"placement": self.placement, "loosened": list(self.loosened), "chances": self.chances}
            for shown, entry in zip(document["items"], self.items, strict=True):
                shown["rules"] = list(entry.rules)
        if self.removed is not None:
            document |= {"degraded": self.degraded, "removed": self.removed, "next": self.next}
        elif self.degraded is not None:
            document["degraded"] = self.degraded
        if self.segment is not None:
            document["segment"] = self.segment
        if self.private is not None:
            document["model"]["private"] = self.private
        if self.strange:
            document["strange"] = list(self.strange)
        return document

    def to_list(self) -> list[dict[str, Any]]:
        """One dictionary per item: rank from 1, item, title, score."""
        return [
            {"rank": rank, "item": entry.item, "title": entry.title, "score": entry.score}
            for rank, entry in enumerate(self.items, 1)
        ]

    def to_frame(self) -> pl.DataFrame:
        """A polars table with the columns rank, item, title and score."""
        import polars as pl

        ids: type[pl.DataType] = pl.Int64 if self.items and isinstance(self.items[0].item, int) else pl.String
        schema: dict[str, type[pl.DataType]] = {"rank": pl.UInt32, "item": ids, "title": pl.String, "score": pl.Float32}
        return pl.DataFrame(self.to_list(), schema=schema)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas table with the columns rank, item, title and score; needs the extra ``pandas``."""
        try:
            import pandas as pd
        except ModuleNotFoundError as missing:
            from penchant.errors import MissingExtraError

            raise MissingExtraError("pandas", "to_pandas()") from missing
        return pd.DataFrame(self.to_list(), columns=["rank", "item", "title", "score"])

    def table(self, title: str | None = None) -> RenderableType:
        """For ``rich``: rank, title, score and, if asked for, the reasons; a sentence where the list is empty."""
        from rich.console import Group
        from rich.text import Text

        above = [] if title is None else [Text(title, style="bold")]
        shown = self._grid() if self.items else Text(NOTHING_LEFT)
        return Group(*above, shown, *(Text(line, style="dim") for line in self._notes()))

    def _grid(self) -> RenderableType:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        explained = any(entry.why is not None for entry in self.items)
        grid = Table(box=box.SIMPLE_HEAD)
        grid.add_column("", justify="right", style="dim")
        grid.add_column("item", overflow="fold", min_width=8)
        grid.add_column("score", justify="right")
        if explained:
            grid.add_column("because of", overflow="fold")
        for rank, entry in enumerate(self.items, 1):
            name = Text(entry.label)
            if entry.title:
                name.append(f"  {entry.item}", style="dim")
            row: list[Text | str] = [str(rank), name, f"{entry.score:.4g}"]
            if explained:
                row.append(Text(reasons(entry.why)))
            grid.add_row(*row)
        return grid

    def _notes(self) -> list[str]:
        lines = []
        if self.fallback:
            lines.append("There is no known positive event in this history: this is the popularity list.")
        if self.unknown:
            lines.append(f"Not in the catalogue, left out: {', '.join(self.unknown[:10])}")
        lines += [f"Rule not kept: {one}" for one in self.loosened]
        if self.strange:
            lines.append(f"The log has no such context, counted as missing: {', '.join(self.strange[:10])}")
        return lines

    def __rich__(self) -> RenderableType:
        return self.table()

    def __str__(self) -> str:
        return _printed(self.table())

    __repr__ = __str__


def _printed(shown: RenderableType) -> str:
    from rich.console import Console

    console = Console(width=WIDTH, color_system=None, force_terminal=False, markup=False, emoji=False)
    with console.capture() as caught:
        console.print(shown)
    return caught.get().rstrip()


def bar(share: float, width: int = BAR) -> str:
    """A bar of ``share`` (0 to 1) of ``width`` characters, to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def reasons(why: Why | None) -> str:
    """The largest contributions in one line: ``Alien 62 %, Heat 38 %``, as shares of all positive contributions.

    Without a positive contribution, the line says that nothing in the history is a reason.
    """
    if why is None:
        return ""
    every: list[Part | Reason] = [*why.parts, *why.reasons]
    gains = [one for one in every if one.contribution > 0]
    gained = sum(one.contribution for one in gains)
    if gained == 0:
        return NO_REASON
    shown = sorted(gains, key=lambda one: -one.contribution)[:REASONS_SHOWN]
    return ", ".join(f"{part.label} {part.contribution / gained:.0%}" for part in shown)


def promised(fitted_on: Mapping[str, Any]) -> dict[str, Any] | None:
    """Epsilon, delta and unit of a recommender that was fitted privately; else None."""
    private = fitted_on.get("private")
    return {key: private[key] for key in ("epsilon", "delta", "unit")} if isinstance(private, dict) else None
