"""``penchant segment``: the people who most likely want an item or a category."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from penchant.cli.options import Log, ReadOptions, read_log
from penchant.cli.outputs import check_file, check_inputs
from penchant.cli.reading_options import reading_options
from penchant.cli.recommend import Folder, as_learned, resolve
from penchant.cli.render import AsJson, example, print_json, say
from penchant.core.outputs import replacing_file
from penchant.core.spreadsheets import harmless
from penchant.errors import ParameterError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=example(
            "penchant segment model/ --item Dune -k 1000 --log events.csv -o people.csv",
            """penchant segment model/ --where '{"attribute": "genre", "in": ["drama"]}' --log events.csv""",
        )
    )(reading_options(segment))


def segment(
    folder: Folder,
    reading: ReadOptions,
    item: Annotated[
        str | None, typer.Option("--item", metavar="ITEM", help="The item: an id or part of a title.")
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="JSON", help="A condition on items: a category.")
    ] = None,
    log: Log = None,
    k: Annotated[int, typer.Option("-k", help="How many people.")] = 1000,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="A .csv file for them.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the people who most likely want an item, or one of a category, and estimate the lift of choosing them."""
    import numpy as np

    from penchant.core.rank import check_k
    from penchant.data.conditions import check_where, holds
    from penchant.recommender.placing import CatalogShelf
    from penchant.recommender.recommender import load
    from penchant.recommender.segments import segment as find

    check_k(k)
    if (item is None) == (where is None):
        raise ParameterError("name an item with --item, or a category with --where")
    reading = reading.with_logs(log)
    check_inputs([output], reading, folder)
    if output is not None:
        if Path(output).suffix != ".csv":
            raise ParameterError(f"people are written to a .csv file, not to {Path(output).name}")
        check_file(output, force=reading.force)
    recommender = load(folder)
    if item is not None:
        items = np.array([recommender.index(one) for one in resolve(recommender, [item])], np.int32)
    else:
        try:
            condition = json.loads(where or "")
        except ValueError:
            raise ParameterError(f"--where is JSON, not {str(where)[:80]!r}") from None
        check_where(condition, "where")
        items = np.flatnonzero(holds(condition, CatalogShelf(recommender))).astype(np.int32)
    events, _ = read_log(as_learned(recommender, reading))
    found = find(recommender, events, items, k)
    if output is not None:
        lines = [f"{_quoted(user)},{score:.6g}\n" for user, score in zip(found.people, found.scores, strict=True)]
        with replacing_file(Path(output)) as fresh:
            fresh.write_text("user,score\n" + "".join(lines), encoding="utf-8")
    if as_json:
        print_json(
            found.to_json() if output is None else {**found.to_json(), "people": len(found.people), "file": output}
        )
        return
    for user, score in list(zip(found.people, found.scores, strict=True))[: 20 if output is None else 0]:
        say(f"{user}  {score:.3f}")
    one = found.lift
    said = "too few people took it last for an estimate of the lift"
    if one is not None:
        said = (
            f"lift {one.lift:.1f} ({one.low:.1f} to {one.high:.1f}): of {one.chosen:,} chosen an event ago "
            f"{one.hits:,} took it next, of all {one.people:,} people {one.taken:,}"
        )
    say(f"{len(found.people):,} people; {said}")


def _quoted(text: str) -> str:
    safe = harmless(text)
    return '"' + safe.replace('"', '""') + '"' if any(sign in safe for sign in ',"\n\r') else safe
