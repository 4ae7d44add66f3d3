"""What a recommender answers: a list that prints as a table, explains itself and converts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from rich.console import RenderableType

REASONS_SHOWN = 3  # in a table; the object and JSON hold all
NO_REASON = "nothing in the history"
BAR = 24  # characters of the longest bar
WIDTH = 100  # characters of a printed line
NOTHING_LEFT = "Nothing is left to recommend: every item is in the history, excluded, unavailable or unlike all of it."
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Part:
    """What one past event gave to a score: its item and its contribution, below zero where it spoke against."""

    item: str | int
    title: str | None
    contribution: float

    @property
    def label(self) -> str:
        """The title, or the id where there is none."""
        return self.title or str(self.item)


@dataclass(frozen=True)
class Why:
    """Why an item scores what it does, the largest contributions first; events that gave nothing are left out.

    ``exact``: score = base + sum of the contributions. ``leave-one-out``: each contribution is the score minus the
    score without that event.
    """

    method: Literal["exact", "leave-one-out"]
    base: float
    parts: list[Part]

    def to_json(self) -> dict[str, Any]:
        """As in every JSON answer; ids are strings."""
        parts = [{"item": str(p.item), "title": p.title, "contribution": p.contribution} for p in self.parts]
        return {"method": self.method, "base": self.base, "parts": parts}


@dataclass(frozen=True)
class Recommendation:
    """One item of an answer, its score, and why if that was asked; printed, it shows what every event gave."""

    item: str | int
    title: str | None
    score: float
    why: Why | None = None

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
        """The score and what every event gave to it, as bars, what spoke against it in red; ``notes`` go below."""
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
        grid.add_column("gives", justify="right")
        grid.add_column("", no_wrap=True)
        longest = max((abs(part.contribution) for part in self.why.parts), default=0.0)
        for part in self.why.parts:
            drawn = Text(bar(abs(part.contribution) / longest), style="cyan" if part.contribution > 0 else "red")
            grid.add_row(Text(part.label), f"{part.contribution:+.4g}", drawn)
        if self.why.base:
            grid.add_row(Text("whatever the history", style="dim"), f"{self.why.base:+.4g}", "")
        if not self.why.parts:
            below.append("Nothing in this history speaks for it or against it.")
        elif self.why.method == "leave-one-out":
            below.append("Each line is the score minus the score without that event.")
        return Group(title, *([grid] if grid.row_count else []), *(Text(line) for line in below))

    def __rich__(self) -> RenderableType:
        return self.table()

    def __str__(self) -> str:
        return _printed(self.table())


@dataclass(frozen=True, repr=False)
class Recommendations(Sequence[Recommendation]):
    """Best first. A sequence of ``Recommendation`` that prints as a table.

    ``fallback``: the model knew nothing about this history, and the list is the popularity list. ``unknown``: ids of
    the history that the catalogue does not hold; they were left out.
    """

    items: list[Recommendation]
    fallback: bool = False
    unknown: list[str] = field(default_factory=list)
    model: str = ""
    version: str = ""
    user: str | None = None

    @overload
    def __getitem__(self, index: int) -> Recommendation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Recommendation]: ...
    def __getitem__(self, index: int | slice) -> Recommendation | list[Recommendation]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    @property
    def ids(self) -> list[str | int]:
        """The item ids, best first."""
        return [entry.item for entry in self.items]

    def to_json(self) -> dict[str, Any]:
        """The object that the command line and the service answer with; ids are strings."""
        return {
            "user": self.user,
            "items": [entry.to_json() for entry in self.items],
            "fallback": self.fallback,
            "unknown": list(self.unknown),
            "model": {"name": self.model, "version": self.version},
        }

    def to_list(self) -> list[dict[str, Any]]:
        """One dictionary an item: rank from 1, item, title, score."""
        return [
            {"rank": rank, "item": entry.item, "title": entry.title, "score": entry.score}
            for rank, entry in enumerate(self.items, 1)
        ]

    def to_polars(self) -> pl.DataFrame:
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
        """For ``rich``: rank, title, score and, where it was asked, the reasons; a sentence where nothing is left."""
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
            lines.append("The model knows nothing about this history: this is the popularity list.")
        if self.unknown:
            lines.append(f"Not in the catalogue, left out: {', '.join(self.unknown[:10])}")
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
    """A bar of ``share`` (0 to 1) of ``width`` characters, to an eighth of one."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def reasons(why: Why | None) -> str:
    """The largest contributions in one line: ``Alien 62 %, Heat 38 %``, shares of what spoke for the item.

    Where nothing did, the model can name no reason, and the line says that.
    """
    if why is None:
        return ""
    gained = sum(part.contribution for part in why.parts if part.contribution > 0)
    if gained == 0:
        return NO_REASON
    shown = [part for part in why.parts if part.contribution > 0][:REASONS_SHOWN]
    return ", ".join(f"{part.label} {part.contribution / gained:.0%}" for part in shown)
