"""``penchant warm``: compile the kernels for this machine once."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from penchant.cli.render import AsJson, example, print_json, say


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=example("penchant warm"))
    def warm(
        force: Annotated[bool, typer.Option("--force", help="Compile although everything lies ready.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Compile all kernels for this machine once, so that no later command waits for a compiler."""
        from penchant.kernels import ahead, ready

        start, file = time.perf_counter(), ready.file()
        if file is None or force:
            file = ahead.warm()
        found = {"file": str(file), "level": file.stem, "seconds": round(time.perf_counter() - start, 1)}
        if as_json:
            print_json(found)
            return
        say(f"{file}: the kernels are ready for {file.stem} processors")
