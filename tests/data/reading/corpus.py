"""The corpus of exports: what is in it, and the table of docs/reading.md that is made from it.

``python -m tests.data.reading.corpus`` writes the table.
"""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "exports"
PAGE = Path(__file__).parents[3] / "docs" / "reading.md"
BEGIN, END = "<!-- the corpus of exports: made by tests/data/reading/corpus.py -->\n", "<!-- end of the corpus -->\n"


@dataclass(frozen=True)
class Export:
    """One export: its file, what it shows, the options it is read with, and what is expected."""

    file: str
    says: str
    values: str
    options: dict[str, Any] = field(default_factory=dict)
    refused: str | None = None  # words of the error
    mend: str | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        return FOLDER / self.file

    def expected(self) -> list[tuple[str, str, str, str]]:
        """The events: user (or ``guest`` and session), item, value and time."""
        with (FOLDER / f"{self.file}.expected.csv").open(encoding="utf-8", newline="") as file:
            return [(row["user"], row["item"], row["value"], row["time"]) for row in csv.DictReader(file)]


def exports() -> list[Export]:
    """All exports of the corpus."""
    listed = tomllib.loads((FOLDER / "exports.toml").read_text(encoding="utf-8"))["export"]
    return [Export(**one) for one in listed]


def table() -> str:
    """The Markdown table of the corpus."""
    lines = ["| export | what it shows | result |", "|---|---|---|"]
    for one in exports():
        rows = 0 if one.refused else len(one.expected())
        result = f"refused: {one.mend}" if one.refused else f"{rows} {'event' if rows == 1 else 'events'}"
        says = one.says.replace("|", "\\|")
        lines.append(f"| `{one.file}` | {says} | {result.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def page_with_table(text: str) -> str:
    """A page with the table between its marks replaced."""
    return re.sub(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: BEGIN + "\n" + table() + "\n" + END, text, flags=re.DOTALL
    )


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
