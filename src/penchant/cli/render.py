"""Output of the command line: answers on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from penchant.core.run import Progress

Threads = Annotated[int, typer.Option("--threads", min=0, help="Threads to use; 0: one per core.")]
IgnorePlan = Annotated[bool, typer.Option("--ignore-plan", help="Fit even what would not fit in memory, by the plan.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output and nothing else.")]


def example(*lines: str) -> str:
    """The epilogue of a command: its examples, one per line."""
    return "\n\n".join(["Examples:" if len(lines) > 1 else "Example:", *lines])


def print_json(document: Any) -> None:
    """Print one JSON document; raises ``ValueError`` for NaN and infinity."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """Print one line on standard error."""
    print(f"penchant: {text}", file=sys.stderr)


def say(text: str) -> None:
    """Print one line on standard output, unchanged and of any length."""
    print(text)


def console() -> Console:
    """Standard output as a rich console, of fixed width if it is not a terminal.

    Text is shown unchanged: titles may contain brackets and colons.
    """
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with an error
            raise BrokenPipeError

    return Output(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 100)


def show(*parts: RenderableType) -> None:
    """Print tables and text on standard output."""
    out = console()
    for part in parts:
        out.print(part)


@contextmanager
def progress() -> Iterator[Progress | None]:
    """A ``Run.progress`` that draws one bar per stage on standard error; None if it is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from penchant.kernels.compiling import told_of_compiling

    times = TimeElapsedColumn(), TimeRemainingColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            name = stage.partition(" · ")[0]  # the rest describes progress within the stage
            if name not in tasks:
                tasks[name] = bars.add_task(stage, total=total)
            bars.update(tasks[name], description=stage, completed=done, total=total)

        with told_of_compiling(lambda: note("compiling for this processor; this happens on the first run only")):
            yield report
