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
    """Read a log of who did what from files, globs or tables in memory; several sources become one log.

    - Files are delimited text (any separator), JSON lines, Parquet or Arrow; text may be compressed with gzip, zstd,
      bzip2 or xz. Tables are pandas, polars, Arrow, or a SciPy sparse matrix of users by items.
    - Separator, encoding, header and columns are detected. ``sep``, ``encoding`` and ``columns`` (role → name, or →
      number from 1) override the detection.
    - ``kinds`` maps kinds of events to weights. ``positive`` (``'value>=4'``) defines a positive. ``values`` states
      whether values are ratings or weights.
    - ``by`` chooses whose rows the histories are if a log has both users and sessions (default: users).
    - ``items`` is an item table; items that only it has are appended to the vocabulary.

    Bad rows are skipped, counted and listed in ``report``, and written to LOG.rejected.csv (``rejected``: another file,
    or False for none). With ``strict`` they are an error. ``progress`` is called with a text and a share from 0 to 1.
    Raises ``DataError`` if nothing can be used and ``ParameterError`` for invalid options. Memory: about 50 bytes an
    event plus the ids; text is read in blocks of 16 MiB.
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
