"""``penchant tune``: choose the hyper-parameters of a model on the validation part of a log."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from penchant.cli.evaluate import SPLIT_HELP, Candidates, Repeat, given_candidates, split_column
from penchant.cli.options import Logs, ReadOptions, read_log
from penchant.cli.outputs import check_inputs, models_in_files
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, IgnorePlan, Threads, example, note, print_json, progress, say
from penchant.training.trials import Trial, Tuned


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog=example("penchant tune events.csv -m item-knn --split leave-last --trials 50 --minutes 10 -o knn.json")
    )
    @reading_options
    def tune(
        context: typer.Context,
        logs: Logs,
        model: Annotated[
            str,
            typer.Option("--model", "-m", help="NAME, or NAME:param=value,... to fix some parameters."),
        ],
        output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.json", help="The parameter file.")],
        reading: ReadOptions,
        split: Annotated[str | None, typer.Option("--split", help=SPLIT_HELP)] = None,
        candidates: Candidates = None,
        repeat: Repeat = False,
        metric: Annotated[str, typer.Option("--metric", help="The metric to choose by.")] = "ndcg@10",
        trials: Annotated[int, typer.Option("--trials", min=1, help="The largest number of trials.")] = 30,
        minutes: Annotated[float | None, typer.Option("--minutes", help="Start no trial after this time.")] = None,
        seed: Annotated[int, typer.Option("--seed", help="The seed of the search, the splits and the models.")] = 0,
        threads: Threads = 0,
        ignore_plan: IgnorePlan = False,
        as_json: AsJson = False,
    ) -> None:
        """Search hyper-parameters; the same command continues an interrupted search."""
        from penchant.core.outputs import reachable_file
        from penchant.core.run import Run
        from penchant.evaluation.measure import parse_metric
        from penchant.models.registry import parse
        from penchant.training.tune import tune as search

        parse(model), parse_metric(metric)  # before the log is read
        reachable_file(output)
        reading = split_column(reading.with_logs(logs), split)
        check_inputs([output], reading, candidates, *models_in_files([model]))
        log, catalog = read_log(reading)
        held = output.exists()
        with progress() as report:
            found = search(
                log,
                model,
                split=split,
                metric=metric,
                trials=trials,
                minutes=minutes,
                seed=seed,
                repeat=repeat or None,
                candidates=given_candidates(candidates, log),
                file=output,
                command=shlex.join(["penchant", *(context.obj or ())]),
                catalog=catalog,
                on_trial=tell,
                run=Run(seed, threads, progress=report, ignore_plan=ignore_plan),
            )
        if held:
            note(f"{output} has earlier trials of this search, which were reused")
        if as_json:
            print_json(found.to_json())
            return
        best = found.best
        changed = ", ".join(f"{name}={value}" for name, value in best.params.items() if value != first(found)[name])
        say(
            f"{found.model}: {metric} {best.value:.4f} on validation with {changed or 'the defaults'} "
            f"(trial {best.number} of {len(found.trials)}; the defaults reached {found.trials[0].value or 0:.4f})"
        )
        say(f"Use it with: -m @{output}")


def first(found: Tuned) -> dict[str, object]:
    """The parameters of the first trial."""
    return found.trials[0].params


def tell(trial: Trial, found: Tuned) -> None:
    """Print one line per trial on standard error."""
    reached = f"{found.metric} {trial.steps[-1][1]:.4f}" if trial.steps else ""
    state = "" if trial.value is not None else " failed: " + trial.error if trial.error else " dropped"
    note(f"trial {trial.number}: {reached}{state}, {trial.seconds:.1f} s, best {found.best.value or 0:.4f}")
