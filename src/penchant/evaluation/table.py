"""A table that stays readable on a narrow terminal: what does not fit stands in a second table below the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

GAP = 2  # blanks between columns


@dataclass(frozen=True)
class Wide:
    """Rows of text: the first columns are repeated in every part, the others are shared out among the parts."""

    repeated: Sequence[str]
    names: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        header = [*self.repeated, *self.names]
        widths = [max(cell_len(row[n]) for row in [header, *self.rows]) for n in range(len(header))]
        fixed = len(self.repeated)
        # a long label may take at most half of the line: it is folded, the numbers are not
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


def plain_group(parts: Sequence[RenderableType]) -> Group:
    """Parts one below the other; text stands as it is, brackets and all."""
    return Group(*(Text(part) if isinstance(part, str) else part for part in parts))
