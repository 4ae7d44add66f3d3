"""``read_interactions``: from files and tables to an event table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Literal

from penchant.core.histories import ValuesAre
from penchant.data.interactions import Interactions


def read_interactions(
    source: Any,
    *more: Any,
    columns: Mapping[str, str] | str | None = None,
    kinds: Mapping[str, float] | str | None = None,
    values: ValuesAre | None = None,
    positive: str | None = None,
    sep: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    rejected: str | PathLike[str] | bool | None = None,
    items: Any = None,
    by: Literal["user", "session"] | None = None,
    max_history: int = 500,
    progress: Callable[[str, float], None] | None = None,
) -> Interactions:
    """Read a log of who did what from files, globs or tables in memory, several of them as one log.

    Files are delimited text (any separator), JSON lines, Parquet or Arrow; text may be compressed by gzip, zstd, bzip2
    or xz. Tables are pandas, polars, Arrow or a SciPy sparse matrix of users by items. Separator, encoding, header and
    columns are found out; ``sep``, ``encoding`` and ``columns`` (role → name, or → number from 1) say them instead.
    ``kinds`` maps kinds of events to weights, ``positive`` (``'value>=4'``) says what a positive is, ``values`` what
    values are; ``by`` chooses the rows where a log has both users and sessions (users unless said). ``items``, an item
    table, appends the items that only it names to the vocabulary.

    Bad rows are left out, counted and named in ``report``, and written to LOG.rejected.csv (``rejected``: another file,
    or False for none); with ``strict`` they are an error. ``progress`` is called with a text and a share from 0 to 1.
    Raises ``DataError`` where nothing can be used and ``ParameterError`` for options that make no sense. Memory: about
    50 bytes an event beside the ids; text is read in blocks of 16 MiB.
    """
    from penchant.data.reading.assemble import read

    sources = [*source, *more] if isinstance(source, (list, tuple)) else [source, *more]
    return read(
        sources,
        columns=columns,
        kinds=kinds,
        values=values,
        positive=positive,
        sep=sep,
        encoding=encoding,
        strict=strict,
        rejected=rejected if rejected is None or isinstance(rejected, bool) else str(rejected),
        items=items,
        by=by,
        max_history=max_history,
        progress=progress,
    )
