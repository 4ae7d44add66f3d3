"""SASRec on ml-1m: when it is as good as RecTools'."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _networks as n
from bench.contenders import _quality as q
from bench.duel import Numbers

LOG = "ml-1m"


def prepare(folder: Path) -> None:
    """The log."""
    n.write(folder, LOG)


def ours(folder: Path) -> Numbers:
    """The same sizes."""
    return q.ours(
        folder, LOG, "sasrec", 20, factors=n.FACTORS, layers=n.LAYERS, heads=n.HEADS, window=n.LENGTH,
        inner=n.INNER / n.FACTORS, loss="softmax", dropout=0.2, batch=4096, rate=0.002, decay="cosine",
    )  # fmt: skip


def rectools(folder: Path) -> Numbers:
    """Its defaults but the sizes and the loss over all items."""
    return q.rectools(
        folder, LOG, n_blocks=n.LAYERS, n_factors=n.FACTORS, n_heads=n.HEADS, session_max_len=n.LENGTH, loss="softmax",
        batch_size=128,
    )  # fmt: skip


QUESTION = q.question(
    LOG, "SASRec", "rectools", 1.5, prepare,
    "2 layers, 64 factors, 2 heads, length 50. Softmax over all items on both sides",
)  # fmt: skip
