"""The reading options, shared by every command that reads a log."""

from __future__ import annotations

import atexit
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.kept_place import kept_place
from penchant.cli.stores import open_people, open_store
from penchant.cli.told import loud_lines, reading_progress, rejection_lines
from penchant.core.memory import require_start
from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions
from penchant.data.pseudonyms import key_of
from penchant.data.reading.places import Place, expand, inputs
from penchant.data.reading.query import Query, query
from penchant.errors import MemoryLimitError, ParameterError

if TYPE_CHECKING:
    from penchant.data.reading.ordering import Trace
    from penchant.data.reading.raw import RawLog

PANEL = "Reading"
STORE = "store"  # the user table of a store
WEIGHED = ("kinds", "weight", "positive", "refund")  # options of recipes, which rows as they are written do not have

Logs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[LOG]...",
        help="Files, globs, FILE#SHEET, folders of Parquet, or - for standard input.",
        show_default=False,
    ),
]
Log = Annotated[list[str] | None, typer.Option("--log", help="A log: a file or glob; may be repeated.")]


@dataclass(frozen=True)
class ReadOptions:
    """How a log is read; every field is a command-line option, in this order."""

    items: Annotated[
        Path | None,
        typer.Option("--items", help="The item table: ids, titles, attributes, vectors.", rich_help_panel=PANEL),
    ] = None
    users: Annotated[
        str | None,
        typer.Option(
            "--users",
            metavar="TABLE",
            help="A table of users: ids, and attributes such as age, region or traits; store: those of --store.",
            rich_help_panel=PANEL,
        ),
    ] = None
    sql: Annotated[
        str | None,
        typer.Option(
            "--sql",
            metavar="QUERY",
            help="A query that selects the log; the database is in PENCHANT_SQL_URL.",
            rich_help_panel=PANEL,
        ),
    ] = None
    items_sql: Annotated[
        str | None,
        typer.Option(
            "--items-sql", metavar="QUERY", help="A query that selects the item table.", rich_help_panel=PANEL
        ),
    ] = None
    sql_url_file: Annotated[
        Path | None,
        typer.Option(
            "--sql-url-file",
            metavar="FILE",
            help="A file with the URL of the database: postgresql://user:password@host/shop.",
            rich_help_panel=PANEL,
        ),
    ] = None
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            help="The events of a store: sqlite:///FILE or postgresql://HOST/NAME. The service may run.",
            rich_help_panel=PANEL,
        ),
    ] = None
    store_url_file: Annotated[
        str | None,
        typer.Option(
            "--store-url-file",
            metavar="FILE",
            help="A file with the URL of the store, if it has a password.",
            rich_help_panel=PANEL,
        ),
    ] = None
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            help="The role of each column: user=C,item=C,value=C,quantity=C,kind=C,time=C,session=C,basket=C,"
            "position=C,split=C.",
            rich_help_panel=PANEL,
        ),
    ] = None
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="The weight of each kind of event: view=1,cart=3,dislike=-1,refund=-1:cancels.",
            rich_help_panel=PANEL,
        ),
    ] = None
    values: Annotated[
        str | None,
        typer.Option("--values", help="What the values are: rating, weight or none.", rich_help_panel=PANEL),
    ] = None
    weight: Annotated[
        str | None,
        typer.Option(
            "--weight",
            help="How the summed weight of a person and item counts: raw, log or binary (default: log for quantities "
            "and where the largest is over 100 times the median).",
            rich_help_panel=PANEL,
        ),
    ] = None
    positive: Annotated[
        str | None,
        typer.Option("--positive", help="Which events are positives: 'value>=4'.", rich_help_panel=PANEL),
    ] = None
    context: Annotated[
        str | None,
        typer.Option(
            "--context",
            help="Columns of what held at the moment of an event, for models that use it: mood,weather,daytime.",
            rich_help_panel=PANEL,
        ),
    ] = None
    text: Annotated[
        str | None,
        typer.Option("--text", metavar="C", help="The column of comments or reviews.", rich_help_panel=PANEL),
    ] = None
    opinion: Annotated[
        str | None,
        typer.Option(
            "--opinion",
            metavar="USE[:FOLDER]",
            help="What the opinion of --text makes of the value of its event: replace, blend or weight; by the word "
            "list, a FOLDER of penchant opinion learn, or learned from the stars of this log (blend:learn).",
            rich_help_panel=PANEL,
        ),
    ] = None
    aspects: Annotated[
        bool,
        typer.Option("--aspects", help="Find what --text likes and blames items for.", rich_help_panel=PANEL),
    ] = False
    sep: Annotated[
        str | None,
        typer.Option("--sep", help="The separator: one or more characters, 'tab' or 'space'.", rich_help_panel=PANEL),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", help="The encoding of the text: utf-8, latin-1, gb18030.", rich_help_panel=PANEL),
    ] = None
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            help="Whose rows the histories are: user, session or basket (default: the user, or the session of a row "
            "without a user).",
            rich_help_panel=PANEL,
        ),
    ] = None
    refund: Annotated[
        str,
        typer.Option(
            "--refund", help="The purchase that a refund takes back: newest or oldest.", rich_help_panel=PANEL
        ),
    ] = "newest"
    time_format: Annotated[
        str | None,
        typer.Option("--time-format", help="The form of dates: '%d.%m.%Y %H:%M'.", rich_help_panel=PANEL),
    ] = None
    time_zone: Annotated[
        str | None,
        typer.Option(
            "--time-zone", help="The zone of times that name none: Europe/Berlin (default: UTC).", rich_help_panel=PANEL
        ),
    ] = None
    day_first: Annotated[
        bool | None,
        typer.Option(
            "--day-first/--month-first",
            help="Read 01/02/2017 as 1 February or as 2 January.",
            rich_help_panel=PANEL,
            show_default=False,
        ),
    ] = None
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Treat a bad row as an error.", rich_help_panel=PANEL),
    ] = False
    rejected: Annotated[
        Path | None,
        typer.Option("--rejected", help="The file for bad rows, instead of LOG.rejected.csv.", rich_help_panel=PANEL),
    ] = None
    pseudonyms: Annotated[
        Path | None,
        typer.Option("--pseudonyms", metavar="KEYFILE", help="Know people by keyed pseudonyms.", rich_help_panel=PANEL),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="What the process may take: 4GiB. By default reading takes half of what is free.",
            rich_help_panel=PANEL,
        ),
    ] = None
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace existing outputs; an input is never replaced.", rich_help_panel=PANEL),
    ] = False
    # set by with_logs, not options
    logs: list[Any] = field(default_factory=list)
    item_table: Any = None
    user_table: Any = None
    known_contexts: Mapping[str, Sequence[str]] | None = None  # those of a saved recommender
    known_people: Mapping[str, tuple[float, ...]] | None = None  # those that are attributes of people
    opiner: Any = None  # that of a saved recommender

    def with_logs(self, logs: list[str] | None) -> ReadOptions:
        """The same options for these files, and for the queries if there are any."""
        if self.items is not None and self.items_sql is not None:
            raise ParameterError("the item table is --items or --items-sql, not both")
        sources: list[Any] = list(logs or [])
        sources += [] if self.sql is None else [self._query(self.sql)]
        sources += [open_store(self.store, self.store_url_file)] if self.store or self.store_url_file else []
        table: Any = None if self.items is None else expand([self.items])[0]  # a pipe can be read only once
        if self.items_sql is not None:
            table = self._query(self.items_sql)
        return replace(self, logs=expand(sources) if sources else [], item_table=table, user_table=self._user_table())

    def with_people(self) -> ReadOptions:
        """The same options with the user table read."""
        from penchant.data.people import People

        if self.user_table is None or isinstance(self.user_table, People):
            return self
        return replace(self, user_table=People.read(self.user_table, pseudonyms=key_of(self.pseudonyms)))

    def _user_table(self) -> Any:
        if self.users != STORE:
            return None if self.users is None else expand([self.users])[0]
        if not (self.store or self.store_url_file):
            raise ParameterError("--users store takes the attributes of people from a store: name it with --store")
        return open_people(self.store, self.store_url_file)

    def inputs(self) -> list[Path]:
        """The files that are read, none of which may be written."""
        more = [one for one in (self.sql_url_file, self.pseudonyms) if one is not None]
        return [*inputs([*self.logs, self.item_table, self.user_table]), *more]

    def _query(self, sql: str) -> Query:
        return query(sql, url_file=self.sql_url_file)


