"""What to say about a source that no format recognises."""

from __future__ import annotations

from collections.abc import Sequence

from penchant.data.reading.formats.base import Peek
from penchant.data.reading.opening import AGAIN
from penchant.errors import DataError

SIGNATURES = {
    b"PK\x03\x04": "a zip archive and not a workbook; unpack it",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x89HDF": "an HDF5 file; write it as Parquet",
    b"\x93NUMPY": "a NumPy file; write it as Parquet, or pass the array to read_interactions as a SciPy CSR matrix",
    b"\xd0\xcf\x11\xe0": "an old Office document and not a workbook",
    b"\x7fELF": "a program",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
}
NAMED_LIKE = {".parquet": "a Parquet", ".arrow": "an Arrow", ".feather": "an Arrow"}


def is_foreign(peek: Peek) -> bool:
    """Whether the first bytes show a kind of file that holds no log."""
    return any(peek.head.startswith(magic) for magic in SIGNATURES)


def refusal(peek: Peek, names: Sequence[str]) -> DataError:
    """The error for a source that no format recognises; ``names`` are the formats of files."""
    if peek.path is None:
        return _not_a_table(peek)
    for magic, what in SIGNATURES.items():
        if peek.head.startswith(magic):
            return DataError(f"this is {what}", file=peek.name)
    if peek.damage:
        return DataError(peek.damage, file=peek.name, fix=AGAIN)
    called = NAMED_LIKE.get(peek.path.suffix.lower())
    what = f"this is not {called} file, in spite of its name" if called else "this is binary data, not a log"
    return DataError(what, file=peek.name, fix=f"Logs are {', '.join(names[:-1])} or {names[-1]}")


def _not_a_table(peek: Peek) -> DataError:
    if isinstance(peek.source, dict):
        fix = "Make a table of it, polars.DataFrame(table), or give a list of dicts, one a row"
        return DataError("a log cannot be read from a dict", fix=fix)
    if isinstance(peek.source, (tuple, list)):
        table = 'polars.DataFrame(rows, schema=["user", "item"], orient="row")'
        return DataError("a log cannot be read from a list of rows", fix=f"Make a table of it: {table}")
    return DataError(
        f"a log cannot be read from {type(peek.source).__name__}",
        fix="Give a path, a glob, a pandas, polars or Arrow table, or a SciPy CSR matrix of users by items",
    )
