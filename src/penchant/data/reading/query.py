"""A query of a database: checked here, run by the format ``sql_query``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from penchant.data.reading.wording import option
from penchant.errors import DataError, ParameterError

URL = "PENCHANT_SQL_URL"
# comments, texts and quoted names, in which anything may be written
_OPAQUE = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]\n]*\]|\$(\w*)\$.*?\$\1\$", re.DOTALL
)
_READS = re.compile(r"^[\s(]*(select|with|values|from|table)\b", re.IGNORECASE)
# the statements that may stand inside one that reads
_WRITES = re.compile(r"\b(insert|update|delete|merge|into|drop|alter|create|truncate)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Query:
    """One SQL statement that reads, and the database to which it goes.

    The URL is SQLAlchemy's (``postgresql://user:password@host/shop``). It is never shown: it may hold a password.
    """

    sql: str
    url: str = field(repr=False)

    def __post_init__(self) -> None:
        checked_sql(self.sql)
        if "://" not in self.url:
            raise ParameterError("the URL of the database must look like postgresql://user:password@host/database")

    @property
    def file(self) -> Path | None:
        """The file of the database, if it is one."""
        kind, _, rest = self.url.partition(":///")
        name = rest.partition("?")[0]
        return Path(name) if kind.startswith(("sqlite", "duckdb")) and name and name != ":memory:" else None


def query(sql: str, url: str | None = None, *, url_file: str | Path | None = None) -> Query:
    """A query with the URL that is given, else from a file, else from the environment (``PENCHANT_SQL_URL``).

    Raises ``ParameterError`` if there is no URL, or if ``sql`` is not one statement that reads.
    """
    if url is None and url_file is not None:
        try:
            url = Path(url_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise DataError(f"the URL of the database cannot be read: {reason}", file=str(url_file)) from None
    url = url or os.environ.get(URL)
    if not url:
        raise ParameterError(
            f"a query needs the URL of a database: set {URL}, or name a file that holds it ({option('sql_url_file')})"
        )
    return Query(sql, url)


def checked_sql(sql: str) -> None:
    """Raises ``ParameterError`` if a text is not one statement that reads."""
    plain = _OPAQUE.sub(" ", sql).strip().rstrip(";").strip()
    if not plain:
        raise ParameterError("the query is empty")
    if ";" in plain:
        raise ParameterError("a query is one statement: it has a semicolon in the middle")
    if not _READS.match(plain):
        raise ParameterError(f"a query reads: it starts with select or with, not {plain.split()[0]!r}")
    if found := _WRITES.search(plain):
        raise ParameterError(
            f"a query only reads, and this one has {found[0]!r}: quote it if it is the name of a column"
        )
