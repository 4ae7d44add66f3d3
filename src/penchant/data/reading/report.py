"""What reading understood, rejected and found, as plain data."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

KEPT_EXAMPLES = 1000  # rejected rows kept in memory; the file of rejected rows has all of them

Severity = Literal["error", "warning", "note"]

LOUD = ("swapped columns", "catalogue does not match")  # checks whose warnings every command prints


def many(count: int, one: str, more: str) -> str:
    """A number and its noun and verb: ``1 row repeats``, ``3 rows repeat``."""
    return f"{count:,} {one if count == 1 else more}"


@dataclass(frozen=True)
class Rejected:
    """One row that was not used, and why."""

    file: str
    line: int  # as in an editor; for Parquet and tables in memory the row, from 1
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """A finding of the data doctor: what and where it is, why it matters and what to do."""

    check: str
    severity: Severity
    what: str
    why: str
    fix: str
    count: int = 1
    file: str | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None


@dataclass
class Source:
    """What was understood of one file or table."""

    name: str
    format: str
    columns: dict[str, str] = field(default_factory=dict)  # role: name of the column
    ignored: list[str] = field(default_factory=list)  # columns without a role
    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    compression: str | None = None
    layout: str | None = None  # "RecBole", "MovieLens", "Amazon reviews" if it was recognised
    time_unit: str | None = None
    rows: int = 0
    damage: str | None = None  # what is wrong with the file as a whole
    has_lines: bool = False  # whether its rows are numbered by line

    @property
    def counts(self) -> str:
        """What its rows are numbered by: the ``line`` of a text file, otherwise the ``row``."""
        return "line" if self.has_lines else "row"


@dataclass
class ReadReport:
    """Rows read, kept and rejected, how each file was understood, and what the doctor found."""

    sources: list[Source] = field(default_factory=list)
    rows: int = 0
    kept: int = 0
    rejected: list[Rejected] = field(default_factory=list)  # the first of them
    n_rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rejected_files: list[str] = field(default_factory=list)
    values_why: str = ""
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inputs: list[Path] = field(default_factory=list)  # files and folders that were read, which no output may replace
    store: dict[str, Any] | None = None  # which moment of which store the whole log is; None: it is not one store's

    @property
    def files(self) -> list[str]:
        """The names of the sources."""
        return [source.name for source in self.sources]

    def place(self, file: str | None, line: int | None, column: str | None) -> str:
        """A location in words: file, line or row, column."""
        words = {source.name: source.counts for source in self.sources}
        parts = [file or "", f"{words.get(file or '', 'line')} {line}" if line is not None else "", column or ""]
        return ", ".join(part for part in parts if part)

    @property
    def columns(self) -> dict[str, str]:
        """Role of each column of the first file: ``{"user": "userId", ...}``."""
        return dict(self.sources[0].columns) if self.sources else {}

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "sources": [asdict(source) for source in self.sources],
            "rows": self.rows,
            "kept": self.kept,
            "rejected": self.n_rejected,
            "reasons": dict(self.reasons),
            "rejected_examples": [asdict(row) for row in self.rejected[:20]],
            "rejected_files": self.rejected_files,
            "values_why": self.values_why,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": self.notes,
        }
