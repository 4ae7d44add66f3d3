"""Reasons as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from penchant.recommendations import Recommendation

WIDTH = 24  # characters of the longest bar
_EIGHTHS = " ▏▎▍▌▋▊▉█"


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
