"""Rejected rows: counted, listed, and written to a file beside the log, so that none is lost."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from penchant.core.outputs import refuse_existing, refuse_inputs, replacing_file
from penchant.core.spreadsheets import harmless
from penchant.data.reading.batches import BadRow
from penchant.data.reading.places import REJECTED
from penchant.data.reading.report import KEPT_EXAMPLES, ReadReport, Rejected, many
from penchant.data.reading.wording import option
from penchant.errors import DataError, ParameterError, PenchantError

LEAST, TIMES = 1 << 24, 32  # characters of rejected rows that are written of a log, and for each of its bytes
HEADER = ("file", "line", "column", "value", "reason", "row")


def _marked_read_only(folder: Path) -> bool:
    """Whether a folder is marked read-only; this is respected even if the superuser could write to it."""
    try:
        return not folder.stat().st_mode & 0o222
    except OSError:
        return False


@dataclass
class RejectedRows:
    """Collects bad rows in the report and in files; with ``strict`` the first one is an error. Use it in ``with``.

    A few bytes of Parquet or gzip may stand for very many rows: of each log, 16 MiB and 32 characters for each of its
    bytes are written, and a note counts the rest.

    ``target`` is a path for all of them, True for a file beside each log (LOG.rejected.csv; in the working folder if
    the folder of the log cannot be written), or False for none.
    """

    report: ReadReport
    target: Path | bool
    strict: bool
    inputs: Sequence[Path] = ()  # never written, whatever the name of the target
    force: bool = False
    _files: dict[Path, Any] = field(default_factory=dict)
    _beside: dict[Path, Path] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _room: dict[Path, int] = field(default_factory=dict)  # characters that may still be written of a log
    _unwritten: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if isinstance(self.target, Path):  # refused before anything is read
            refuse_inputs(self.target, self.inputs)
            refuse_existing(self.target, force=self.force, ours=is_rejects)

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
            # these texts come from strangers, and a spreadsheet would run some of them
            for done, row in enumerate(rows):
                if path is not None and not self._has_room(path):
                    self._unwritten[name] += len(rows) - done
                    break
                written = writer.writerow(
                    (name, row.line, *map(harmless, (row.column, row.value, row.reason, row.raw)))
                )
                if path is not None:
                    self._room[path] -= written

    def _has_room(self, path: Path) -> bool:
        if path not in self._room:
            files = path.rglob("*") if path.is_dir() else (path,)
            self._room[path] = LEAST + TIMES * sum(file.stat().st_size for file in files if file.is_file())
        return self._room[path] > 0

    def _writer(self, path: Path | None) -> Any:
        if self.target is False or (self.target is True and path is None):
            return None
        if isinstance(self.target, Path):
            return self._files[self.target] if self.target in self._files else self._opened(self.target)
        assert path is not None
        if path in self._beside:
            return self._files.get(self._beside[path])
        beside_it = path.with_name(path.name + REJECTED)
        wanted = [beside_it, Path.cwd() / beside_it.name]
        for at, place in enumerate(wanted):
            if place not in self._files:
                if _marked_read_only(place.parent) or not self._may_replace(place):
                    continue
                try:
                    self._opened(place)
                except (OSError, DataError):
                    continue
            self._beside[path] = place
            if at:
                why = "exists and is no file of rejected rows" if beside_it.exists() else "cannot be written"
                self.report.notes.append(f"{beside_it} {why}: rejected rows are in {place}")
            return self._files[place]
        self._beside[path] = wanted[0]
        self.report.notes.append(f"rejected rows could not be written to {' or '.join(map(str, wanted))}")
        return None

    def _may_replace(self, place: Path) -> bool:
        try:
            refuse_inputs(place, self.inputs)
            refuse_existing(place, force=False, ours=is_rejects)
        except ParameterError:
            return False
        return True

    def _opened(self, place: Path) -> Any:
        """A writer of a fresh file that takes the name ``place`` at the end; raises ``DataError`` if it fails."""
        try:
            with ExitStack() as opening:
                fresh = opening.enter_context(replacing_file(place))
                file = opening.enter_context(fresh.open("w", encoding="utf-8", newline=""))
                self._stack.enter_context(opening.pop_all())
        except OSError as error:
            raise DataError(f"rejected rows {error.strerror}", file=str(place)) from error
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        self._files[place] = writer
        self.report.rejected_files.append(str(place))
        return writer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the files; after an interruption, discard them."""
        finished = kind is None or issubclass(kind, PenchantError)
        for name, count in self._unwritten.items():
            more = many(count, "further rejected row", "further rejected rows")
            self.report.notes.append(f"{name}: {more} counted, and not written: they have far more text than the log")
        if finished:
            self._stack.close()
        else:
            self._stack.__exit__(kind, error, trace)


def is_rejects(path: Path) -> bool:
    """Whether a file has rejected rows that Penchant wrote."""
    line = (",".join(HEADER) + "\n").encode()
    with path.open("rb") as file:
        return file.read(len(line)) == line
