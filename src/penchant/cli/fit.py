"""``penchant fit``: from a log to a saved recommender."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.options import Logs, ReadOptions, read_log, reading_options
from penchant.cli.render import AsJson, Threads, example, note, print_json, progress, say, show
from penchant.errors import ParameterError

if TYPE_CHECKING:
    from penchant.models.kinds.base import Model

Seed = Annotated[int, typer.Option("--seed", help="Where random numbers start.")]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog=example(
            "penchant fit events.csv --items films.csv -o model/",
            "penchant fit events.csv --items films.csv -m item-knn:neighbours=100 -o model/",
        )
    )
    @reading_options
    def fit(
        logs: Logs,
        output: Annotated[str, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to write.")],
        reading: ReadOptions,
        model: Annotated[
            str | None,
            typer.Option(
                "--model",
                "-m",
                help="NAME, NAME:param=value,... or @FILE.json; without it the strong ones are compared.",
            ),
        ] = None,
        budget: Annotated[
            float | None, typer.Option("--budget", help="Without -m: seconds for the comparison (60 unless given).")
        ] = None,
        metric: Annotated[
            str | None, typer.Option("--metric", help="Without -m: what to choose by (ndcg@10 unless given; rmse).")
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace a saved recommender that is there.")] = False,
        seed: Seed = 0,
        threads: Threads = 0,
        device: Annotated[str, typer.Option("--device", help="Where neural models are trained: cpu, cuda.")] = "cpu",
        checkpoints: Annotated[
            str | None,
            typer.Option("--checkpoints", metavar="FOLDER", help="Write down there how far training has got."),
        ] = None,
        resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
        training_log: Annotated[
            str | None, typer.Option("--training-log", metavar="FILE", help="One line of JSON a training pass.")
        ] = None,
        curve: Annotated[
            str | None, typer.Option("--curve", metavar="FILE.svg", help="The learning curve as a picture.")
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Fit a model on a log and save it as a folder; without -m, the one that does best on a part held out."""
        from pathlib import Path

        from penchant.evaluation.measure import parse_metric
        from penchant.models.kinds.base import Run
        from penchant.models.registry import parse
        from penchant.recommender.folder.atomic import reachable_file, refuse
        from penchant.recommender.folder.manifest import MANIFEST
        from penchant.training.choose import BUDGET, METRIC, Choice, choose
        from penchant.training.fit import fit as fit_model

        if resume and checkpoints is None:
            raise ParameterError("--resume goes on from a checkpoint: name its folder with --checkpoints")
        if model is not None and (budget is not None or metric is not None):
            raise ParameterError("--budget and --metric are of the comparison that there is without -m")
        if model is None and (checkpoints or training_log or curve):
            raise ParameterError("--checkpoints, --training-log and --curve are of one model: name it with -m")
        if curve and not curve.endswith(".svg"):
            raise ParameterError(f"--curve draws an SVG picture: call it {Path(curve).stem}.svg")
        parse_metric(metric or METRIC)
        named = None if model is None else parse(model)
        refuse(Path(output), force=force, marker=MANIFEST)  # before the work, not after it
        for file in filter(None, (curve, training_log)):
            reachable_file(Path(file))
        log, catalog = read_log(reading.with_logs(logs))
        with progress() as report:
            run = Run(seed, threads, device, report, checkpoints, resume, training_log)
            chosen = named or choose(
                log, catalog=catalog, metric=metric or METRIC, budget=BUDGET if budget is None else budget, run=run
            )
            recommender = fit_model(log, chosen, catalog=catalog, run=run)
        recommender.save(output, force=force)
        if curve is not None:
            _draw(recommender.model, curve)
        seen = recommender.fitted_on
        if seen["test_rows_left_out"]:
            note(f"{seen['test_rows_left_out']:,} rows with split=test were left out")
        for line in seen["notes"]:
            note(line)
        name = recommender.model.name
        if as_json:
            version = recommender.version
            print_json({"folder": output, "model": {"name": name, "version": version}, "fitted_on": seen})
            return
        if isinstance(chosen, Choice):
            show(chosen.table(), "")
        say(f"{output}: {name} fitted in {seen['seconds']:.1f} s {_sizes(seen)}")


def _sizes(seen: dict[str, Any]) -> str:
    """What was learned from, and how much of it was positive where not all was."""
    who = "sessions" if seen["sessions"] else "users"
    if seen["positives"] == seen["events"]:
        return f"on {seen['events']:,} events of {seen['histories']:,} {who} and {seen['items']:,} items"
    return (
        f"({seen['positives']:,} positive of {seen['events']:,} events, {seen['histories_with_positives']:,} of "
        f"{seen['histories']:,} {who}, {seen['items']:,} of {seen['items_in_log']:,} items)"
    )


def _draw(model: Model, file: str) -> None:
    """The learning curve of a model that is trained in passes."""
    from pathlib import Path

    from penchant.models.neural.training.curve import learning_curve

    history = getattr(model, "history", None)
    if not history:
        note(f"{model.name} is not trained in passes: there is no learning curve")
        return
    measured = next((key for key in history[0] if key.startswith(("ndcg", "-rmse"))), "loss")
    Path(file).write_text(learning_curve({model.name: history}, measured), encoding="utf-8")