def read_log(options: ReadOptions) -> tuple[Interactions, Catalog | None]:
    """Read the log and the item table, if any; prints rejected rows and notes on standard error.

    The vocabulary has the items of the log, then those that only the item table has.
    """
    try:
        log, _, catalog = read_log_traced(options, trace=False)
    except MemoryLimitError as error:
        no_disk = options.context or options.known_contexts or options.text or options.pseudonyms or options.users
        if no_disk or not all(isinstance(one, (Path, Place)) for one in options.logs):
            raise
        why = str(error)
    else:
        return log, catalog
    return _read_on_disk(options, why)


def _read_on_disk(options: ReadOptions, why: str) -> tuple[Interactions, Catalog | None]:
    """Prepare a log that does not fit into the memory in a temporary folder, which lasts as long as the log.

    After a kill the same command goes on from what is there.
    """
    from penchant.data.prepared.opening import open_prepared
    from penchant.data.prepared.prepare import prepare
    from penchant.data.prepared.working import names, seen

    arguments = reading_arguments(options)
    place = kept_place(repr((names(options.logs), seen(options.logs), sorted(arguments.items()))))
    shutil.rmtree(place / "log", ignore_errors=True)  # complete, but of a command that was killed later
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    print(f"penchant: {why.partition(': ')[0]}: it is prepared in {place}, as by penchant prepare", file=sys.stderr)
    with reading_progress(left=True) as progress:
        prepare(options.logs, place / "log", **arguments, progress=progress)
    log = open_prepared(place / "log", items=options.item_table)
    log.report.inputs += inputs(options.logs)
    return log, _told(log, options)


