"""``penchant import-gorse``: dumps of Gorse into the store of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penchant.cli.render import AsJson, example, note, print_json, progress, say
from penchant.cli.serve import Config, Store, StoreUrlFile, read_settings
from penchant.cli.told import rejection_lines


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "import-gorse",
        epilog=example(
            "penchant import-gorse users.jsonl items.jsonl feedback.jsonl --store sqlite:///events.db",
            "penchant import-gorse backup.bin --keep 0",
        ),
    )(import_gorse)


def import_gorse(
    dumps: Annotated[
        list[Path],
        typer.Argument(metavar="DUMP...", help="JSON lines of /api/bulk, or a binary dump; may be compressed."),
    ],
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    keep: Annotated[
        str | None,
        typer.Option(
            help="How long the service keeps events, as in its settings (2y, or view=90d,purchase=2y); 0: for ever."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Treat a bad row as an error.")] = False,
    rejected: Annotated[
        Path | None, typer.Option("--rejected", help="The file for bad rows, instead of DUMP.rejected.csv.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file of that name.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Import the users, items and feedback of Gorse, each row once; the service may run."""
    settings = read_settings({"store": store, "store_url_file": store_url_file, "keep": keep}, config)
    from penchant.serve.gorse_import import import_dumps
    from penchant.store.events import EventStore

    opened = EventStore(settings.store, secret=settings.secret or None)
    opened.open()
    try:
        with progress() as report:
            done = import_dumps(
                opened, dumps, keep=settings.kept, rejected=rejected or True, force=force, strict=strict,
                progress=report,
            )  # fmt: skip
    finally:
        opened.close()
    for line in rejection_lines(done.report):
        note(line)
    for reason, count in done.left_out.items():
        note(f"{reason}: {count:,} are left out")
    if as_json:
        print_json(done.to_json())
        return
    for name in ("users", "items", "feedback"):
        one = getattr(done, name)
        refused = f", {one.erased:,} are of people who were erased" if one.erased else ""
        say(f"{name}: {one.written:,} of {one.rows:,} were written, {one.there:,} were in the store already{refused}")
