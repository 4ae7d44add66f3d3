"""``penchant opinion``: what texts say for and against, learned from stars or read with a word list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli.outputs import check_file
from penchant.cli.render import AsJson, example, note, print_json, say
from penchant.core.outputs import refuse_inputs, replacing_file
from penchant.errors import ParameterError

if TYPE_CHECKING:
    import polars as pl

File = Annotated[str, typer.Argument(metavar="FILE", help="A table of texts, in any format that logs may have.")]
TextColumn = Annotated[str, typer.Option("--text", metavar="C", help="The column of texts: a name, or a number.")]
Separator = Annotated[str | None, typer.Option("--sep", help="The separator of delimited text.")]
Encoding = Annotated[str | None, typer.Option("--encoding", help="The encoding of text.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what exists.")]
ADDED = ("opinion", "probability", "low", "high", "words")
ENDINGS = (".parquet", ".jsonl", ".csv")
SCORED = 65_536  # rows at a time


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Learn opinions from reviews with stars, and score texts.", no_args_is_help=True)
    group.command(
        "learn",
        epilog=example("penchant opinion learn reviews.csv --text review --stars rating -o opinion/"),
    )(learn)
    group.command(
        "score",
        epilog=example(
            "penchant opinion score comments.csv --text comment --with opinion/ -o scored.parquet",
            "penchant opinion score comments.csv --text comment -o scored.csv",
        ),
    )(score)
    app.add_typer(group, name="opinion")


def learn(
    file: File,
    text: TextColumn,
    stars: Annotated[str, typer.Option("--stars", metavar="C", help="The column of stars, or of labels 0 and 1.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to write.")],
    scale: Annotated[
        str | None, typer.Option("--scale", metavar="LOW:HIGH", help="The ends of the scale; by default, found.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The seed of all random numbers.")] = 0,
    sep: Separator = None,
    encoding: Encoding = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Learn opinions from texts with stars of any range, or with labels 0 and 1."""
    import polars as pl

    from penchant.data.reading.tables import read_table
    from penchant.recommender.folder.atomic import refuse
    from penchant.recommender.folder.opinion import ARRAYS, save_opinion
    from penchant.text.learned_opinion import LearnedOpiner

    ends = None if scale is None else _scale(scale)
    refuse_inputs(Path(output), [Path(file)] if Path(file).exists() else [])
    refuse(Path(output), force=force, marker=ARRAYS)
    frame = read_table(file, [text, stars], sep=sep, encoding=encoding)
    labels = frame.to_series(1).cast(pl.Float64, strict=False).fill_null(float("nan"))
    texts = frame.to_series(0).cast(pl.String).to_list()
    opiner, _ = LearnedOpiner.learn(texts, labels.to_numpy(), scale=ends, seed=seed)
    save_opinion(opiner, output, force=force)
    facts = opiner.facts
    if as_json:
        print_json({"folder": output, "rows": frame.height, **facts})
        return
    say(
        f"{output}: learned from {facts['texts']:,} of {frame.height:,} texts, {facts['positive']:,} of them positive; "
        f"on texts held out, accuracy {facts['accuracy']:.3f} and AUC {facts['auc']:.3f}"
    )


def score(
    file: File,
    text: TextColumn,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="A .parquet, .jsonl or .csv file to write.")
    ],
    learned: Annotated[
        str | None,
        typer.Option("--with", metavar="FOLDER", help="Opinions that were learned; without it, the word list."),
    ] = None,
    sep: Separator = None,
    encoding: Encoding = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Add the opinion of each text to a table: opinion (-1 to 1), probability of a positive one, low and high ends of
    its interval, and the words that decided it."""
    import polars as pl

    from penchant.data.reading.tables import read_table
    from penchant.recommender.folder.opinion import load_opinion
    from penchant.text.lexicon import LexiconOpiner
    from penchant.text.opinion import Opiner

    if Path(output).suffix not in ENDINGS:
        raise ParameterError(f"opinions are written to a .parquet, .jsonl or .csv file, not to {Path(output).name!r}")
    refuse_inputs(Path(output), [Path(one) for one in (file, learned) if one is not None and Path(one).exists()])
    check_file(output, force=force)
    opiner: Opiner = LexiconOpiner() if learned is None else load_opinion(learned)
    frame = read_table(file, [text], sep=sep, encoding=encoding)
    texts = frame.to_series(0).cast(pl.String).to_list()
    if taken := [name for name in ADDED if name in frame.columns]:
        note(f"the column {taken[0]!r} of the table is replaced")
        frame = frame.drop(taken)
    found = [opiner.score(texts[lo : lo + SCORED]) for lo in range(0, len(texts), SCORED)]
    added: dict[str, pl.Series] = {
        name: pl.concat([pl.Series(name, getattr(part, name), dtype=pl.Float64) for part in found])
        for name in ADDED[:4]
    }
    added["words"] = pl.Series("words", [named for part in found for named in part.words], dtype=pl.List(pl.String))
    _write(frame.with_columns(**added), Path(output))
    empty = sum(not (one or "").strip() for one in texts)
    if empty:
        note(f"{empty:,} texts are empty: they get the prior and a wide interval")
    print_json({"file": output, "rows": len(texts), "empty": empty, "with": learned or "lexicon"}) if as_json else say(
        f"{output}: the opinions of {len(texts):,} texts"
    )


def _write(frame: pl.DataFrame, output: Path) -> None:
    import polars as pl

    with replacing_file(output) as fresh:
        if output.suffix == ".parquet":
            frame.write_parquet(fresh)
        elif output.suffix == ".jsonl":
            frame.write_ndjson(fresh)
        else:
            frame.with_columns(pl.col("words").list.join(" ")).write_csv(fresh)


def _scale(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError:
        raise ParameterError(f"--scale is two numbers, as in 1:5, not {text[:40]!r}") from None
