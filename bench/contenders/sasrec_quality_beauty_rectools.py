"""SASRec on amazon-beauty: when it is as good as RecTools'."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _networks as n
from bench.contenders import _quality as q
from bench.duel import Numbers

LOG = "amazon-beauty"


def prepare(folder: Path) -> None:
    """The log."""
    n.write(folder, LOG)


def ours(folder: Path) -> Numbers:
    """The same sizes."""
    return q.ours(
        folder, LOG, "sasrec", 10, factors=n.FACTORS, layers=n.LAYERS, heads=n.HEADS, window=n.LENGTH,
        inner=n.INNER / n.FACTORS, loss="sampled-softmax", negatives=512, correction=0.0, temperature=0.06,
        dropout=0.5, batch=1024, rate=0.002, decay="cosine",
    )  # fmt: skip


def rectools(folder: Path) -> Numbers:
    """Its defaults but the sizes and the loss over all items."""
    return q.rectools(
        folder, LOG, n_blocks=n.LAYERS, n_factors=n.FACTORS, n_heads=n.HEADS, session_max_len=n.LENGTH, loss="softmax",
        batch_size=128,
    )  # fmt: skip


QUESTION = q.question(
    LOG, "SASRec", "rectools", 2.0, prepare,
    "2 layers, 64 factors, 2 heads, length 50. Ours with sampled softmax, RecTools with softmax over all items",
)  # fmt: skip
