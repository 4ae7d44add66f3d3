"""``read_interactions``: from files and tables to an event table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal

from penchant.core.curve import Shape
from penchant.core.histories import ValuesAre
from penchant.data.interactions import Interactions
from penchant.data.opinions import Use
from penchant.data.refunds import Refund
from penchant.text.opinion import Opiner


def read_interactions(
    source: Any = None,
    *more: Any,
    columns: Mapping[str, str] | str | None = None,
    kinds: Mapping[str, float | str] | str | None = None,
    values: ValuesAre | None = None,
    weight: Shape | None = None,
    positive: str | None = None,
    refund: Refund = "newest",
    sep: str | None = None,
    encoding: str | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    day_first: bool | None = None,
    strict: bool = False,
    rejected: str | PathLike[str] | bool | None = None,
    force: bool = False,
    items: Any = None,
    sql: str | None = None,
    url: str | None = None,
    by: Literal["user", "session", "basket"] | None = None,
    ids: Literal["text", "as given"] = "text",
    max_history: int = 500,
    context: Sequence[str] | Mapping[str, Sequence[str]] | str | None = None,
    text: str | None = None,
    opinion: Use | None = None,
    opiner: Opiner | Literal["learn"] | None = None,
    aspects: bool = False,
    users: Any = None,
    memory: int | str | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Interactions:
    """Read a log of who did what from files, globs or tables in memory; several sources become one log.

    - Files are delimited text (any separator), JSON lines, Parquet, Arrow, Excel, SQLite or DuckDB; text may be
      compressed with gzip, zstd, bzip2 or xz. ``FILE#PART`` names a sheet or table, a folder may hold Parquet files,
      and ``"-"`` is standard input.
    - ``sql`` selects rows from the database at ``url`` (default: the environment's ``PENCHANT_SQL_URL``).
    - Tables in memory are pandas, polars, Arrow, or a SciPy sparse matrix of users by items.
    - Separator, encoding, header and columns are detected. ``sep``, ``encoding`` and ``columns`` (role → name, or →
      number from 1) override the detection.
    - ``kinds`` maps kinds of events to weights; ``"-1:cancels"`` marks a kind that takes an earlier event back, the
      newest unless ``refund="oldest"``. ``positive`` (``'value>=4'``) defines a positive. ``values`` states whether
      values are ratings or weights, and ``weight`` how the sum of the weights of a person and item counts: ``raw``,
      ``log`` or ``binary``. A quantity, amount or price is a value only if ``values`` or ``columns`` asks for it.
    - Dates are understood as people write them. ``time_format`` (``'%d.%m.%Y %H:%M'``) describes any other form,
      ``day_first`` decides between 1 February and 2 January for 01/02/2017, ``time_zone`` names the zone of times
      without one (default: UTC).
    - ``by`` chooses whose rows the histories are. By default a row belongs to its user, or to its session if it has no
      user; such guests are marked in ``guests`` and follow the users.
    - ``ids="as given"`` returns item ids as integers if all of them are whole numbers; by default ids are text.
    - ``context`` names columns of what held at the moment of an event (``"mood,weather"``). Values are compared without
      case; what is empty is missing. A mapping of names to values, as ``recipe.contexts``, keeps these codes: other
      values, and columns that the log lacks, are missing.
    - ``text`` names a column of comments or reviews, and ``opinion`` says what their opinions make of the values of
      events: ``replace``, ``blend`` or ``weight`` (``rated`` and ``weighted`` of ``penchant.data.opinions``). An event
      without a value then counts by its text. Opinions come from the word list, from ``opiner``, or with ``"learn"``
      from the texts and ratings of this log, each text scored by a model that has not seen it. Texts are not kept.
    - ``aspects`` looks for what the texts speak of, rows marked ``test`` apart: ``fit`` adds to the catalogue what
      items are liked and blamed for.
    - ``users`` is a table of people by the ids of the log. Their attributes become contexts that hold for all events of
      a person (``data.people``); the ids are not kept.
    - ``items`` is an item table; items that only it has are appended to the vocabulary.

    Bad rows are skipped, counted and listed in ``report``, and written to LOG.rejected.csv (``rejected``: another file,
    or False for none; ``force`` replaces an existing file that holds no rejected rows, but never an input). With
    ``strict`` they are an error. ``progress`` is called with a text and a share from 0 to 1. Raises ``DataError`` if
    nothing can be used and ``ParameterError`` for invalid options. Memory: about 50 bytes an event plus the ids; text
    is read in blocks of at most 16 MiB. ``memory`` (``"4GiB"``) is what the process may take, by default reading takes
    half of what is free; beyond it, ``MemoryLimitError`` is raised.
    """
    from penchant.core.memory import limited, require_start

    require_start()
    from penchant.data.reading.assemble import read
    from penchant.data.reading.query import query

    first = source if isinstance(source, (list, tuple)) else [] if source is None else [source]
    sources = [*first, *more, *([] if sql is None else [query(sql, url)])]
    from penchant.data.prepared.opening import open_prepared, prepared_among

    folder = prepared_among(
        sources, columns=columns, kinds=kinds, values=values, weight=weight, positive=positive, refund=refund, sep=sep,
        encoding=encoding, time_format=time_format, time_zone=time_zone, day_first=day_first, by=by, strict=strict,
        context=context, text=text, opinion=opinion, aspects=aspects, users=users,
    )  # fmt: skip
    if folder is not None:
        return open_prepared(folder, items=items, ids=ids, max_history=max_history)
    with limited(memory):
        return read(
            sources,
            columns=columns,
            kinds=kinds,
            values=values,
            weight=weight,
            positive=positive,
            refund=refund,
            sep=sep,
            encoding=encoding,
            time_format=time_format,
            time_zone=time_zone,
            day_first=day_first,
            strict=strict,
            rejected=rejected if rejected is None or isinstance(rejected, bool) else str(rejected),
            force=force,
            items=items,
            by=by,
            ids=ids,
            max_history=max_history,
            context=context,
            text=text,
            opinion=opinion,
            opiner=opiner,
            aspects=aspects,
            users=users,
            progress=progress,
        )
