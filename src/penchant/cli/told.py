"""What a command says of reading: progress, rejected rows, findings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penchant.data.reading.report import LOUD, ReadReport


def loud_lines(report: ReadReport) -> list[str]:
    """Findings that spoil all results, one line each."""
    lines = []
    for found in report.findings:
        if found.severity == "error" or (found.severity == "warning" and found.check in LOUD):
            place = report.place(found.file, found.line, found.column)
            shown = f" ({found.value!r})" if found.value else ""
            where = f"{place}{shown}: " if place else ""
            lines.append(f"{found.severity}: {where}{found.what}. {found.why}. {found.fix}.")
    return lines


def rejection_lines(report: ReadReport, examples: int = 3) -> list[str]:
    """Rejected rows and notes, a few lines of text."""
    lines = list(report.notes)
    if report.n_rejected:
        lines.append(f"{report.n_rejected:,} of {report.rows:,} rows could not be used:")
        lines += [
            f"  {report.place(row.file, row.line, row.column)}: {row.reason} ({row.value[:60]!r})"
            for row in report.rejected[:examples]
        ]
        if report.n_rejected > examples:
            lines.append(f"  and {report.n_rejected - examples:,} more")
        lines += [f"  all of them are in {name}" for name in report.rejected_files]
    return lines


@contextmanager
def reading_progress(*, left: bool = False) -> Iterator[Callable[[str, float], None] | None]:
    """A progress bar on standard error while a log is read; None if it is not a terminal. ``left``: with the time that
    is left."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        *([TimeRemainingColumn()] if left else []),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
