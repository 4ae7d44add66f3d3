"""Answers for every user of a log, block by block, into one file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Bools, Histories, Ints
from penchant.core.outputs import beside, flush, replacing_file
from penchant.core.rank import rank_by_popularity, without_tired
from penchant.core.run import Progress
from penchant.core.spreadsheets import NUMBER, RUNS
from penchant.data.tables import as_os_errors
from penchant.errors import ParameterError
from penchant.models.kinds.base import Model
from penchant.recommender.answer import Answer
from penchant.recommender.fallback import Lists, rank_or_popular

if TYPE_CHECKING:
    import polars as pl

    from penchant.data.catalog import Catalog
    from penchant.data.vocab import Vocab

SHOWN = ("url", "image")  # attributes of items that a mail shows
ENDINGS = (".parquet", ".jsonl", ".csv")
MEMORY = 256 * 2**20  # bytes that the lists of a whole log may take at once
PART_BYTES = 128 * 2**20  # of a table from which on it is written: a file in parts is written twice
_ENTRY_BYTES = 400  # one line of one list, as text or Python objects


@dataclass(frozen=True, eq=False)
class Block:
    """The lists of users that follow each other in a log."""

    users: Sequence[str]
    ranked: Lists
    unknown: Sequence[Sequence[str]]  # per user: ids that the recommender does not know
    done: int
    total: int
    guests: Bools | None = None  # which of the users are sessions of a log that has both; None: the log has no guests
    placed: Sequence[Answer] | None = None  # the answers of a placement
    because: Sequence[Sequence[str]] | None = None  # per user and item: the event that speaks most for it


def blocks(
    model: Model,
    given: Histories,
    users: Sequence[str],
    unknown: Sequence[Sequence[str]],
    k: int,
    *,
    repeat: bool = False,
    allow: Bools | None = None,
    memory: int = MEMORY,
    guests: Bools | None = None,
    popularity_rank: Ints | None = None,
    exact: bool = False,
    most_impressions: int = 0,
) -> Iterator[Block]:
    """The lists of many users, in blocks that hold at most about ``memory`` bytes at once.

    Row ``r`` of ``given`` and of ``unknown`` belongs to ``users[r]``; ``allow`` is one mask over the items.
    ``popularity_rank`` and ``exact`` are as in ``core.rank.rank``, ``most_impressions`` as in ``recommend``.
    """
    k = min(k, model.n_items)
    popularity_rank = rank_by_popularity(model.item_counts) if popularity_rank is None else popularity_rank
    size = max(1, memory // (model.score_bytes(given) + _ENTRY_BYTES * k))
    for lo in range(0, len(given), size):
        hi = min(lo + size, len(given))
        some = given[lo:hi]
        ranked = rank_or_popular(
            model, some, k, exclude=None if repeat else without_tired(some, most_impressions), repeat=repeat,
            allow=allow, popularity_rank=popularity_rank, exact=exact,
        )  # fmt: skip
        here = None if guests is None else guests[lo:hi]
        yield Block(users[lo:hi], ranked, unknown[lo:hi], hi, len(given), here)


def check_ending(path: Path) -> None:
    """Raises ``ParameterError`` for a file whose ending names no format of lists."""
    if path.suffix not in ENDINGS:
        raise ParameterError(f"lists are written to a .parquet, .jsonl or .csv file, not to {path.name!r}")


def write(
    path: Path,
    made: Iterator[Block],
    answer: Callable[..., Answer],
    vocab: Vocab,
    catalog: Catalog | None,
    progress: Progress | None = None,
    *,
    spreadsheet: bool = False,
    before: Callable[[], None] | None = None,
) -> None:
    """Write blocks to a file.

    - ``.parquet`` and ``.csv``: user (and session, if the log has guests), rank, item, title, score, fallback; one row
      per recommendation. In ``.csv``, titles that a spreadsheet would run get a ``'`` before them; with ``spreadsheet``
      ids do, too.
    - ``.jsonl``: the JSON object of ``recommend``, one line per user.

    The file appears when it is complete, and replaces an existing one; ``before`` is called just before. Raises
    ``ParameterError`` for another ending.
    """
    check_ending(path)
    if progress is not None:
        made = _reporting(made, progress)
    with replacing_file(path) as fresh, as_os_errors():
        if path.suffix == ".jsonl":
            _jsonl(made, answer, fresh)
        elif path.suffix == ".csv":
            _csv(made, vocab, catalog, fresh, spreadsheet=spreadsheet)
        else:
            _parquet(made, vocab, catalog, fresh)
        if before is not None:
            flush(fresh)
            before()


def answers(block: Block, answer: Callable[..., Answer]) -> Iterator[Answer]:
    """The lists of one block of users, each with its name; ``answer`` makes one of a row of the lists."""
    for row, user in enumerate(block.users):
        made = answer(block.ranked, row, unknown=block.unknown[row]) if block.placed is None else block.placed[row]
        guest = block.guests is not None and bool(block.guests[row])
        yield replace(made, session=user) if guest else replace(made, user=user)


def told(made: Iterator[Block], each: Callable[[Block], None]) -> Iterator[Block]:
    """The same blocks; ``each`` gets one before it goes on."""
    for block in made:
        each(block)
        yield block


def _reporting(made: Iterator[Block], progress: Progress) -> Iterator[Block]:
    for block in made:
        yield block
        progress("recommending", block.done, block.total)


def _jsonl(made: Iterator[Block], answer: Callable[..., Answer], target: Path) -> None:
    with target.open("w", encoding="utf-8") as file:
        for block in made:
            for one in answers(block, answer):
                file.write(json.dumps(one.to_json(), ensure_ascii=False, allow_nan=False) + "\n")


def _csv(made: Iterator[Block], vocab: Vocab, catalog: Catalog | None, target: Path, *, spreadsheet: bool) -> None:
    import polars as pl

    texts = ["title", *(("user", "session", "item") if spreadsheet else ())]
    with target.open("wb") as file:
        header = True
        for block in _or_empty(made):
            frame = _frame(block, vocab, catalog)
            safe = [_harmless(name) for name in texts if frame.schema.get(name) == pl.String]
            frame.with_columns(safe).write_csv(file, include_header=header)
            header = False


def _harmless(name: str) -> pl.Expr:
    """A column as ``spreadsheets.harmless`` has it."""
    import polars as pl

    text = pl.col(name)
    runs = text.str.contains(RUNS) & ~text.str.contains(NUMBER)
    return pl.when(runs).then(pl.lit("'") + text).otherwise(text).alias(name)


def _parquet(made: Iterator[Block], vocab: Vocab, catalog: Catalog | None, target: Path) -> None:
    import polars as pl

    scratch = beside(target)
    scratch.mkdir()
    parts: list[Path] = []
    frames: list[pl.DataFrame] = []

    def keep() -> None:
        parts.append(scratch / f"{len(parts)}.parquet")
        pl.concat(frames).write_parquet(parts[-1], compression="zstd")
        frames.clear()

    try:
        for block in _or_empty(made):
            frames.append(_frame(block, vocab, catalog))
            if sum(frame.estimated_size() for frame in frames) >= PART_BYTES:
                keep()
        if frames:
            keep()
        join_parts(parts, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def join_parts(parts: list[Path], target: Path) -> None:
    """Make one Parquet file of several, in a fixed amount of memory; one alone takes the new name."""
    import polars as pl

    if len(parts) == 1:
        parts[0].replace(target)
    else:
        pl.scan_parquet(parts, glob=False).sink_parquet(target, compression="zstd")


def _or_empty(made: Iterator[Block]) -> Iterator[Block]:
    """The blocks, or a block without users if there is none."""
    first = next(made, None)
    if first is None:
        empty = Lists(np.empty((0, 1), np.int32), np.empty((0, 1), np.float32), np.empty(0, np.bool_))
        first = Block([], empty, [], 0, 0)
    yield first
    yield from made


def _frame(block: Block, vocab: Vocab, catalog: Catalog | None) -> pl.DataFrame:
    import polars as pl

    rows, ranks = np.nonzero(block.ranked.items >= 0)
    items = block.ranked.items[rows, ranks]
    ids = pl.Series("item", vocab.ids, dtype=pl.String)
    people, nobody = pl.Series(block.users, dtype=pl.String), pl.Series([None] * len(block.users), dtype=pl.String)
    guests = None if block.guests is None else pl.Series(block.guests)
    table: dict[str, Any] = {
        "user": (people if guests is None else nobody.zip_with(guests, people)).gather(rows),
        **({} if guests is None else {"session": people.zip_with(guests, nobody).gather(rows)}),
        "rank": pl.Series(ranks.astype(np.uint32) + np.uint32(1)),
        "item": ids.gather(items).cast(pl.Int64) if vocab.integers else ids.gather(items),
    }
    if catalog is not None:
        table["title"] = pl.Series(catalog.titles, dtype=pl.String).gather(items)
    described = {} if catalog is None or block.placed is None else catalog.attributes
    for name in SHOWN:
        if name in described:
            told = [None if one is None else str(one) for one in described[name]]
            table[name] = pl.Series(told, dtype=pl.String).gather(items)
    if block.because is not None:
        table["because"] = pl.Series([one for told in block.because for one in told], dtype=pl.String)
    table["score"] = pl.Series(block.ranked.scores[rows, ranks])
    table["fallback"] = pl.Series(block.ranked.fallback[rows])
    return pl.DataFrame(table)
