"""``penchant verify``: check the integrity of a saved folder."""

from __future__ import annotations

from typing import Annotated

import typer

from penchant.cli.render import AsJson, example, print_json, say


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=example("penchant verify model/"))
    def verify(folder: Annotated[str, typer.Argument(metavar="FOLDER")], as_json: AsJson = False) -> None:
        """Read every byte of a saved recommender and compare it with its manifest."""
        from penchant.recommender.folder.load import verify as check

        found = check(folder)
        if as_json:
            print_json(found)
            return
        say(
            f"{found['folder']} is intact: {found['model']['name']}, version {found['model']['version']}, "
            f"{found['items']:,} items, {len(found['files'])} files, {found['bytes'] / 2**20:.1f} MiB, "
            f"saved by Penchant {found['penchant']} at {found['created']}"
        )
