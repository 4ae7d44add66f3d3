"""``penchant similar-users``: the stored histories most similar to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli.recommend import Folder, Items, resolve
from penchant.cli.render import AsJson, example, note, print_json, show
from penchant.errors import ParameterError

if TYPE_CHECKING:
    from rich.table import Table

    from penchant.core.histories import Floats, Histories
    from penchant.recommender.recommender import Recommender

K = Annotated[int, typer.Option("-k", help="How many histories.")]
SHOWN = 5  # titles of a neighbour that the table shows


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("similar-users", epilog=example("penchant similar-users model/ --history Dune --history Hyperion"))(
        similar_users
    )


def similar_users(folder: Folder, history: Items = None, k: K = 10, as_json: AsJson = False) -> None:
    """List the training histories most similar to one, without their owners."""
    from penchant.core.rank import check_k
    from penchant.models.kinds.neighbours import NeighbourModel
    from penchant.recommender.recommender import load

    check_k(k)
    recommender = load(folder)
    model = recommender.model
    if not isinstance(model, NeighbourModel):
        raise ParameterError(
            f"{type(model).name} does not store training histories, so it cannot show similar ones: "
            "fit a model that does, such as user-knn"
        )
    if not history:
        raise ParameterError("give a history: --history ITEM, once per item")
    given, _ = recommender.histories(resolve(recommender, history))
    near, similarities = model.neighbours(given, k)
    ids = recommender.vocab.ids
    if as_json:
        found = [
            {"similarity": float(similarity), "items": [ids[item] for item in near.row(row)]}
            for row, similarity in enumerate(similarities)
        ]
        print_json({"neighbours": found})
    elif len(near):
        show(_table(recommender, given, near, similarities))
    if not len(near):
        note("no training history is similar to it")


def _table(recommender: Recommender, given: Histories, near: Histories, similarities: Floats) -> Table:
    from rich.table import Table

    ids = recommender.vocab.ids
    table = Table("similarity", "in common", "also contains", box=None)
    for row, similarity in enumerate(similarities):
        items = near.row(row).tolist()
        names = {item: recommender.title(item) or ids[item] for item in items}
        common = [names[item] for item in items if item in given.items]
        besides = [names[item] for item in items if item not in given.items]
        table.add_row(f"{similarity:.3f}", _shortened(common), _shortened(besides))
    return table


def _shortened(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
