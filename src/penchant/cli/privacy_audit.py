"""``penchant privacy audit`` and ``penchant privacy ledger``: what a model reveals, and what was released."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from penchant.cli.options import ReadOptions, read_log
from penchant.cli.outputs import check_file, check_inputs
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, example, note, print_json, say, show

Members = Annotated[list[str], typer.Option("--members", metavar="LOG", help="A log of people who were in training.")]
Others = Annotated[list[str], typer.Option("--others", metavar="LOG", help="A log of people who were not.")]


def add(privacy: typer.Typer) -> None:
    """Add the commands to the group."""
    privacy.command(
        epilog=example(
            "penchant privacy audit model/ --members train.csv --others held-out.csv",
            "penchant privacy audit model/ --members train.csv --others held-out.csv --html audit.html --canaries 0",
        )
    )(reading_options(audit))
    privacy.command(epilog=example("penchant privacy ledger privacy-ledger.jsonl model/"))(ledger)


def audit(
    folder: Annotated[str, typer.Argument(metavar="FOLDER")],
    members: Members,
    others: Others,
    reading: ReadOptions,
    shadows: Annotated[
        int, typer.Option("--shadows", help="Models fitted for the likelihood ratio, an even number; 0: without.")
    ] = 4,
    canaries: Annotated[
        int, typer.Option("--canaries", help="Planted people, half of whom are in a refit; 0: without.")
    ] = 100,
    seed: Annotated[int, typer.Option("--seed", help="The seed of what is drawn.")] = 0,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Also write the report with curves.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Attack a recommender: can it be told who was in its training data?"""
    from penchant.core.outputs import replacing_file
    from penchant.privacy.audit import audit as attack
    from penchant.privacy.audit_report import html as page
    from penchant.privacy.audit_report import said, table
    from penchant.recommender.recommender import load

    logs = [reading.with_logs(list(paths)) for paths in (members, others)]
    if html is not None:
        check_file(html, force=reading.force)
        for one in logs:
            check_inputs([html], one)
    recommender = load(folder)
    known_contexts = recommender.recipe.contexts or None
    inside, outside = (
        read_log(replace(one, known_contexts=known_contexts, known_people=recommender.recipe.people))[0] for one in logs
    )
    found = attack(recommender, inside, outside, shadows=shadows, canaries=canaries, seed=seed, progress=note)
    if html is not None:
        with replacing_file(Path(html)) as fresh:
            fresh.write_text(page(found), encoding="utf-8")
    if as_json:
        print_json(found.to_json())
        return
    show(table(found))
    for line in said(found):
        say(line)


def ledger(
    file: Annotated[str, typer.Argument(metavar="LEDGER")],
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="[FOLDER]...", help="Private releases that the ledger must hold.")
    ] = None,
    ledger_key: Annotated[
        str | None, typer.Option("--ledger-key", metavar="FILE", help="The key that signs it (default: LEDGER.key).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the ledger of private releases, line by line and against releases, and list it."""
    from penchant.errors import DataError
    from penchant.privacy.ledger import Ledger, ledger_of
    from penchant.privacy.ledger_key import LedgerKey
    from penchant.recommender.recommender import load

    kept = Ledger(Path(file), None if ledger_key is None else Path(ledger_key))
    if not kept.file.is_file():
        raise DataError("there is no such ledger", file=file)
    entries = kept.entries(LedgerKey.open(kept.key_file, make=False).public)
    for folder in folders or []:
        kept.check_holds(entries, ledger_of(load(folder).fitted_on))
    if as_json:
        print_json([dict(entry.stated) for entry in entries])
        return
    for entry in entries:
        one = entry.stated
        say(
            f"{one['number']}  {one['when']}  {one['population']}: {one['model']}, epsilon {one['epsilon']:g}, delta "
            f"{one['delta']:g}; total epsilon {one['total']['epsilon']:.3g} at delta {one['total']['delta']:.3g}"
        )
    say(f"{file} is intact: {len(entries)} releases, each signed and chained to the one before")
