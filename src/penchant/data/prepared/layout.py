"""What a prepared log is on disk: ``prepared.json``, a ``.npy`` file for each column, and Arrow files with the ids."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from penchant.data.reading.places import PREPARED
from penchant.data.reading.report import Finding, ReadReport, Rejected, Source
from penchant.errors import FormatError

FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """What ``prepared.json`` says: sizes, the recipe, and what reading understood."""

    events: int
    users: list[int]  # ids in each file of them
    items: list[int]
    columns: dict[str, str]  # name: type
    values_are: str
    recipe: dict[str, Any]
    sessions: bool
    integers: bool  # whether all item ids are whole numbers
    report: dict[str, Any]
    guests: int = 0  # people at the end who are sessions without a user
    impressions: int = 0
    shown: dict[str, str] = field(default_factory=dict)  # columns of impressions: type
    format: int = FORMAT
    version: str = ""

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read it; raises ``FormatError`` for a folder that is damaged or of a newer format."""
        try:
            found = json.loads((folder / PREPARED).read_text(encoding="utf-8"))
            newer = found["format"] > FORMAT
            manifest = None if newer else cls(**found)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{folder} is not a prepared log, or it is damaged ({error})") from None
        if manifest is None:
            raise FormatError(f"{folder} has format {found['format']}, this version reads up to {FORMAT}: upgrade")
        return manifest

    def write(self, folder: Path) -> None:
        """Write it."""
        (folder / PREPARED).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")


def report_to_json(report: ReadReport) -> dict[str, Any]:
    """A report with all that ``report_from_json`` needs."""
    return {**report.to_json(), "rejected_examples": [asdict(row) for row in report.rejected]}


def report_from_json(found: dict[str, Any], folder: Path) -> ReadReport:
    """The report of a log that was prepared; the folder is its input."""
    return ReadReport(
        [Source(**source) for source in found["sources"]],
        found["rows"],
        found["kept"],
        [Rejected(**row) for row in found["rejected_examples"]],
        found["rejected"],
        Counter(found["reasons"]),
        found["rejected_files"],
        found["values_why"],
        [Finding(**finding) for finding in found["findings"]],
        found["notes"],
        [folder],
    )
