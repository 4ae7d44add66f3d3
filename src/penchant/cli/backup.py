"""``penchant backup`` and ``penchant restore``: a copy of the store, and the way back."""

from __future__ import annotations

from typing import Annotated

import typer

from penchant.cli.render import AsJson, example, print_json, say
from penchant.cli.serve import Config, Store, StoreUrlFile, read_settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=example("penchant backup /var/backups/events.db --store sqlite:////var/lib/penchant/events.db"))(
        backup
    )
    app.command(epilog=example("penchant restore /var/backups/events.db --replace --config /etc/penchant.toml"))(
        restore
    )


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file for the backup.")],
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Back up the store while the service runs."""
    settings = read_settings({"store": store, "store_url_file": store_url_file}, config)
    from penchant.store.backup import backup as copy

    done = copy(settings.store, file)
    print_json({"file": file, "events": done.events, "bytes": done.bytes}) if as_json else say(
        f"{file}: {done.events:,} events, {done.bytes:,} bytes"
    )


def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A backup.")],
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the existing store.")] = False,
    receipts: Annotated[
        str | None, typer.Option(metavar="FILE", help="Receipts of erasures, one JSON object a line.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the store, without people erased since; stop the service first."""
    settings = read_settings({"store": store, "store_url_file": store_url_file}, config)
    from penchant.store.backup import restore as put

    done = put(settings.store, file, replace=replace, receipts=receipts, secret=settings.secret or None)
    print_json({"events": done.events, "erased": done.erased}) if as_json else say(
        f"{done.events:,} events; erased since the backup: {done.erased:,} people. Choices, corrections and single "
        "events that people changed since are as they were then"
    )
