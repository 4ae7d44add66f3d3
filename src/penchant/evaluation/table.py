"""Tables that stay readable on a narrow terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

GAP = 2  # blanks between columns
FOLDED = 20  # characters that a folded column has at least, where its text is that long


@dataclass(frozen=True)
class Wide:
    """Rows of text; columns that do not fit go into a second table below the first, which repeats the labels."""

    repeated: Sequence[str]
    names: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        header = [*self.repeated, *self.names]
        widths = [max(cell_len(row[n]) for row in [header, *self.rows]) for n in range(len(header))]
        fixed = len(self.repeated)
        # a long label takes at most half of the line: it is folded, numbers are not
        left = sum(min(width, options.max_width // 2) + GAP for width in widths[:fixed])
        parts: list[list[int]] = [[]]
        used = left
        for n in range(fixed, len(header)):
            if parts[-1] and used + widths[n] + GAP > options.max_width:
                parts.append([])
                used = left
            parts[-1].append(n)
            used += widths[n] + GAP
        for part in parts:
            table = Table(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), show_edge=False, pad_edge=False)
            for n in range(fixed):
                table.add_column(header[n], overflow="fold")
            for n in part:
                table.add_column(header[n], justify="right", no_wrap=True)
            for row in self.rows:
                table.add_row(*(Text(row[n]) for n in [*range(fixed), *part]))
            yield table


@dataclass(frozen=True)
class Folding:
    """Rows of text in one table: long lists are folded, and columns that may go are left out where it is too narrow."""

    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: Sequence[int]  # columns that may take several lines
    optional: Sequence[int]  # columns that are left out first
    right: Sequence[int]  # columns of numbers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [max(cell_len(row[n]) for row in [self.names, *self.rows]) for n in range(len(self.names))]
        shown = list(range(len(self.names)))
        need = sum((min(width, FOLDED) if n in self.folded else width) + GAP for n, width in enumerate(widths))
        for n in self.optional:
            if need > options.max_width:
                shown.remove(n)
                need -= widths[n] + GAP
        table = Table(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), show_edge=False, pad_edge=False)
        for n in shown:
            justify: Literal["left", "right"] = "right" if n in self.right else "left"
            table.add_column(self.names[n], justify=justify, overflow="fold", no_wrap=n not in self.folded)
        for row in self.rows:
            table.add_row(*(Text(row[n]) for n in shown))
        yield table


def plain_group(parts: Sequence[RenderableType]) -> Group:
    """Parts one below the other; text is printed as it is, brackets included."""
    return Group(*(Text(part) if isinstance(part, str) else part for part in parts))
