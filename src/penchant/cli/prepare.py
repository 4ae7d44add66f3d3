"""``penchant prepare``: a log of any size into a folder from which every command reads it at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from penchant.cli.options import Logs, ReadOptions, reading_arguments
from penchant.cli.outputs import check_inputs
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, example, note, print_json, say
from penchant.cli.told import loud_lines, reading_progress, rejection_lines
from penchant.errors import ParameterError

EVERY = 15.0  # seconds between lines of progress where there is no terminal


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog=example(
            "penchant prepare 'events-*.parquet' -o events/",
            "penchant fit events/ -m item-knn -o model/ --lists lists.parquet",
        )
    )
    @reading_options
    def prepare(
        logs: Logs,
        output: Annotated[str, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to write.")],
        reading: ReadOptions,
        as_json: AsJson = False,
    ) -> None:
        """Read a log, however large, into a folder that is a log like any other; stopped, the same command goes on."""
        from penchant.data.prepared.prepare import prepare as write

        if reading.items is not None or reading.items_sql is not None:
            raise ParameterError("an item table belongs to the commands that read the folder, not to its preparation")
        if reading.context is not None:
            raise ParameterError("a prepared log keeps no contexts: read the files for a model that uses them")
        if reading.users is not None:
            raise ParameterError("a prepared log keeps no contexts: give --users where the files themselves are read")
        if reading.opinion is not None or reading.text is not None or reading.aspects:
            raise ParameterError("a prepared log keeps no texts and no opinions: read the files for them")
        if reading.pseudonyms is not None:
            raise ParameterError("a log is not pseudonymised as it is prepared: prepare an export with pseudonyms")
        reading = reading.with_logs(logs)
        if not reading.logs:
            raise ParameterError("no log was given: name one or more files")
        check_inputs([output], reading)
        with reading_progress(left=True) as bar, _lines(bar) as progress:
            log = write(reading.logs, output, **reading_arguments(reading), progress=progress)
        for line in (*loud_lines(log.report), *rejection_lines(log.report)):
            note(line)
        if as_json:
            print_json({"folder": output, "events": len(log), "users": log.n_users, "items": log.n_items})
            return
        say(f"{output}: {len(log):,} events, {log.n_users:,} users, {log.n_items:,} items")


@contextmanager
def _lines(bar: Callable[[str, float], None] | None) -> Iterator[Callable[[str, float], None]]:
    """The bar, or without a terminal a line now and then with the time that is left of a step."""
    if bar is not None:
        yield bar
        return
    start, last, step = time.monotonic(), time.monotonic(), ""

    def report(what: str, share: float) -> None:
        nonlocal start, last, step
        now = time.monotonic()
        if what != step:
            start, step = now, what
        if now - last >= EVERY and share > 0:
            last = now
            left = (now - start) * (1 - share) / share
            print(f"penchant: {what}: {share:.0%}, about {left:,.0f} s left", file=sys.stderr, flush=True)

    yield report
