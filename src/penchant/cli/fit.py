"""``penchant fit``: from a log to a saved recommender."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.options import Logs, ReadOptions, read_log
from penchant.cli.outputs import check_file, check_inputs, check_lists, is_training_log, models_in_files
from penchant.cli.private import fit_privately
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, IgnorePlan, Threads, example, note, print_json, progress, say, show
from penchant.errors import ParameterError

if TYPE_CHECKING:
    from penchant.models.kinds.base import Model

LENGTH = 10  # items of a list
Seed = Annotated[int, typer.Option("--seed", help="The seed of all random numbers.")]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog=example(
            "penchant fit events.csv --items films.csv -o model/",
            "penchant fit events.csv --items films.csv -m item-knn:neighbours=100 -o model/",
            "penchant fit events.csv -m item-knn -o model/ --lists lists.parquet -k 20",
            "penchant fit visits.csv --items places.csv --users people.csv --context mood,weather -m ranked -o model/",
            "penchant fit events.csv --private epsilon=2,delta=1e-6 -m ease -o model/",
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
                help="NAME, NAME:param=value,... or @FILE.json; without it, strong models are compared.",
            ),
        ] = None,
        budget: Annotated[
            float | None,
            typer.Option(
                "--budget",
                help="Without -m: seconds for the comparison (default 60). With --private: the epsilon that all "
                "releases of the population may take together.",
            ),
        ] = None,
        metric: Annotated[
            str | None, typer.Option("--metric", help="Without -m: the metric to choose by (default ndcg@10; rmse).")
        ] = None,
        repeat: Annotated[
            bool,
            typer.Option(
                "--repeat", help="Lists may contain seen items: without -m, choose for such; --lists writes such."
            ),
        ] = False,
        lists: Annotated[
            str | None,
            typer.Option(
                "--lists",
                metavar="FILE",
                help="Also recommend to all users of the log, into a .parquet, .jsonl or .csv file.",
            ),
        ] = None,
        k: Annotated[int | None, typer.Option("-k", help="With --lists: how many items (default 10).")] = None,
        spreadsheet: Annotated[
            bool, typer.Option("--spreadsheet", help="With --lists: keep ids in a .csv file from running as formulas.")
        ] = False,
        index: Annotated[
            bool,
            typer.Option("--index", help="Build an approximate index for fast lists over very many items."),
        ] = False,
        infer: Annotated[
            str | None,
            typer.Option(
                "--infer",
                metavar="CONTEXT",
                help="A context, such as mood, to infer from the session where nobody states it (default: none is).",
            ),
        ] = None,
        item_text: Annotated[
            str | None,
            typer.Option(
                "--item-text",
                metavar="WAY",
                help="Turn item texts into vectors: learned, static, onnx:FOLDER, or choose on held-out items.",
            ),
        ] = None,
        private: Annotated[
            str | None,
            typer.Option(
                "--private",
                metavar="epsilon=E,delta=D",
                help="Fit with differential privacy; also takes population=, name= and max_history=.",
            ),
        ] = None,
        ledger: Annotated[
            str | None,
            typer.Option(
                "--ledger",
                metavar="FILE",
                help="With --private: the ledger (default: beside the store or -o).",
            ),
        ] = None,
        ledger_key: Annotated[
            str | None,
            typer.Option("--ledger-key", metavar="FILE", help="With --private: its key (default: LEDGER.key)."),
        ] = None,
        seed: Annotated[int | None, typer.Option("--seed", help="The seed of all random numbers (default 0).")] = None,
        threads: Threads = 0,
        device: Annotated[
            str, typer.Option("--device", help="The device that trains neural models: cpu, cuda.")
        ] = "cpu",
        checkpoints: Annotated[
            str | None,
            typer.Option("--checkpoints", metavar="FOLDER", help="Where to save checkpoints of training."),
        ] = None,
        resume: Annotated[bool, typer.Option("--resume", help="Continue from the checkpoint.")] = False,
        training_log: Annotated[
            str | None, typer.Option("--training-log", metavar="FILE", help="Write one line of JSON per epoch.")
        ] = None,
        curve: Annotated[
            str | None, typer.Option("--curve", metavar="FILE.svg", help="Draw the learning curve.")
        ] = None,
        min_support: Annotated[
            int,
            typer.Option(
                "--min-support",
                metavar="K",
                help="Learn no item, pair or value of a context that fewer than K people have (default 1: all).",
            ),
        ] = 1,
        updatable: Annotated[
            bool,
            typer.Option("--updatable", help="Keep what exact updates need, so that people are forgotten at once."),
        ] = False,
        ignore_plan: IgnorePlan = False,
        as_json: AsJson = False,
    ) -> None:
        """Fit a model on a log and save it as a folder; without -m, the model that is best on held-out data."""
        from pathlib import Path

        from penchant.core.outputs import reachable_file
        from penchant.core.rank import check_k
        from penchant.core.run import CHECKPOINT, Run
        from penchant.evaluation.protocols import training_rows
        from penchant.models.registry import parse
        from penchant.recommender.folder.atomic import awaits, refuse, settle
        from penchant.recommender.folder.manifest import MANIFEST
        from penchant.training.choice import BUDGET, METRIC, Choice
        from penchant.training.fit import fit as fit_model
        from penchant.training.item_text import with_text

        if private is not None:
            if budget is not None and model is None:
                raise ParameterError("--private needs a model: name it with -m")
            other = {
                "--index": index, "--lists": lists, "--item-text": item_text, "--checkpoints": checkpoints,
                "--training-log": training_log, "--curve": curve, "--metric": metric, "--repeat": repeat,
                "--seed": seed, "--users": reading.users,
                "--min-support": None if min_support == 1 else min_support,
            }  # fmt: skip
            fit_privately(
                logs, reading, private, output=output, model=model, ledger=ledger, key=ledger_key, budget=budget,
                threads=threads, other=other, as_json=as_json,
            )  # fmt: skip
            return
        if ledger is not None or ledger_key is not None:
            raise ParameterError("--ledger and --ledger-key apply to --private")
        seed = seed or 0
        if resume and checkpoints is None:
            raise ParameterError("--resume continues from a checkpoint: name its folder with --checkpoints")
        if model is not None and (budget is not None or metric is not None or (repeat and lists is None)):
            raise ParameterError("--budget, --metric and --repeat apply only when no model is given with -m")
        if lists is None and (k is not None or spreadsheet):
            raise ParameterError("-k and --spreadsheet apply to lists: name their file with --lists")
        length = LENGTH if k is None else k
        check_k(length)
        if model is None and (checkpoints or training_log or curve):
            raise ParameterError("--checkpoints, --training-log and --curve need a model: name it with -m")
        if curve and not curve.endswith(".svg"):
            raise ParameterError(f"--curve writes an SVG file: name it {Path(curve).stem}.svg")
        if metric is not None:
            from penchant.evaluation.measure import parse_metric

            parse_metric(metric)
        if model is None and updatable:
            raise ParameterError("--updatable needs a model: name it with -m")
        if model is None and index:
            raise ParameterError("--index needs a model: name it with -m")
        named = None if model is None else parse(model)
        if named is not None and index:
            from penchant.recommender.indexing import check_can_have_index

            check_can_have_index(named)
        force = reading.force
        if lists is not None and awaits(Path(output), Path(lists)):  # the same command was stopped between the two
            force = True
        refuse(Path(output), force=force, marker=MANIFEST)  # fail before the work, not after it
        if curve is not None:
            check_file(curve, force=force)
        if lists is not None:
            check_lists(lists, force=force, spreadsheet=spreadsheet)
        if training_log is not None:
            check_file(training_log, force=force, ours=is_training_log)
        checkpoint = None if checkpoints is None else Path(checkpoints) / CHECKPOINT
        if checkpoint is not None:
            reachable_file(checkpoint)
        reading = reading.with_logs(logs)
        check_inputs([output, curve, training_log, checkpoint, lists], reading, *models_in_files([model]))
        log, catalog = read_log(reading)
        if min_support != 1:
            from penchant.data.support import supported

            log, catalog, rare = supported(log, min_support, catalog)
            note(rare)
        with progress() as report:
            run = Run(seed, threads, device, report, checkpoints, resume, training_log, ignore_plan=ignore_plan)
            chosen: Model | Choice
            encoder = None
            if item_text is not None:
                catalog, encoder = with_text(catalog, training_rows(log)[0], item_text, seed=seed)
            if named is not None:
                chosen = named
            else:
                from penchant.training.choose import choose

                chosen = choose(
                    log,
                    catalog=catalog,
                    metric=metric or METRIC,
                    budget=BUDGET if budget is None else budget,
                    repeat=repeat or None,
                    run=run,
                )
            about: dict[str, Any] = {"index": index, "updatable": updatable, "encoder": encoder}
            recommender = fit_model(log, chosen, catalog=catalog, run=run, infer=infer, **about)
            if lists is None:
                recommender.save(output, force=force)
            else:  # both are complete before either appears

                def save() -> None:
                    recommender.save(output, force=force, awaited=Path(lists))

                users = recommender.write_all(
                    training_rows(log)[0], lists, length, repeat=repeat, progress=report, spreadsheet=spreadsheet,
                    force=force, before=save,
                )  # fmt: skip
                settle(Path(output))
        if curve is not None:
            _draw(recommender.model, curve)
        seen = recommender.fitted_on
        if seen["test_rows_left_out"]:
            note(f"{seen['test_rows_left_out']:,} rows with split=test were not used")
        for line in seen["notes"]:
            note(line)
        name = recommender.model.name
        if as_json:
            version = recommender.version
            written = {} if lists is None else {"lists": {"file": lists, "users": users, "k": length}}
            model_said = {"name": name, "version": version}
            print_json({"folder": output, "model": model_said, "fitted_on": seen, **written})
            return
        if isinstance(chosen, Choice):
            show(chosen.table(), "")
        say(f"{output}: {name} fitted in {seen['seconds']:.1f} s {_sizes(seen)}")
        if lists is not None:
            say(f"{lists}: up to {length} items for each of {users:,} users")


def _sizes(seen: dict[str, Any]) -> str:
    """The size of the training data, and the share of positives if not all events are."""
    who = "sessions" if seen["sessions"] else "users"
    if seen["positives"] == seen["events"]:
        return f"on {seen['events']:,} events of {seen['histories']:,} {who} and {seen['items']:,} items"
    return (
        f"({seen['positives']:,} positive of {seen['events']:,} events, {seen['histories_with_positives']:,} of "
        f"{seen['histories']:,} {who}, {seen['items']:,} of {seen['items_in_log']:,} items)"
    )


def _draw(model: Model, file: str) -> None:
    """Draw the learning curve of a model that is trained in epochs."""
    from pathlib import Path

    from penchant.core.outputs import replacing_file
    from penchant.models.kinds.iterative import Iterative
    from penchant.models.neural.training.curve import learning_curve

    history = model.history if isinstance(model, Iterative) else []
    if not history:
        note(f"{model.name} is not trained in epochs: there is no learning curve")
        return
    measured = next((key for key in history[0] if key.startswith(("ndcg", "-rmse"))), "loss")
    with replacing_file(Path(file)) as fresh:
        fresh.write_text(learning_curve({model.name: history}, measured), encoding="utf-8")
