"""``penchant recommend``, ``similar``, ``explain`` and ``search``: answers from a saved recommender."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli.options import Log, ReadOptions, read_log
from penchant.cli.outputs import check_inputs, check_lists
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, example, note, print_json, progress, say, show
from penchant.cli.resolve import resolve_items
from penchant.cli.stores import need_store
from penchant.errors import InputError, ParameterError
from penchant.recommender.answer import NOTHING_LEFT

if TYPE_CHECKING:
    from penchant.placements.placement import Placement
    from penchant.recommender.recommender import Recommender
    from penchant.store.exposing import BatchExposures

DEFAULT_CONFIG = "penchant.toml"
Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="A saved recommender.")]
Stated = Annotated[
    str | None,
    typer.Option("--context", metavar="NAME=VALUE,...", help="What holds now: mood=sad,companion=children."),
]
K = Annotated[int, typer.Option("-k", help="How many items.")]
Items = Annotated[
    list[str] | None,
    typer.Option("--history", metavar="ITEM", help="An item of the history, oldest first: an id or part of a title."),
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", metavar="ITEM", help="An item to leave out.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=example(
            "penchant recommend model/ --history Dune --history Hyperion --why",
            "penchant recommend model/ --user 42 --log events.csv",
            "penchant recommend model/ --user 42 --users people.csv --context mood=sad",
            "penchant recommend model/ --all --log events.csv -o lists.parquet",
            "penchant recommend model/ --placement mail --all --log events.csv -o mail.csv --why",
        )
    )(reading_options(recommend))
    app.command(epilog=example("penchant similar model/ Dune"))(similar)
    app.command(epilog=example("penchant search model/ 'a quiet thriller'"))(search)
    app.command(epilog=example("penchant explain model/ --history Dune --history Hyperion --item Foundation"))(explain)


def recommend(
    folder: Folder,
    reading: ReadOptions,
    history: Items = None,
    user: Annotated[str | None, typer.Option("--user", help="A user of the log.")] = None,
    session: Annotated[
        str | None, typer.Option("--session", help="A session of the log: one without a user, if it has users.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All users of the log, into a file.")] = False,
    log: Log = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="With --all: a .parquet, .jsonl or .csv file.")
    ] = None,
    spreadsheet: Annotated[
        bool, typer.Option("--spreadsheet", help="In a .csv file, also keep ids from running as formulas.")
    ] = False,
    expose: Annotated[
        str | None,
        typer.Option("--expose", metavar="URL", help="With --all: a store to write the lists to, as shown."),
    ] = None,
    placement: Annotated[
        str | None,
        typer.Option("--placement", help="A placement of --config; with --expose also any name of the spot."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="FILE", help="Where placements are declared (default: penchant.toml)."),
    ] = None,
    k: K = 10,
    why: Annotated[bool, typer.Option("--why", help="Explain each recommendation.")] = False,
    exclude: Exclude = None,
    repeat: Annotated[bool, typer.Option("--repeat", help="Also recommend items already seen.")] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Look at every item although the model has an index.")] = False,
    context: Stated = None,
    need: Annotated[
        str | None, typer.Option("--need", metavar="WORDS", help="What is wanted now: 'a quiet thriller for two'.")
    ] = None,
    most_impressions: Annotated[
        int,
        typer.Option(
            "--most-impressions", min=0, help="Leave out items seen so often without another event; 0: no limit."
        ),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Recommend for a given history, for one user or session of a log, or for all users."""
    from dataclasses import replace

    from penchant.core.rank import check_k
    from penchant.data.contexts import parse_stated
    from penchant.evaluation.protocols import training_rows
    from penchant.recommender.recommender import load

    check_k(k)
    stated = parse_stated(context)
    if [bool(history), user is not None, session is not None, everyone].count(True) != 1:
        raise ParameterError(
            "give a history: --history ITEM (once per item), --user U or --session S with --log LOG, or --all --log LOG"
        )
    has_log = bool(log or reading.sql or reading.store or reading.store_url_file)
    if bool(history) == has_log and not (user is not None and reading.users):
        raise ParameterError(
            "--user, --session and --all need --log LOG, --store URL or --sql QUERY; --history does not take them"
        )
    if everyone != (output is not None):
        raise ParameterError("--all needs -o FILE, and only --all takes it")
    spot = _placement(placement, config, needed=expose is None)
    if everyone and ((why and spot is None) or exclude or stated or need is not None):
        raise ParameterError("--all does not take --exclude, --context or --need, and --why only with a placement")
    if spot is not None and (repeat or exact or most_impressions or need is not None):
        raise ParameterError(
            "a placement decides what is shown: --repeat, --exact, --most-impressions and --need do not apply"
        )
    if expose is not None and not everyone:
        raise ParameterError("--expose applies to --all")
    if history and most_impressions:
        raise ParameterError("--most-impressions needs the impressions of a log: give --user, --session or --all")
    if most_impressions and repeat:
        raise ParameterError("--most-impressions leaves items out, and --repeat includes those seen: give one of them")
    if spreadsheet and output is None:
        raise ParameterError("--spreadsheet applies to a .csv file: name one with -o")
    if not history:
        reading = reading.with_logs(log)
        check_inputs([output], reading, folder)
    if output is not None:
        check_lists(output, force=reading.force, spreadsheet=spreadsheet)  # fail before the work, not after it
    recommender = load(folder)
    if reading.users and not recommender.recipe.people:
        raise ParameterError("this model knows no attributes of users: fit it with --users")
    if user is not None and reading.user_table is not None:
        reading = reading.with_people()
        if not has_log and str(user) not in reading.user_table.rows:
            raise InputError(f"the user table has no user {user[:80]!r}")
        stated = {**recommender.recipe.known_of(reading.user_table.of(user)), **(stated or {})}
    for line in recommender.model.notes:
        note(line)
    if history or not has_log:
        ids, unwanted = resolve(recommender, history or ()), resolve(recommender, exclude or ())
        answer = recommender.recommend(
            ids, k, exclude=unwanted, repeat=repeat, why=why, exact=exact, context=stated, need=need, placement=spot
        )
        answer = replace(answer, user=user)
    else:
        whole, _ = read_log(as_learned(recommender, reading))
        events, left_out = training_rows(whole)
        if left_out:
            note(f"{left_out:,} rows with split=test were left out of the histories")
        if everyone:
            assert output is not None  # checked above
            with (
                progress() as report,
                _exposing(recommender, expose, placement or "batch", sessions=events.sessions) as exposed,
            ):
                written = recommender.write_all(
                    events,
                    output,
                    k,
                    repeat=repeat,
                    progress=report,
                    spreadsheet=spreadsheet,
                    force=reading.force,
                    each=exposed,
                    exact=exact,
                    most_impressions=most_impressions,
                    placement=spot,
                    why=why,
                )
            k = k if spot is None else spot.k
            document = {"file": output, "users": written, "k": k}
            document |= {} if exposed is None else {"exposures": exposed.written}
            print_json(document) if as_json else say(f"{output}: up to {k} items for each of {written:,} users")
            return
        unwanted = resolve(recommender, exclude or ())
        guest = session is not None and not events.sessions
        try:
            given, unknown = recommender.translation.of_user(events, user if session is None else session, guest=guest)
        except InputError:
            if user is None or reading.user_table is None or str(user) not in reading.user_table.rows:
                raise
            given, unknown = recommender.histories([], context=stated)  # somebody new, of whom the table knows
        answer = recommender.recommend(
            given,
            k,
            exclude=unwanted,
            repeat=repeat,
            why=why,
            exact=exact,
            context=stated,
            most_impressions=most_impressions,
            need=need,
            placement=spot,
            person=user if session is None else session,
            now=None if spot is None or events.times is None else int(events.times.max(initial=0)),
        )
        answer = replace(answer, user=user, session=session, unknown=unknown)
    if not as_json:
        show(answer.table())
        return
    print_json(answer.to_json())
    if not answer:
        note(NOTHING_LEFT)


