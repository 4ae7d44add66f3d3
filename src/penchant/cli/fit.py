"""``penchant fit``: from a log to a saved recommender."""

from __future__ import annotations

from typing import Annotated

import typer

from penchant.cli.options import Logs, ReadOptions, read_log, reading_options
from penchant.cli.render import AsJson, example, note, print_json, progress, say

Seed = Annotated[int, typer.Option("--seed", help="Where random numbers start.")]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=example("penchant fit events.csv --items films.csv -m item-knn:neighbours=100 -o model/"))
    @reading_options
    def fit(
        logs: Logs,
        model: Annotated[str, typer.Option("--model", "-m", help="NAME, NAME:param=value,... or @FILE.json.")],
        output: Annotated[str, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to write.")],
        reading: ReadOptions,
        force: Annotated[bool, typer.Option("--force", help="Replace a saved recommender that is there.")] = False,
        seed: Seed = 0,
        as_json: AsJson = False,
    ) -> None:
        """Fit a model on a log and save it as a folder."""
        from pathlib import Path

        from penchant.fitting import fit as fit_model
        from penchant.models.base import Run
        from penchant.registry import parse
        from penchant.saved.folders import refuse
        from penchant.saved.manifest import MANIFEST

        chosen = parse(model)
        refuse(Path(output), force=force, marker=MANIFEST)  # before the work, not after it
        log, catalog = read_log(reading.with_logs(logs))
        with progress() as report:
            recommender = fit_model(log, chosen, catalog=catalog, run=Run(seed=seed, progress=report))
        recommender.save(output, force=force)
        seen = recommender.fitted_on
        if seen["test_rows_left_out"]:
            note(f"{seen['test_rows_left_out']:,} rows with split=test were left out")
        for line in seen["notes"]:
            note(line)
        if as_json:
            name, version = type(chosen).name, recommender.version
            print_json({"folder": output, "model": {"name": name, "version": version}, "fitted_on": seen})
            return
        say(
            f"{output}: {type(chosen).name} fitted in {seen['seconds']:.1f} s on {seen['events']:,} events of "
            f"{seen['histories']:,} {'sessions' if seen['sessions'] else 'users'} and {seen['items']:,} items"
        )
