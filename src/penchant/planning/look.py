"""A cheap look at a log: rows from the footer or the bytes of its files, the rest from a sample."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.blocks import is_mapped
from penchant.core.log_shape import LogShape, grouped, typical
from penchant.errors import DataError
from penchant.planning.coefficients import Coefficients
from penchant.planning.population import Longs, Population, population

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

SAMPLE = 400_000  # rows of a sample; a log of at most twice as many is read whole
PIECES = 32  # of a file, spread evenly, that make the sample: every second one is of the other half
BYTES = 2**20  # of text that are read to learn how long its lines are
COUNTED = 100_000_000  # rows of Parquet up to which users and items are counted
TEXT = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".json", ".jsonl", ".ndjson", ".log")


@dataclass(frozen=True)
class Look:
    """What was seen: the shape of the log, where it comes from, and what reading it takes."""

    shape: LogShape
    seen: str  # "log" (read before), "file" (read whole), "sample" or "numbers"
    format: str | None = None  # "parquet" or "text"; None: nothing is to be read
    rows: float = 0.0  # in the files
    size: float = 0.0  # bytes of text, as if uncompressed
    mapped: bool = False  # its events are pages of files, which the system takes back when it needs the memory

    @classmethod
    def of_numbers(cls, rows: float, users: float, items: float) -> Look:
        """A log that one does not have, as if it were a Parquet file."""
        return cls(LogShape.of_numbers(rows, users, items), "numbers", "parquet", rows)

    def seconds(self, known: Coefficients) -> float:
        """The seconds of reading on one core of the machine of the coefficients."""
        if self.format is None:
            return 0.0
        of = known.read[self.format]
        return of["row"] * self.rows + of.get("byte", 0.0) * self.size

    def bytes(self, known: Coefficients) -> float:
        """The memory of a process that reads it."""
        return known.start["read bytes"] + (known.read[self.format]["row bytes"] * self.rows if self.format else 0.0)

    def to_json(self) -> dict[str, Any]:
        shape = self.shape
        return {
            "seen": self.seen, "rows": round(self.rows) or shape.events, "events": shape.events, "users": shape.users,
            "items": shape.items, "pairs": round(shape.pairs()), "format": self.format,
        }  # fmt: skip


def look(source: Interactions | Any, *, table: Any = None, **reading: Any) -> Look:
    """Look at a log that was read, or at files; ``reading`` are options of ``read_interactions``.

    Raises ``DataError`` for a source whose size does not show without reading it (a pipe, a database, a spreadsheet).
    """
    from penchant.data.interactions import Interactions
    from penchant.data.reading.places import expand, is_prepared

    if isinstance(source, Interactions):
        return Look(_shape_of(source), "log", mapped=is_mapped(source.items))
    reading = reading if table is None else {**reading, "items": table}
    many = isinstance(source, Sequence) and not isinstance(source, (str, bytes))
    sources = expand(list(source) if many else [source])
    if len(sources) == 1 and isinstance(sources[0], Path) and is_prepared(sources[0]):
        from penchant.data.read import read_interactions

        return Look(_shape_of(read_interactions(sources[0], **reading)), "log", mapped=True)
    files = _files(sources)
    kinds = {_format(file) for file in files}
    if len(kinds) > 1:
        raise DataError("a plan is for files of one kind: text or Parquet", file=str(files[0]))
    return _parquet(files, reading) if kinds == {"parquet"} else _text(files, reading)


def _files(sources: Sequence[Any]) -> list[Path]:
    from penchant.data.reading.places import parquet_files

    out: list[Path] = []
    for source in sources:
        if not isinstance(source, Path):
            raise DataError(
                f"{getattr(source, 'name', 'this source')} does not show its size without being read",
                fix="Read it and plan what was read, or plan by numbers: --rows, --users and --items",
            )
        out += parquet_files(source) if source.is_dir() else [source]
    return out


def _format(file: Path) -> str:
    if file.suffix.lower() in {".parquet", ".pq"}:
        return "parquet"
    names = [suffix.lower() for suffix in file.suffixes[-2:]]
    if any(name in TEXT for name in names):
        return "text"
    raise DataError(
        "the size of this kind of file does not show without reading it",
        file=str(file),
        fix="Read it and plan what was read, or plan by numbers: --rows, --users and --items",
    )


# -- Parquet ----------------------------------------------------------------------------------------------------------


def _parquet(files: Sequence[Path], reading: dict[str, Any]) -> Look:
    import polars as pl

    from penchant.data.read import read_interactions

    counts = [int(pl.scan_parquet(file).select(pl.len()).collect().item()) for file in files]
    rows = sum(counts)
    if rows <= 2 * SAMPLE:
        return Look(_shape_of(read_interactions(*files, rejected=False, **reading)), "file", "parquet", rows)
    halves: tuple[list[pl.DataFrame], list[pl.DataFrame]] = ([], [])
    ends = np.cumsum(counts)
    each = max(1, SAMPLE // PIECES)
    for number, at in enumerate(np.linspace(0, rows - each, PIECES).astype(np.int64).tolist()):
        which = int(np.searchsorted(ends, at, side="right"))
        start = at - (int(ends[which - 1]) if which else 0)
        halves[number % 2].append(pl.scan_parquet(files[which]).slice(start, each).collect())
    logs = [read_interactions(pl.concat(half), rejected=False, **reading) for half in halves]
    sampled = sum(len(part) for half in halves for part in half)
    known: dict[str, float] = {}
    if rows <= COUNTED:
        columns = logs[0].report.sources[0].columns
        scan = pl.scan_parquet(list(files))
        for role in ("user", "item"):
            if role in columns:
                counted = scan.select(pl.col(columns[role]).approx_n_unique()).collect(engine="streaming")
                known[role] = float(counted.item())
    return Look(_extended(logs, rows, sampled, known), "sample", "parquet", rows)


# -- text -------------------------------------------------------------------------------------------------------------


def _text(files: Sequence[Path], reading: dict[str, Any]) -> Look:
    from penchant.data.read import read_interactions
    from penchant.data.reading.opening import opened, read_fully

    head, sizes, packed = b"", [], False
    for file in files:
        with opened(file) as stream:
            start, _ = read_fully(stream.stream, BYTES)
            packed = packed or stream.raw is not stream.stream
            plain, on_disk = stream.raw is stream.stream, float(file.stat().st_size)
            sizes.append(on_disk if plain else len(start) / max(stream.share(), 1e-9))
            head = head or start
    line = len(head) / max(head.count(b"\n"), 1)
    size = float(np.sum(sizes))
    if size / line <= 2 * SAMPLE:
        log = read_interactions(*files, rejected=False, **reading)
        return Look(_shape_of(log), "file", "text", log.report.rows, size)
    pieces = _packed_pieces(files, line) if packed else _pieces(files, sizes, line)
    with tempfile.TemporaryDirectory(prefix="penchant-plan-") as folder:
        logs: list[Interactions] = []
        for number in range(2):
            sample = Path(folder) / f"sample{number}{_suffix(files[0])}"
            names = bool(logs) and logs[0].report.sources[0].header is True
            first = head[: head.find(b"\n") + 1] if names else b""
            sample.write_bytes(b"".join([first, *pieces[number::2]]))
            logs.append(read_interactions(sample, rejected=False, **reading))
    sampled = sum(log.report.rows for log in logs)
    rows = sampled * size / max(sum(map(len, pieces)), 1)
    return Look(_extended(logs, rows, sampled, {}), "sample", "text", rows, size)


def _pieces(files: Sequence[Path], sizes: Sequence[float], line: float) -> list[bytes]:
    """Whole lines from places spread evenly over the files; the first piece is the beginning of the first file."""
    ends, each = np.cumsum(sizes), int(SAMPLE / PIECES * line)
    out: list[bytes] = []
    for at in np.linspace(0, max(ends[-1] - each, 0), PIECES).astype(np.int64).tolist():
        which = int(min(np.searchsorted(ends, at, side="right"), len(files) - 1))
        start = at - (int(ends[which - 1]) if which else 0)
        with files[which].open("rb") as file:
            file.seek(start)
            piece = file.read(each)
        from_line = 0 if start == 0 else piece.find(b"\n") + 1
        out.append(piece[from_line : piece.rfind(b"\n") + 1])
    return out


def _packed_pieces(files: Sequence[Path], line: float) -> list[bytes]:
    """The beginnings of compressed files, whose other parts cannot be reached without reading all before them."""
    from penchant.data.reading.opening import opened, read_fully

    out: list[bytes] = []
    for file in files:
        with opened(file) as stream:
            start, _ = read_fully(stream.stream, int(SAMPLE * line / len(files)))
        lines = start[: start.rfind(b"\n") + 1].splitlines(keepends=True)
        step = -(-len(lines) // PIECES)
        out += [b"".join(lines[lo : lo + step]) for lo in range(0, len(lines), step)]
    return out


def _suffix(file: Path) -> str:
    return next((suffix for suffix in file.suffixes[::-1] if suffix.lower() in TEXT), ".csv")


# -- from a sample to a log -------------------------------------------------------------------------------------------


def _shape_of(log: Interactions) -> LogShape:
    return LogShape.of(log.histories(), ordered=log.ordered, sessions=log.sessions)


def _extended(logs: Sequence[Interactions], rows: float, sampled: float, known: dict[str, float]) -> LogShape:
    """The shape of a log of so many rows, of which two halves of a sample were read."""
    used = sum(len(log) for log in logs) / max(sampled, 1)  # rejected rows and merged repeats do not count
    events = rows * used
    people = _extend(
        [(log.user_ids, np.bincount(log.users, minlength=log.n_users)) for log in logs], events, known, "user"
    )
    things = _extend(
        [(list(log.vocab.ids), np.bincount(log.items, minlength=log.n_items)) for log in logs], events, known, "item"
    )
    sizes, shares = grouped(things.counts)
    sizes = sizes * (things.size / max(sizes.sum(), 1))
    shares = shares / max(float((sizes * shares).sum()), 1e-12)
    log = logs[0]
    drawn = LogShape(
        round(events), round(people.size), max(1, round(things.size)), typical(people.counts), sizes, shares,
        log.values_are == "rating", log.ordered, log.sessions,
    )  # fmt: skip
    return drawn.without_repeats() if any(_repeats(log) for log in logs) else drawn


def _repeats(log: Interactions) -> bool:
    """Whether people had an item more than once."""
    histories = log.histories()
    return len(histories.distinct().items) < len(histories.items)


def _extend(halves: list[tuple[Sequence[str], Longs]], rows: float, known: dict[str, float], role: str) -> Population:
    """The population of the classes of two halves, which are counted by id."""
    codes: dict[str, int] = {}
    for ids, _ in halves:
        for each in ids:
            codes.setdefault(each, len(codes))
    one, other = (np.zeros(len(codes), np.int64) for _ in range(2))
    for total, (ids, counts) in zip((one, other), halves, strict=True):
        total[[codes[each] for each in ids]] = counts
    found = population(one + other, one, other, rows, known.get(role))
    return replace(found, size=max(found.size, float(len(codes))))  # an item table may hold more items than the log
