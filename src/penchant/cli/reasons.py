"""Reasons as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from penchant.recommendations import Recommendation, Recommendations

WIDTH = 24  # characters of the longest bar
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PAINTS = (("█", "cyan"), ("▓", "magenta"), ("▒", "yellow"), ("░", "green"))  # told apart without colour as well


def bar(share: float, width: int = WIDTH) -> str:
    """A bar of ``share`` (0 to 1) of ``width`` characters, to an eighth of one."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def explanation(answer: Recommendation) -> Table:
    """What every event gave to one item's score, as bars; what spoke against it in red."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    why = answer.why
    parts = [] if why is None else why.parts
    longest = max((abs(part.contribution) for part in parts), default=0.0) or 1.0
    title = f"{answer.label}: score {answer.score:.4g}"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("because of", overflow="fold")
    table.add_column("gives", justify="right")
    table.add_column("", no_wrap=True)
    for part in parts:
        colour = "cyan" if part.contribution > 0 else "red"
        drawn = Text(bar(abs(part.contribution) / longest), style=colour)
        table.add_row(part.label, f"{part.contribution:+.4g}", drawn)
    if why is not None and why.base:
        table.add_row(Text("whatever the history", style="dim"), f"{why.base:+.4g}", "")
    if not parts:
        table.caption = "Nothing in this history speaks for it or against it."
    elif why is not None and why.method == "leave-one-out":
        table.caption = "Each line is the score minus the score without that event."
    return table


def stacked(answer: Recommendations, liked: Sequence[tuple[str, str]]) -> RenderableType:
    """Recommendations with one bar each, cut into what every liked item gave to the score.

    ``liked`` are ids and titles; those after the fourth share one paint.
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


def _gained(entry: Recommendation) -> float:
    return sum(part.contribution for part in entry.why.parts if part.contribution > 0) if entry.why else 0.0


def _segments(entry: Recommendation, paints: dict[str, tuple[str, str]], longest: float) -> Text:
    from rich.text import Text

    drawn, end, filled = Text(), 0.0, 0
    given = {str(part.item): part.contribution for part in (entry.why.parts if entry.why else ())}
    for item_id, (glyph, colour) in paints.items():
        end += max(0.0, given.get(item_id, 0.0))
        width = round(end / longest * WIDTH) - filled
        drawn.append(glyph * width, style=colour)
        filled += width
    return drawn
