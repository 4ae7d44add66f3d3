"""GRU4Rec on diginetica-sessions: how soon ours matches RecBole's."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _networks as n
from bench.contenders import _quality as q
from bench.duel import Numbers

LOG = "diginetica-sessions"


def ours(folder: Path) -> Numbers:
    """Ours with the same sizes as the peer."""
    return q.ours(
        folder, LOG, "gru4rec", 10, repeat=True, factors=64, loss="sampled-softmax", negatives=512, batch=2048,
        rate=0.003, decay="cosine", precision="auto",
    )  # fmt: skip


def recbole(folder: Path) -> Numbers:
    """Its defaults except the sizes and the loss over all items."""
    return q.recbole(
        folder, LOG, "GRU4Rec", repeat=True, embedding_size=64, hidden_size=64, num_layers=1, loss_type="CE",
        MAX_ITEM_LIST_LENGTH=50, train_batch_size=n.BATCH,
    )  # fmt: skip


QUESTION = q.question(
    LOG, "GRU4Rec", "recbole", 5.0,
    "Sessions of three events and more; seen items may come again. 64 factors, one layer; ours with "
    "sampled softmax, RecBole with softmax over all items",
)  # fmt: skip