def _placement(name: str | None, config: str | None, *, needed: bool) -> Placement | None:
    """The placement of a name in a file of settings; None without a name, or for one that only labels exposures."""
    if name is None:
        if config is not None:
            raise ParameterError("--config names where placements are: give one with --placement")
        return None
    from pathlib import Path

    from penchant.placements.reading import named, read_placements

    file = config or (DEFAULT_CONFIG if Path(DEFAULT_CONFIG).is_file() else None)
    if file is None and needed:
        raise ParameterError(
            f"--placement {name}: name the file of placements with --config, or write {DEFAULT_CONFIG}"
        )
    known = {} if file is None else read_placements(file)
    return named(known, name) if needed or name in known else None


@contextmanager
def _exposing(
    recommender: Recommender, url: str | None, placement: str, *, sessions: bool
) -> Iterator[BatchExposures | None]:
    """What writes lists to a store as exposures; None without a store."""
    if url is None:
        yield None
        return
    need_store()
    from penchant.serve.common.settings import load as settings_of
    from penchant.store.events import EventStore
    from penchant.store.exposing import BatchExposures, checked_placement

    settings = settings_of({"store": url})
    checked_placement(placement)
    store = EventStore(settings.store, secret=settings.secret or None)
    store.open()
    try:
        yield BatchExposures(store, recommender.vocab, recommender.version, placement, sessions=sessions)
    finally:
        store.close()


