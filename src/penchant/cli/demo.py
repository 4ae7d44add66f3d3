"""``penchant demo``: from raw ratings to explained recommendations, on bundled data."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from penchant.cli.render import AsJson, example, print_json, progress, show

MODELS = ("random", "popular", "user-knn", "item-knn", "transitions", "ease")  # one of each kind, fitted in seconds
SERVED = "item-knn"  # has exact explanations and is fitted in a moment
POSITIVE = "value>=3.5"
TITLES = ("Matrix, The (1999)", "Blade Runner (1982)", "Star Wars: Episode IV - A New Hope (1977)")
METRICS = "hit,ndcg,coverage"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=example("penchant demo", 'penchant demo "Toy Story (1995)" "Shrek (2001)" "Finding Nemo"'))
    def demo(
        titles: Annotated[
            list[str] | None,
            typer.Argument(metavar="TITLE", help="Films that someone likes: a title or a unique part of it."),
        ] = None,
        k: Annotated[int, typer.Option("-k", min=1, help="How many recommendations.")] = 10,
        serve: Annotated[bool, typer.Option("--serve", help="Start the live service on these films instead.")] = False,
        port: Annotated[int | None, typer.Option("--port", help="With --serve: the port to listen on.")] = None,
        traffic: Annotated[bool, typer.Option(help="With --serve: simulate visits of people in the data set.")] = True,
        as_json: AsJson = False,
    ) -> None:
        """Compare models on MovieLens, then recommend for someone who likes the given films, and explain it."""
        if serve:
            from penchant.cli.serve import serve_demo

            serve_demo(SERVED, positive=POSITIVE, port=port, traffic=traffic)
            return
        from penchant.cli.reasons import stacked
        from penchant.cli.resolve import resolve_items
        from penchant.core.run import Run
        from penchant.data.datasets import load_movielens_small
        from penchant.evaluation.evaluate import evaluate
        from penchant.training.fit import fit

        start = time.perf_counter()
        log, catalog = load_movielens_small(positive=POSITIVE)
        liked = resolve_items(log.vocab, catalog, titles or TITLES)
        with progress() as report:
            run = Run(progress=report)
            compared = evaluate(log, MODELS, split="leave-last", k=10, metrics=METRICS, run=run)
            best = next(result for result in compared.models if result.best)
            recommender = fit(log, best.label, catalog=catalog, run=run)
        answer = recommender.recommend(liked, k, why=True)
        if as_json:
            print_json({"evaluation": compared.to_json(), "recommendations": answer.to_json()})
            return
        show(
            f"MovieLens: {len(log):,} ratings of {log.n_items:,} films by {log.n_users:,} people. "
            "Can a model find the last film that each person liked (3.5 stars or more) among all of them?\n",
            compared.table(),
            f"\nSomeone new likes these films. The best model above, {best.label}, fitted on all ratings, "
            "recommends:\n",
            stacked(answer, [(item_id, catalog.title(log.vocab.index(item_id)) or item_id) for item_id in liked]),
            _closing(time.perf_counter() - start),
        )


def _closing(seconds: float) -> Any:
    from rich.text import Text

    lines = (
        f"\n{seconds:.0f} s from raw ratings to here. The same with your own file:",
        "  penchant inspect events.csv",
        "  penchant fit events.csv --items items.csv -o model/",
        "  penchant recommend model/ --history ITEM --history ITEM --why",
    )
    return Text("\n".join(lines))
