"""One pass of SASRec over all training positions of amazon-beauty: Penchant and RecTools."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _networks as n
from bench.duel import Goal, Numbers, Question, Side

LOG = "amazon-beauty"
SEQUENCES = 128  # histories per step on their side
BATCHES = 10


def prepare(folder: Path) -> None:
    """Write the log."""
    n.write(folder, LOG)


def ours(folder: Path) -> Numbers:
    """As many events per step as their batch of histories holds on average."""
    indptr, items, _ = n.training(folder, LOG)
    return n.ours(
        folder, LOG, "sasrec", 2, factors=n.FACTORS, layers=n.LAYERS, heads=n.HEADS, window=n.LENGTH, inner=1.0,
        loss="softmax", batch=round(SEQUENCES * (len(items) / (len(indptr) - 1) - 1)),
    )  # fmt: skip


def rectools(folder: Path) -> Numbers:
    """Its defaults except the sizes. Its feed-forward layer is as wide as the factors, the only width it offers."""
    return n.rectools(
        folder, LOG, BATCHES, n_blocks=n.LAYERS, n_factors=n.FACTORS, n_heads=n.HEADS, session_max_len=n.LENGTH,
        loss="softmax", batch_size=SEQUENCES,
    )  # fmt: skip


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: faster, with the same positions, the same sizes and the same loss over all items."""
    return [Goal("times faster a pass than RecTools", theirs["seconds"] / mine["seconds"], 2.0, at_least=True)]


QUESTION = Question(
    title="A pass of SASRec over all training positions of amazon-beauty: Penchant and RecTools 0.19",
    how=f"{n.LAYERS} layers, {n.FACTORS} factors, {n.HEADS} heads, length {n.LENGTH}, softmax over all items, Adam, "
    f"{SEQUENCES} histories a step (ours: as many events), all cores. {BATCHES} of its steps are timed after a first "
    "one and multiplied; ours is the median pass of two after a first",
    prepare=prepare,
    judge=judge,
    peer="rectools",
    environment="rectools",
    rounds=1,
)