def similar(folder: Folder, item: Annotated[str, typer.Argument()], k: K = 10, as_json: AsJson = False) -> None:
    """List the items most similar to one."""
    from penchant.recommender.recommender import load

    recommender = load(folder)
    (item_id,) = resolve(recommender, [item])
    answer = recommender.similar(item_id, k)
    title = recommender.title(recommender.index(item_id)) or item_id
    if as_json:
        print_json(answer.to_json())
    elif answer:
        show(answer.table(f"Similar to {title}"))
    if not answer:
        note(f"no item is similar to {title}")


def search(
    folder: Folder,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What is wanted, in words.")],
    history: Items = None,
    k: K = 10,
    as_json: AsJson = False,
) -> None:
    """Search the items by words and, where their texts have vectors, by meaning; with a history, by taste too."""
    from penchant.recommender.recommender import load

    recommender = load(folder)
    answer = recommender.search(words, k, history=resolve(recommender, history) if history else None)
    if as_json:
        print_json(answer.to_json())
    elif answer:
        show(answer.table(f"Found for {words}"))
    if not answer:
        note(f"nothing was found for {words}")


def explain(
    folder: Folder,
    item: Annotated[str, typer.Option("--item", metavar="ITEM", help="The item to explain.")],
    history: Items = None,
    as_json: AsJson = False,
) -> None:
    """Show what each event of a history contributes to the score of one item."""
    from penchant.recommender.recommender import load

    recommender = load(folder)
    ids, (wanted,) = resolve(recommender, history or ()), resolve(recommender, [item])
    answer = recommender.explain(ids, wanted)
    held = [f"{answer.label} is already in the history, so it would not be recommended."] if wanted in ids else []
    if not as_json:
        show(answer.table(*held))
        return
    print_json(answer.to_json())
    for line in held:
        note(line)


def resolve(recommender: Recommender, texts: Sequence[str]) -> list[str]:
    """The ids of ITEM arguments."""
    return resolve_items(recommender.vocab, recommender.catalog, texts)


def as_learned(recommender: Recommender, reading: ReadOptions) -> ReadOptions:
    """Reading options whose defaults are those of the training log; a prepared log has settled its own."""
    from dataclasses import replace
    from pathlib import Path

    from penchant.data.reading.columns import CANCELS
    from penchant.data.reading.places import is_prepared

    if any(isinstance(one, Path) and is_prepared(one) for one in reading.logs):
        return reading

    recipe = recommender.recipe
    kinds = ",".join(
        f"{kind}={weight:.17g}{CANCELS if kind in recipe.cancels else ''}" for kind, weight in recipe.kinds.items()
    )
    return replace(
        reading,
        kind=reading.kind or kinds or None,
        values=reading.values or recipe.values_are,
        weight=reading.weight or recipe.weight,
        positive=reading.positive or recipe.positive,
        known_contexts=recipe.contexts,
        known_people=recipe.people,
        opinion=reading.opinion or (recipe.opinion if reading.text or reading.store else None),
        opiner=None if ":" in (reading.opinion or "") else recommender.opiner,
        refund=recipe.refund if recipe.cancels or recipe.quantities else reading.refund,
    )
