"""Rejected rows: counted, listed, and written to a file beside the log, so that none is lost."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penchant.data.reading.batches import BadRow
from penchant.data.reading.places import REJECTED
from penchant.data.reading.report import KEPT_EXAMPLES, ReadReport, Rejected, many
from penchant.data.reading.wording import option
from penchant.errors import DataError

HEADER = ("file", "line", "column", "value", "reason", "row")


def _marked_read_only(folder: Path) -> bool:
    """Whether a folder is marked read-only; this is respected even if the superuser could write to it."""
    try:
        return not folder.stat().st_mode & 0o222
    except OSError:
        return False


@dataclass
class RejectedRows:
    """Collects bad rows in the report and in files; with ``strict`` the first one is an error.

    ``target`` is a path for all of them, True for a file beside each log (LOG.rejected.csv; in the working folder if
    the folder of the log cannot be written), or False for none.
    """

    report: ReadReport
    target: Path | bool
    strict: bool
    _files: dict[Path, Any] = field(default_factory=dict)
    _beside: dict[Path, Path] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def add(self, name: str, path: Path | None, rows: list[BadRow]) -> None:
        """Add the bad rows of one source; raises ``DataError`` for the first if reading is strict."""
        if not rows:
            return
        if self.strict:
            row = rows[0]
            others = many(len(rows) - 1, "more bad row follows", "more bad rows follow")
            more = f" ({others} at once)" if len(rows) > 1 else ""
            raise DataError(
                row.reason + more,
                file=name,
                line=row.line,
                column=row.column or None,
                value=row.value,
                fix=f"Correct the row, or read without {option('strict', value=True)} to skip it",
            )
        report = self.report
        report.n_rejected += len(rows)
        report.reasons.update(row.reason for row in rows)
        room = KEPT_EXAMPLES - len(report.rejected)
        report.rejected += [Rejected(name, r.line, r.column, r.value, r.reason) for r in rows[: max(0, room)]]
        writer = self._writer(path)
        if writer is not None:
            writer.writerows((name, r.line, r.column, r.value, r.reason, r.raw) for r in rows)

    def _writer(self, path: Path | None) -> Any:
        if self.target is False or (self.target is True and path is None):
            return None
        if isinstance(self.target, Path):
            wanted = [self.target]
        else:
            assert path is not None
            if path in self._beside:
                return self._files.get(self._beside[path])
            beside = path.with_name(path.name + REJECTED)
            wanted = [beside, Path.cwd() / beside.name]
        for at, place in enumerate(wanted):
            if place in self._files:
                return self._files[place]
            if not isinstance(self.target, Path) and _marked_read_only(place.parent):
                continue
            try:
                file = place.open("w", encoding="utf-8", newline="")
            except OSError as error:
                if isinstance(self.target, Path):
                    raise DataError(f"rejected rows cannot be written: {error.strerror}", file=str(place)) from error
                continue
            self._stack.enter_context(file)
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            self._files[place] = writer
            self.report.rejected_files.append(str(place))
            if path is not None:
                self._beside[path] = place
            if at:
                self.report.notes.append(f"{wanted[0].parent} cannot be written: rejected rows are in {place}")
            return writer
        if path is not None:
            self._beside[path] = wanted[0]
        self.report.notes.append(f"rejected rows could not be written to {' or '.join(str(w.parent) for w in wanted)}")
        return None

    def close(self) -> None:
        """Finish the files."""
        self._stack.close()
