"""``penchant train``: train from the sources of a configuration, judge, and put live what is not worse."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from penchant.cli.render import AsJson, example, note, print_json, progress, say
from penchant.cli.serve import Config, Store, StoreUrlFile, read_settings


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog=example(
            "penchant train --config penchant.toml",
            "penchant train --config penchant.toml --dry-run",
        )
    )
    def train(
        config: Config = None,
        folder: Annotated[str | None, typer.Option("--folder", metavar="FOLDER", help="The folder of models.")] = None,
        store: Store = None,
        store_url_file: StoreUrlFile = None,
        active: Annotated[str | None, typer.Option(help="The model to compare with if none was ever active.")] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Read the data and say what would be done; fit and write nothing.")
        ] = False,
        update: Annotated[
            bool, typer.Option("--update", help="Only bring a model with exact updates up to date; nothing is judged.")
        ] = False,
        as_json: AsJson = False,
    ) -> int:
        """Train by itself, as the table train of the configuration says, and activate the new model if it is not worse.

        Exit codes: 0 the new model is active, or nothing changed since the last training; 1 failed; 2 bad input;
        3 the new model was refused; 4 cannot tell; 5 another process is training.
        """
        settings = read_settings(
            {"folder": folder, "store": store, "store_url_file": store_url_file, "active": active}, config
        )
        from penchant.core.run import Run
        from penchant.errors import ParameterError
        from penchant.serve.common.hooks import hook
        from penchant.store.lease import BusyLeaseError
        from penchant.training.loop.outcome import BUSY
        from penchant.training.loop.train import train as train_once

        if not settings.folder:
            raise ParameterError('name the folder of models: folder = "models", or --folder FOLDER')
        with progress() as report, opened(settings) as events:
            try:
                outcome = train_once(
                    read_training(config), settings.folder, events, active=settings.active,
                    allow_remembered=settings.allow_remembered, dry_run=dry_run, update=update,
                    run=Run(progress=report), tell=note, encoder=hook("encoder", settings.encoder),
                )  # fmt: skip
            except BusyLeaseError as busy:
                print_json({"outcome": "busy", "why": str(busy)}) if as_json else say(f"busy: {busy}")
                return BUSY
        if as_json:
            print_json(outcome.to_json())
        else:
            for line in outcome.lines():
                say(line)
        return outcome.code


def read_training(config: str | None) -> Any:
    """The settings of the table ``[train]``; without a file, the defaults."""
    from penchant.core.settings import read_toml
    from penchant.training.loop.settings import TABLE, TrainSettings

    if config is None:
        return TrainSettings()
    document, text = read_toml(config)
    return TrainSettings.from_table(document.get(TABLE, {}), config, text)


def opened(settings: Any) -> Any:
    """The store of the settings, open within a context."""
    from contextlib import contextmanager

    from penchant.store.events import EventStore

    @contextmanager
    def opening() -> Any:
        store = EventStore(settings.store, secret=settings.secret or None, seconds=settings.store_seconds)
        store.open()
        try:
            yield store
        finally:
            store.close()

    return opening()
