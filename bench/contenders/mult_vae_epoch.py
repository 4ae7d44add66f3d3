"""One pass of Mult-VAE over ml-1m: Penchant and RecBole."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _networks as n
from bench.duel import Goal, Numbers, Question, Side

LOG = "ml-1m"
HISTORIES = 512  # per step
HIDDEN, FACTORS = 600, 128
PASSES = 3


def prepare(folder: Path) -> None:
    """Write the log."""
    n.write(folder, LOG)


def ours(folder: Path) -> Numbers:
    """As many events per step as their batch of histories holds on average."""
    indptr, items, _ = n.training(folder, LOG)
    batch = round(HISTORIES * len(items) / (len(indptr) - 1))
    return n.ours(
        folder, LOG, "mult-vae", PASSES, hidden=HIDDEN, factors=FACTORS, batch=batch, dropout=0.5, clip=None,
        precision="auto",
    )  # fmt: skip


def recbole(folder: Path) -> Numbers:
    """Time whole passes after a first step."""
    steps = -(-(len(n.read(folder, LOG)[0]) - 1) // HISTORIES)
    return n.recbole(
        folder, LOG, "MultiVAE", PASSES * steps, latent_dimension=FACTORS, mlp_hidden_size=[HIDDEN],
        train_batch_size=HISTORIES, dropout_prob=0.5,
    )  # fmt: skip


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: faster, with the same sizes and the same loss."""
    return [Goal("times faster a pass than RecBole", theirs["seconds"] / mine["seconds"], 3.0, at_least=True)]


QUESTION = Question(
    title="A pass of Mult-VAE over ml-1m: Penchant and RecBole 1.2.1",
    how=f"{HIDDEN} hidden, {FACTORS} factors, {HISTORIES} histories a step, Adam, all cores; "
    "ours with bfloat16 factors in the products of loss and layers where the processor has it, RecBole in float32; "
    f"RecBole: the mean of {PASSES} passes after a first step, ours: the median of {PASSES} after a first",
    prepare=prepare,
    judge=judge,
    peer="recbole",
    environment="recbole",
    rounds=3,
)