def reading_arguments(options: ReadOptions) -> dict[str, Any]:
    """The options that decide how rows are read, as reading and preparing take them."""
    names = (
        "columns", "values", "weight", "positive", "refund", "sep", "encoding", "time_format", "time_zone", "day_first",
        "by", "strict", "rejected", "force",
    )  # fmt: skip
    return {"kinds": options.kind} | {name: getattr(options, name) for name in names}


def read_log_traced(options: ReadOptions, *, trace: bool) -> tuple[Interactions, Trace, Catalog | None]:
    """As ``read_log``; with ``trace`` also the line of each event in its file."""
    require_start()
    from penchant.data.opinions import parse_opinion
    from penchant.data.prepared.opening import prepared_among
    from penchant.data.reading.assemble import read_traced
    from penchant.recommender.folder.opinion import opiner_of

    if not options.logs:
        raise ParameterError("no log was given: name one or more files, or take it from --store or --sql")
    use, source = parse_opinion(options.opinion)
    folder = prepared_among(options.logs, **{**vars(options), "kinds": options.kind})
    if folder is not None:
        return _prepared(folder, options, trace=trace)
    if hasattr(signal, "siginterrupt"):  # with the handler of polars, waiting for a pipe would ignore Ctrl-C
        signal.siginterrupt(signal.SIGINT, True)
    with reading_progress() as progress:
        log, found = read_traced(
            options.logs,
            **reading_arguments(options),
            items=options.item_table,
            context=options.context if options.known_contexts is None else options.known_contexts,
            text=options.text,
            aspects=options.aspects,
            users=options.user_table,
            people=options.known_people,
            opinion=use,
            opiner=options.opiner or opiner_of(source),
            progress=progress,
            trace=trace,
            pseudonyms=key_of(options.pseudonyms),
        )
    return log, found, _told(log, options)


def _prepared(folder: Path, options: ReadOptions, *, trace: bool) -> tuple[Interactions, Trace, Catalog | None]:
    from penchant.data.prepared.opening import open_prepared
    from penchant.data.reading.cleaning import Cleaner
    from penchant.data.reading.ordering import Trace

    if trace:
        raise ParameterError(f"{folder} is a prepared log: name the files that it was made from")
    log = open_prepared(folder, items=options.item_table)
    return log, Trace(Cleaner("user", None, None)), _told(log, options)


def _told(log: Interactions, options: ReadOptions) -> Catalog | None:
    """Print what reading found, and read the catalogue, if any."""
    for line in (*loud_lines(log.report), *rejection_lines(log.report)):
        print(f"penchant: {line}", file=sys.stderr)
    return None if options.item_table is None else Catalog.read(options.item_table, log.vocab)


def read_rows(reading: ReadOptions) -> RawLog:
    """The rows of the logs as they are written; prints rejected rows on standard error."""
    from penchant.data.reading.raw import read_raw

    if not reading.logs:
        raise ParameterError("no log was given: name one or more files, or select it with --sql")
    with reading_progress() as report:
        taken = {name: given for name, given in reading_arguments(reading).items() if name not in WEIGHED}
        raw = read_raw(reading.logs, **taken, pseudonyms=key_of(reading.pseudonyms), progress=report)
    for line in rejection_lines(raw.report):
        print(f"penchant: {line}", file=sys.stderr)
    return raw
