"""The reading options, written once, for every command that reads a log."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions
from penchant.data.reading.report import LOUD, ReadReport
from penchant.errors import ParameterError

if TYPE_CHECKING:
    from penchant.data.reading.ordering import Trace

R = TypeVar("R")
PANEL = "Reading"

Logs = Annotated[list[str], typer.Argument(metavar="LOG", help="Files or globs.", show_default=False)]
Log = Annotated[list[str] | None, typer.Option("--log", help="A log: file or glob; may be given again.")]


@dataclass(frozen=True)
class ReadOptions:
    """How a log is read; every field is an option of the command line, in this order."""

    items: Annotated[
        Path | None,
        typer.Option("--items", help="The item table: ids, titles, attributes, vectors.", rich_help_panel=PANEL),
    ] = None
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            help="Which column is what: user=C,item=C,value=C,kind=C,time=C,session=C,position=C,split=C.",
            rich_help_panel=PANEL,
        ),
    ] = None
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="Weight of each kind of event: view=1,cart=3,dislike=-1.", rich_help_panel=PANEL),
    ] = None
    values: Annotated[
        str | None,
        typer.Option("--values", help="What values are: rating, weight or none.", rich_help_panel=PANEL),
    ] = None
    positive: Annotated[
        str | None,
        typer.Option("--positive", help="What counts as a positive: 'value>=4'.", rich_help_panel=PANEL),
    ] = None
    sep: Annotated[
        str | None,
        typer.Option("--sep", help="The separator: one or more characters, 'tab' or 'space'.", rich_help_panel=PANEL),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", help="The encoding of the text: utf-8, latin-1, gb18030.", rich_help_panel=PANEL),
    ] = None
    strict: Annotated[
        bool,
        typer.Option("--strict", help="A bad row is an error.", rich_help_panel=PANEL),
    ] = False
    rejected: Annotated[
        Path | None,
        typer.Option("--rejected", help="Where bad rows go, instead of LOG.rejected.csv.", rich_help_panel=PANEL),
    ] = None
    logs: list[str] = field(default_factory=list)  # set by the command, not an option

    def with_logs(self, logs: list[str] | None) -> ReadOptions:
        """The same options for these files."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return ReadOptions(**{**values, "logs": list(logs or [])})


def reading_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a typer command the reading options: its parameter ``reading`` receives them as ``ReadOptions``.

    ::

        @app.command()
        @reading_options
        def inspect(logs: Logs, reading: ReadOptions) -> None:
            log, catalog = read_log(reading.with_logs(logs))
    """
    hints = get_type_hints(command, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in signature(command).parameters.values() if p.name != "reading"]
    option_hints = get_type_hints(ReadOptions, include_extras=True)
    options = [
        Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=option_hints[f.name])
        for f in fields(ReadOptions)
        if f.name != "logs"
    ]
    names = {option.name for option in options}
    if clash := sorted(names & {p.name for p in own}):
        raise TypeError(f"{command.__name__} has a parameter {clash[0]!r} of its own beside the reading options")

    def run(**given: Any) -> R:
        reading = ReadOptions(**{name: given.pop(name) for name in names})
        return command(**given, reading=reading)

    parameters = [*(p.replace(kind=Parameter.KEYWORD_ONLY) for p in own), *options]
    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # where typer looks for its parameters
    return run


def read_log(options: ReadOptions) -> tuple[Interactions, Catalog | None]:
    """Read the log, and the item table if there is one; says on standard error what was rejected and noted.

    The vocabulary holds the items of the log, then those that only the item table names.
    """
    log, _, catalog = read_log_traced(options, trace=False)
    return log, catalog


def read_log_traced(options: ReadOptions, *, trace: bool) -> tuple[Interactions, Trace, Catalog | None]:
    """As ``read_log``, and with ``trace`` also where each event stood in its file."""
    from penchant.data.reading.assemble import read_traced

    if not options.logs:
        raise ParameterError("no log was given: name one or more files")
    if hasattr(signal, "siginterrupt"):  # polars takes interrupts so that a wait for a pipe would never notice them
        signal.siginterrupt(signal.SIGINT, True)
    with reading_progress() as progress:
        log, found = read_traced(
            options.logs,
            columns=options.columns,
            kinds=options.kind,
            values=options.values,  # type: ignore[arg-type]  # checked there
            positive=options.positive,
            sep=options.sep,
            encoding=options.encoding,
            strict=options.strict,
            rejected=options.rejected,
            items=options.items,
            progress=progress,
            trace=trace,
        )
    for line in (*loud_lines(log.report), *rejection_lines(log.report)):
        print(f"penchant: {line}", file=sys.stderr)
    catalog = None if options.items is None else Catalog.read(options.items, log.vocab)
    return log, found, catalog


def loud_lines(report: ReadReport) -> list[str]:
    """What reading found that spoils everything made of the log, a line each."""
    lines = []
    for found in report.findings:
        if found.severity == "error" or (found.severity == "warning" and found.check in LOUD):
            place = report.place(found.file, found.line, found.column)
            shown = f" ({found.value!r})" if found.value else ""
            where = f"{place}{shown}: " if place else ""
            lines.append(f"{found.severity}: {where}{found.what}. {found.why}. {found.fix}.")
    return lines


def rejection_lines(report: ReadReport, examples: int = 3) -> list[str]:
    """What was rejected and noted, a few lines of text."""
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
def reading_progress() -> Iterator[Callable[[str, float], None] | None]:
    """A progress bar on standard error while a long log is read; nothing where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
