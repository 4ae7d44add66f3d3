"""``penchant events``: a log into the store of the service, and the store into a log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from penchant.cli.options import STORE, Logs, ReadOptions, read_rows
from penchant.cli.outputs import check_file, check_inputs
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, example, note, print_json, progress, say
from penchant.cli.serve import Config, Store, StoreUrlFile, read_settings
from penchant.cli.stores import need_store
from penchant.data.reading.report import many
from penchant.errors import ParameterError

Moment = Annotated[
    str | None, typer.Option(metavar="TIME", help="2026-01-31, 2026-01-31T12:00:00Z or unix seconds; UTC.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    events = typer.Typer(help="Import and export the events of a store.", no_args_is_help=True)
    events.command(
        "import",
        epilog=example(
            "penchant events import orders.csv --store sqlite:////var/lib/penchant/events.db",
            "penchant events import orders.csv --users people.csv --store sqlite:////var/lib/penchant/events.db",
            "penchant events import 'ratings-*.csv.gz' --keep 0",
        ),
    )(reading_options(import_events))
    events.command(
        "export",
        epilog=example(
            "penchant events export -o events.parquet --since 2026-01-01",
            "penchant events export -o research.csv --pseudonyms key",
        ),
    )(export)
    app.add_typer(events, name="events")


def import_events(
    logs: Logs,
    reading: ReadOptions,
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    keep: Annotated[
        str | None,
        typer.Option(
            help="How long the service keeps events, as in its settings (2y, or view=90d,purchase=2y); 0: for ever."
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Import logs into a store, each row once, and with --users the attributes of users; the service may run.

    Kinds and values are stored as they are: their weights belong to the model.
    """
    settings = read_settings({"store": store, "store_url_file": store_url_file, "keep": keep}, config)
    from penchant.serve.keeping import open_door
    from penchant.store.described import import_people
    from penchant.store.events import EventStore
    from penchant.store.importing import import_log
    from penchant.store.people import People

    if reading.users == STORE:
        raise ParameterError(
            "--users store takes attributes from a store: here --users names a table that goes into it"
        )
    reading = reading.with_logs(logs)
    check_inputs([], reading)
    table = reading.with_people().user_table
    raw = read_rows(reading)
    opened = EventStore(settings.store, secret=settings.secret or None)
    opened.open()
    try:
        door = open_door(settings, opened, People(opened))
        named = None if door is None else door.name
        with progress() as report:
            done = import_log(opened, raw, keep=settings.kept, told=note, progress=report, named=named)
        described, forgotten = (0, 0) if table is None else import_people(opened, table, named=named)
    finally:
        opened.close()
    if as_json:
        people = {} if table is None else {"users": {"described": described, "erased": forgotten}}
        print_json({**done.to_json(), "rejected": raw.report.n_rejected, **people})
        return
    say(f"{done.imported:,} of {done.events:,} events were imported; {done.duplicates:,} were in the store already")
    if done.erased:
        say(f"{done.erased:,} are older than the erasure of their person, and were refused")
    if table is not None:
        say(f"the attributes of {described:,} users were imported")
    if forgotten:
        say(f"{many(forgotten, 'user was', 'users were')} erased once: their attributes were left out")


def export(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="A .parquet, .csv or .jsonl file to write.")
    ],
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    since: Moment = None,
    until: Moment = None,
    pseudonyms: Annotated[
        str | None,
        typer.Option(metavar="KEYFILE", help="Replace ids of people by pseudonyms under the key in this file."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Export the events of a store as a log, as of now; the service may run."""
    need_store()
    settings = read_settings({"store": store, "store_url_file": store_url_file}, config)
    from penchant.data.pseudonyms import read_key
    from penchant.store.exporting import checked_ending, export_log
    from penchant.store.log import Span

    checked_ending(output)
    check_file(output, force=force)
    key = None if pseudonyms is None else read_key(pseudonyms)
    span = Span(_moment(since, "--since"), _moment(until, "--until"))
    with progress() as report:
        written = export_log(settings.store, output, span, key=key, progress=report)
    print_json({"file": output, "events": written}) if as_json else say(f"{output}: {written:,} events")


def _moment(text: str | None, option: str) -> int | None:
    """A moment in unix seconds; raises ``ParameterError``."""
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ParameterError(f"{option} is a date, a time in ISO-8601 or unix seconds, not {text[:80]!r}") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
