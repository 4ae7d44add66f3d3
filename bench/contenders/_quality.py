"""How soon a network matches a peer after some minutes of training, by NDCG@10 of the second-to-last event."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.contenders import _networks as n
from bench.duel import Goal, Numbers, Question, Side

K = 10
PASSES = {"amazon-beauty": 10, "ml-1m": 20}
OURS: dict[str, dict[str, Any]] = {
    "amazon-beauty": {
        "loss": "sampled-softmax", "negatives": 512, "correction": 0.0, "temperature": 0.06, "dropout": 0.5,
        "batch": 1024, "rate": 0.002, "precision": "auto",
    },
    "ml-1m": {
        "loss": "softmax", "temperature": 0.06, "dropout": 0.2, "batch": 2048, "rate": 0.002, "precision": "auto",
    },
}  # fmt: skip
SASREC = (
    f"{n.LAYERS} layers, {n.FACTORS} factors, {n.HEADS} heads, length {n.LENGTH}; the peer with softmax over all items"
)
HALF = "Ours has bfloat16 factors in the products of the loss where the processor multiplies it, the peer has float32"
SECONDS = 300.0  # the peer's training time; evaluation is not counted on either side


def truth(folder: Path, name: str) -> np.ndarray:
    """The second-to-last event of each user."""
    indptr, items, _ = n.read(folder, name)
    return items[indptr[1:] - 2]


def ours(folder: Path, name: str, model: str, passes: int, *, repeat: bool = False, **params: Any) -> Numbers:
    """NDCG after every pass, on at most 5,000 users as in our training loop, and the training seconds until then."""
    from penchant.core.histories import Histories
    from penchant.core.split import Split
    from penchant.models.registry import create

    indptr, items, n_items = n.training(folder, name)
    train, last = Histories(indptr, items, n_items), truth(folder, name)
    cases = Split(name, train, train, Histories(np.arange(len(last) + 1), last, n_items), repeat=repeat)
    fresh = create(model, {"epochs": passes, "patience": passes, **params})
    fresh.fit(train, valid=cases)
    history: list[dict[str, float]] = fresh.history  # type: ignore[attr-defined]  # every network has one
    told = [record for record in history if f"ndcg@{K}" in record]
    seconds = np.cumsum([record["seconds"] for record in history])
    return {
        "seconds": float(seconds[-1]), "ndcg": max(record[f"ndcg@{K}"] for record in told), "passes": len(seconds),
        "when": np.array([seconds[int(record["epoch"]) - 1] for record in told]),
        "curve": np.array([record[f"ndcg@{K}"] for record in told]),
    }  # fmt: skip


def recbole(folder: Path, name: str, model: str, *, repeat: bool = False, **settings: Any) -> Numbers:
    """As many of its steps as fit into the time, over repeated passes.

    Then its scores of all items. Seen items are excluded unless ``repeat`` is set.
    """
    import torch

    train, valid, network, optimiser = n.recbole_parts(folder, name, model, settings)
    steps, start = 0, time.perf_counter()
    for batch in itertools.chain.from_iterable(itertools.repeat(train)):
        n.recbole_step(network, optimiser, batch)
        steps += 1
        if time.perf_counter() - start >= SECONDS:
            break
    seconds = time.perf_counter() - start
    network.eval()
    gains: list[float] = []
    with torch.no_grad():
        for batch, _, _, wanted in valid:
            scores = network.full_sort_predict(batch)
            scores[:, 0] = -np.inf  # the padding item
            target = scores[torch.arange(len(scores)), wanted].clone()
            if not repeat:
                scores.scatter_(1, batch[network.ITEM_SEQ], -np.inf)
            rank = (scores > target[:, None]).sum(1).numpy()
            gains.extend(np.where(rank < K, 1 / np.log2(rank + 2), 0))
    return {"seconds": seconds, "ndcg": float(np.mean(gains)), "passes": steps / len(train), "cases": len(gains)}


def rectools(folder: Path, name: str, **settings: Any) -> Numbers:
    """Its SASRec with its own trainer, stopped when the time is up; then its own lists."""
    import os

    import torch
    from pytorch_lightning import Callback, Trainer
    from rectools.columns import Columns
    from rectools.models import SASRecModel

    told: list[float] = []

    class Clock(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            told.append(time.perf_counter())
            trainer.should_stop = told[-1] - told[0] >= SECONDS

    def trainer() -> Any:
        return Trainer(
            max_epochs=1000, min_epochs=0, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
            logger=False, enable_checkpointing=False, callbacks=[Clock()], default_root_dir=str(folder),
        )  # fmt: skip

    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    log, last = n.rectools_log(folder, name), truth(folder, name)
    model = SASRecModel(get_trainer_func=trainer, **settings).fit(log)
    lists = model.recommend(np.arange(len(last)), log, k=K, filter_viewed=True)
    hits = lists[lists[Columns.Item].to_numpy() == last[lists[Columns.User].to_numpy()]]
    ndcg = float((1 / np.log2(hits[Columns.Rank].to_numpy() + 1)).sum() / len(last))
    steps = -(-int((np.diff(n.training(folder, name)[0]) > 1).sum()) // settings["batch_size"])
    return {"seconds": told[-1] - told[0], "ndcg": ndcg, "passes": len(told) / steps, "cases": len(last)}


def sasrec(folder: Path, name: str) -> Numbers:
    """Ours with the same sizes as the peers."""
    sizes = {"factors": n.FACTORS, "layers": n.LAYERS, "heads": n.HEADS, "window": n.LENGTH}
    return ours(folder, name, "sasrec", PASSES[name], inner=n.INNER / n.FACTORS, decay="cosine", **sizes, **OURS[name])


def sasrec_of_recbole(folder: Path, name: str) -> Numbers:
    """Its defaults except the sizes and the loss over all items."""
    return recbole(
        folder, name, "SASRec", hidden_size=n.FACTORS, n_layers=n.LAYERS, n_heads=n.HEADS, inner_size=n.INNER,
        MAX_ITEM_LIST_LENGTH=n.LENGTH, loss_type="CE", train_batch_size=n.BATCH,
    )  # fmt: skip


def sasrec_of_rectools(folder: Path, name: str) -> Numbers:
    """Its defaults except the sizes and the loss over all items."""
    return rectools(
        folder, name, n_blocks=n.LAYERS, n_factors=n.FACTORS, n_heads=n.HEADS, session_max_len=n.LENGTH, loss="softmax",
        batch_size=128,
    )  # fmt: skip


def question(name: str, what: str, peer: str, times: float, how: str) -> Question:
    """How many times sooner we reach the NDCG that the peer has when its time is up."""
    called = {"recbole": "RecBole 1.2.1", "rectools": "RecTools 0.19"}[peer]

    def judge(mine: Side, theirs: Side) -> list[Goal]:
        reached = np.flatnonzero(mine.arrays["curve"] >= theirs["ndcg"])
        sooner = theirs["seconds"] / float(mine.arrays["when"][reached[0]]) if len(reached) else 0.0
        return [Goal(f"times sooner at the NDCG@{K} that {peer} ends with", sooner, times, at_least=True)]

    def prepare(folder: Path) -> None:
        n.write(folder, name)

    return Question(
        title=f"{what} on {name}: how soon it is as good as {called} after {SECONDS / 60:.0f} minutes of training",
        how=f"NDCG@{K} of the last event but one among all items; training alone is counted, on all cores. The peer is "
        f"stopped after its time, before its end, and what it has then is what we have to reach. {HALF}. {how}",
        prepare=prepare,
        judge=judge,
        peer=peer,
        environment=peer,
        rounds=1,
    )
