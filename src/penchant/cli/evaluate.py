"""``penchant evaluate``: compare models on the same cases of a log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli.options import Logs, ReadOptions, read_log
from penchant.cli.outputs import check_inputs, models_in_files
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, IgnorePlan, Threads, example, note, print_json, progress, show
from penchant.errors import ParameterError

if TYPE_CHECKING:
    from penchant.core.histories import Histories
    from penchant.data.interactions import Interactions

SPLIT_HELP = (
    "leave-last, next-basket, time[:q=.8], users[:f=.1], random:K or column[:NAME]; without it, one is chosen and "
    "explained."
)

Candidates = Annotated[
    Path | None, typer.Option("--candidates", help="Rank only these items: a file of user,item rows or of lists.")
]
Repeat = Annotated[bool, typer.Option("--repeat", help="Also count items seen in training as answers.")]
KnownOnly = Annotated[bool, typer.Option("--known-only", help="Ignore true items that training never saw.")]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog=example(
            "penchant evaluate events.csv -m popular -m item-knn:neighbours=200 --split leave-last",
            "penchant evaluate ratings.csv -m item-knn --split random:5 --metrics rmse,mae",
        )
    )
    @reading_options
    def evaluate(
        logs: Logs,
        model: Annotated[
            list[str], typer.Option("--model", "-m", help="NAME, NAME:param=value,... or @FILE.json; may be repeated.")
        ],
        reading: ReadOptions,
        split: Annotated[str | None, typer.Option("--split", help=SPLIT_HELP)] = None,
        candidates: Candidates = None,
        repeat: Repeat = False,
        refit: Annotated[bool, typer.Option("--refit", help="Also fit on the validation rows.")] = False,
        known_only: KnownOnly = False,
        metrics: Annotated[
            str | None, typer.Option("--metrics", help="Names, with or without a cut-off: ndcg@20,recall,auc,rmse.")
        ] = None,
        k: Annotated[int, typer.Option("-k", min=1, help="The length of the lists.")] = 10,
        seed: Annotated[int, typer.Option("--seed", help="The seed of folds, models and intervals.")] = 0,
        threads: Threads = 0,
        ignore_plan: IgnorePlan = False,
        as_json: AsJson = False,
    ) -> None:
        """Fit models on the training part of a log and compare their lists with what people did next."""
        from penchant.core.run import Run
        from penchant.evaluation.evaluate import evaluate as compare
        from penchant.evaluation.measure import parse_metrics
        from penchant.models.registry import parse

        if metrics is not None:
            parse_metrics(metrics, k)  # before the log is read
        for text in model:
            parse(text)
        reading = split_column(reading.with_logs(logs), split)
        check_inputs([], reading, candidates, *models_in_files(model))
        log, catalog = read_log(reading)
        with progress() as report:
            found = compare(
                log,
                model,
                split=split,
                k=k,
                metrics=metrics,
                seed=seed,
                repeat=repeat or None,
                refit=refit,
                known_only=known_only,
                candidates=given_candidates(candidates, log),
                catalog=catalog,
                run=Run(seed, threads, progress=report, ignore_plan=ignore_plan),
            )
        for result in found.models:
            for line in (*result.notes, *([result.error] if as_json and result.error else ())):
                note(f"{result.label}: {line}")
        if as_json:
            for line in found.notes:
                note(line)
            print_json(found.to_json())
            return
        show(found.table())


def given_candidates(file: Path | None, log: Interactions) -> Histories | None:
    """The lists of ``--candidates``; unknown users and items are noted on standard error."""
    from penchant.evaluation.candidates import read_candidates

    return None if file is None else read_candidates(file, log, note)


def split_column(reading: ReadOptions, split: str | None) -> ReadOptions:
    """Make ``--split column:NAME`` name the column of parts for the reader as well."""
    from penchant.evaluation.protocols import Protocol

    protocol = None if split is None else Protocol.parse(split)
    if protocol is None or protocol.column is None:
        return reading
    named = [part for part in (reading.columns or "").split(",") if part.strip()]
    for part in named:
        role, _, name = part.partition("=")
        if role.strip() == "split" and name.strip() != protocol.column:
            raise ParameterError(f"--split names column {protocol.column!r}, but --columns names {name.strip()!r}")
    named = [part for part in named if part.partition("=")[0].strip() != "split"]
    return replace(reading, columns=",".join([*named, f"split={protocol.column}"]))
