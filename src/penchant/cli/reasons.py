"""Explanations as bars: one per recommendation, divided by the contribution of each liked item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penchant.recommender.answer import BAR, NO_REASON

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from penchant.recommender.answer import Answer, Item

_PAINTS = (("█", "cyan"), ("▓", "magenta"), ("▒", "yellow"), ("░", "green"))  # also distinct without colour


def stacked(answer: Answer, liked: Sequence[tuple[str, str]]) -> RenderableType:
    """Recommendations with one bar each, divided by what each liked item contributes to the score.

    ``liked`` are ids and titles; all after the fourth share one colour.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    paints = {item_id: _PAINTS[min(n, len(_PAINTS) - 1)] for n, (item_id, _) in enumerate(liked)}
    legend = Text()
    for item_id, title in liked:
        glyph, colour = paints[item_id]
        legend.append(f"  {glyph * 2} ", style=colour)
        legend.append(f"{title}\n")
    longest = max((_gained(entry) for entry in answer), default=0.0) or 1.0
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("", justify="right", style="dim")
    table.add_column("recommended", overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("because of", no_wrap=True)
    for rank, entry in enumerate(answer, 1):
        table.add_row(str(rank), Text(entry.label), f"{entry.score:.3f}", _segments(entry, paints, longest))
    return Group(legend, table)


def _gained(entry: Item) -> float:
    return sum(part.contribution for part in entry.why.parts if part.contribution > 0) if entry.why else 0.0


def _segments(entry: Item, paints: dict[str, tuple[str, str]], longest: float) -> Text:
    from rich.text import Text

    if _gained(entry) == 0:
        return Text(NO_REASON, style="dim")
    drawn, end, filled = Text(), 0.0, 0
    given = {str(part.item): part.contribution for part in (entry.why.parts if entry.why else ())}
    for item_id, (glyph, colour) in paints.items():
        end += max(0.0, given.get(item_id, 0.0))
        width = round(end / longest * BAR) - filled
        drawn.append(glyph * width, style=colour)
        filled += width
    return drawn
