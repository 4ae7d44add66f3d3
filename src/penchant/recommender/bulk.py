"""Answers for every user of a log, block by block, into one file."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.rank import Ranked
from penchant.errors import ParameterError
from penchant.recommender.explain import rank_net
from penchant.recommender.recommender import MEMORY, Recommender, check_k

if TYPE_CHECKING:
    import polars as pl

    from penchant.data.interactions import Interactions

_ENTRY_BYTES = 400  # of one line of one list while it is text or Python objects


@dataclass(frozen=True, eq=False)
class Block:
    """Lists of neighbouring users of a log."""

    users: Sequence[str]
    ranked: Ranked
    unknown: Sequence[Sequence[str]]  # a row a user: ids that the recommender does not know
    done: int
    total: int


def blocks(
    recommender: Recommender, log: Interactions, k: int, *, repeat: bool = False, memory: int = MEMORY
) -> Iterator[Block]:
    """The lists of all users in blocks that hold at most about ``memory`` bytes at once."""
    check_k(k)
    given, unknown = recommender.translate(log)
    k = min(k, recommender.model.n_items)
    size = max(1, memory // (16 * recommender.model.n_items + _ENTRY_BYTES * k))
    for lo in range(0, len(given), size):
        hi = min(lo + size, len(given))
        ranked = rank_net(recommender.model, given[lo:hi], k, repeat=repeat, allow=recommender.available())
        yield Block(log.user_ids[lo:hi], ranked, unknown[lo:hi], hi, len(given))


def write(
    recommender: Recommender,
    log: Interactions,
    path: Path,
    k: int,
    *,
    repeat: bool = False,
    memory: int = MEMORY,
    progress: Callable[[str, int, int], None] | None = None,
) -> int:
    """Write the lists of all users; returns how many users.

    ``.parquet``: user, rank, item, title, score, fallback, a row a recommendation. ``.jsonl``: the object of
    ``recommend``, a line a user. The file appears when it is complete; one that is there is replaced. Raises
    ``ParameterError`` for another ending.
    """
    if path.suffix not in (".parquet", ".jsonl"):
        raise ParameterError(f"lists are written to a .parquet or a .jsonl file, not to {path.name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    made = blocks(recommender, log, k, repeat=repeat, memory=memory)
    if progress is not None:
        made = _reporting(made, progress)
    scratch = path.parent / f".{path.name}.{uuid.uuid4().hex[:12]}"
    scratch.mkdir()
    try:
        store = _parquet if path.suffix == ".parquet" else _jsonl
        store(recommender, made, scratch).replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return log.n_users


def _reporting(made: Iterator[Block], progress: Callable[[str, int, int], None]) -> Iterator[Block]:
    for block in made:
        yield block
        progress("recommending", block.done, block.total)


def _jsonl(recommender: Recommender, made: Iterator[Block], scratch: Path) -> Path:
    whole = scratch / "lists.jsonl"
    with whole.open("w", encoding="utf-8") as file:
        for block in made:
            for answer in recommender.answers(block):
                file.write(json.dumps(answer.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
    return whole


def _parquet(recommender: Recommender, made: Iterator[Block], scratch: Path) -> Path:
    import polars as pl

    parts: list[Path] = []
    for block in made:
        part = scratch / f"{len(parts)}.parquet"
        _frame(recommender, block).write_parquet(part, compression="zstd")
        parts.append(part)
    whole = scratch / "lists.parquet"
    if not parts:
        empty = Ranked(np.empty((0, 1), np.int32), np.empty((0, 1), np.float32))
        _frame(recommender, Block([], empty, [], 0, 0)).write_parquet(whole, compression="zstd")
    elif len(parts) == 1:
        return parts[0]
    else:
        pl.scan_parquet(parts, glob=False).sink_parquet(whole, compression="zstd")
    return whole


def _frame(recommender: Recommender, block: Block) -> pl.DataFrame:
    import polars as pl

    rows, ranks = np.nonzero(block.ranked.items >= 0)
    items = block.ranked.items[rows, ranks]
    integers, catalog = recommender.vocab.integers, recommender.catalog
    ids = pl.Series("item", recommender.vocab.ids, dtype=pl.String)
    table: dict[str, Any] = {
        "user": pl.Series(block.users, dtype=pl.String).gather(rows),
        "rank": pl.Series(ranks.astype(np.uint32) + np.uint32(1)),
        "item": ids.gather(items).cast(pl.Int64) if integers else ids.gather(items),
    }
    if catalog is not None:
        table["title"] = pl.Series(catalog.titles, dtype=pl.String).gather(items)
    table["score"] = pl.Series(block.ranked.scores[rows, ranks])
    table["fallback"] = pl.Series(block.ranked.fallback[rows])
    return pl.DataFrame(table)
