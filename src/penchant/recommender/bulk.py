"""Answers for every user of a log, block by block, into one file."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Bools, Histories
from penchant.core.run import Progress
from penchant.errors import ParameterError
from penchant.models.kinds.base import Model
from penchant.recommender.answer import Answer
from penchant.recommender.fallback import Lists, rank_or_popular

if TYPE_CHECKING:
    import polars as pl

    from penchant.data.catalog import Catalog
    from penchant.data.vocab import Vocab

MEMORY = 256 * 2**20  # bytes that the lists of a whole log may take at once
_ENTRY_BYTES = 400  # one line of one list, as text or Python objects


@dataclass(frozen=True, eq=False)
class Block:
    """The lists of users that follow each other in a log."""

    users: Sequence[str]
    ranked: Lists
    unknown: Sequence[Sequence[str]]  # per user: ids that the recommender does not know
    done: int
    total: int


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
) -> Iterator[Block]:
    """The lists of many users, in blocks that hold at most about ``memory`` bytes at once.

    Row ``r`` of ``given`` and of ``unknown`` belongs to ``users[r]``; ``allow`` is one mask over the items.
    """
    k = min(k, model.n_items)
    size = max(1, memory // (16 * model.n_items + _ENTRY_BYTES * k))
    for lo in range(0, len(given), size):
        hi = min(lo + size, len(given))
        ranked = rank_or_popular(model, given[lo:hi], k, repeat=repeat, allow=allow)
        yield Block(users[lo:hi], ranked, unknown[lo:hi], hi, len(given))


def write(
    path: Path,
    made: Iterator[Block],
    answers: Callable[[Block], Iterable[Answer]],
    vocab: Vocab,
    catalog: Catalog | None,
    progress: Progress | None = None,
) -> None:
    """Write blocks to a file.

    ``.parquet``: user, rank, item, title, score, fallback; one row per recommendation. ``.jsonl``: the JSON object of
    ``recommend``, one line per user. The file appears when it is complete, and replaces an existing one. Raises
    ``ParameterError`` for another ending.
    """
    if path.suffix not in (".parquet", ".jsonl"):
        raise ParameterError(f"lists are written to a .parquet or a .jsonl file, not to {path.name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if progress is not None:
        made = _reporting(made, progress)
    scratch = path.parent / f".{path.name}.{uuid.uuid4().hex[:12]}"
    scratch.mkdir()
    try:
        whole = _jsonl(made, answers, scratch) if path.suffix == ".jsonl" else _parquet(made, vocab, catalog, scratch)
        whole.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _reporting(made: Iterator[Block], progress: Progress) -> Iterator[Block]:
    for block in made:
        yield block
        progress("recommending", block.done, block.total)


def _jsonl(made: Iterator[Block], answers: Callable[[Block], Iterable[Answer]], scratch: Path) -> Path:
    whole = scratch / "lists.jsonl"
    with whole.open("w", encoding="utf-8") as file:
        for block in made:
            for answer in answers(block):
                file.write(json.dumps(answer.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
    return whole


def _parquet(made: Iterator[Block], vocab: Vocab, catalog: Catalog | None, scratch: Path) -> Path:
    import polars as pl

    parts: list[Path] = []
    for block in made:
        part = scratch / f"{len(parts)}.parquet"
        _frame(block, vocab, catalog).write_parquet(part, compression="zstd")
        parts.append(part)
    whole = scratch / "lists.parquet"
    if not parts:
        empty = Lists(np.empty((0, 1), np.int32), np.empty((0, 1), np.float32), np.empty(0, np.bool_))
        _frame(Block([], empty, [], 0, 0), vocab, catalog).write_parquet(whole, compression="zstd")
    elif len(parts) == 1:
        return parts[0]
    else:
        pl.scan_parquet(parts, glob=False).sink_parquet(whole, compression="zstd")
    return whole


def _frame(block: Block, vocab: Vocab, catalog: Catalog | None) -> pl.DataFrame:
    import polars as pl

    rows, ranks = np.nonzero(block.ranked.items >= 0)
    items = block.ranked.items[rows, ranks]
    ids = pl.Series("item", vocab.ids, dtype=pl.String)
    table: dict[str, Any] = {
        "user": pl.Series(block.users, dtype=pl.String).gather(rows),
        "rank": pl.Series(ranks.astype(np.uint32) + np.uint32(1)),
        "item": ids.gather(items).cast(pl.Int64) if vocab.integers else ids.gather(items),
    }
    if catalog is not None:
        table["title"] = pl.Series(catalog.titles, dtype=pl.String).gather(items)
    table["score"] = pl.Series(block.ranked.scores[rows, ranks])
    table["fallback"] = pl.Series(block.ranked.fallback[rows])
    return pl.DataFrame(table)
