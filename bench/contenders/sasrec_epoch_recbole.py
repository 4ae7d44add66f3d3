"""One pass of SASRec over all training positions of amazon-beauty: Penchant and RecBole."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _networks as n
from bench.duel import Goal, Numbers, Question, Side

LOG = "amazon-beauty"
BATCHES = 8


def prepare(folder: Path) -> None:
    """Write the log."""
    n.write(folder, LOG)


def ours(folder: Path) -> Numbers:
    """Packed passages: every event is computed once per pass."""
    return n.ours(
        folder, LOG, "sasrec", 2, factors=n.FACTORS, layers=n.LAYERS, heads=n.HEADS, window=n.LENGTH, batch=n.BATCH,
        inner=n.INNER / n.FACTORS, loss="softmax", dropout=0.5,
    )  # fmt: skip


def recbole(folder: Path) -> Numbers:
    """One row per target, each padded to the full length."""
    return n.recbole(
        folder, LOG, "SASRec", BATCHES, hidden_size=n.FACTORS, n_layers=n.LAYERS, n_heads=n.HEADS, inner_size=n.INNER,
        MAX_ITEM_LIST_LENGTH=n.LENGTH, loss_type="CE", train_batch_size=n.BATCH, hidden_dropout_prob=0.5,
        attn_dropout_prob=0.5,
    )  # fmt: skip


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: faster, with the same positions, the same sizes and the same loss over all items."""
    times = theirs["seconds"] / mine["seconds"]
    positions = mine["positions"] / (theirs["steps a pass"] * n.BATCH)
    return [
        Goal("times faster a pass than RecBole", times, 15.0, at_least=True),
        Goal("positions trained, ours over theirs (their last step is not full)", positions, 0.98, at_least=True),
    ]


QUESTION = Question(
    title="A pass of SASRec over all training positions of amazon-beauty: Penchant and RecBole 1.2.1",
    how=f"{n.LAYERS} layers, {n.FACTORS} factors, {n.HEADS} heads, length {n.LENGTH}, softmax over all items, Adam, "
    f"{n.BATCH} targets a step, all cores. RecBole trains one target a row and pads each row, so its pass is long: "
    f"{BATCHES} of its steps are timed after a first one and multiplied. Ours is the median pass of two after a first",
    prepare=prepare,
    judge=judge,
    peer="recbole",
    environment="recbole",
    rounds=1,
)
