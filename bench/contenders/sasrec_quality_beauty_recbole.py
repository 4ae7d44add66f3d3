"""SASRec on amazon-beauty: when it is as good as RecBole's."""

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


def recbole(folder: Path) -> Numbers:
    """Its defaults but the sizes and the loss over all items."""
    return q.recbole(
        folder, LOG, "SASRec", hidden_size=n.FACTORS, n_layers=n.LAYERS, n_heads=n.HEADS, inner_size=n.INNER,
        MAX_ITEM_LIST_LENGTH=n.LENGTH, loss_type="CE", train_batch_size=n.BATCH,
    )  # fmt: skip


QUESTION = q.question(
    LOG, "SASRec", "recbole", 10.0, prepare,
    "2 layers, 64 factors, 2 heads, length 50. Ours with sampled softmax, RecBole with softmax over all items",
)  # fmt: skip
