"""How long networks take for one pass over the training events of a log that every library reads."""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.duel import Numbers

FACTORS, LAYERS, HEADS, LENGTH, INNER = 64, 2, 2, 50, 256
BATCH = 2048  # per step: events for ours, rows of one target each for RecBole


def write(folder: Path, name: str) -> None:
    """Write ``NAME.npz``, the log in event order, and ``NAME/NAME.inter``, the same log in RecBole's format.

    Every library uses the same split: the last event of each user is the test, the second to last is the validation,
    and the rest is for training. Histories of fewer than three events are left out.
    """
    import polars as pl

    from bench.sets import table

    if (folder / f"{name}.npz").exists():
        return
    log = table(name)
    person = "user" if "user" in log.columns else "session"
    log = log.filter(pl.len().over(person) > 2).sort(person, "position")
    rows, items = (np.unique(log[column].to_numpy(), return_inverse=True)[1] for column in (person, "item"))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows))])
    places = np.arange(len(rows)) - indptr[rows]
    (folder / name).mkdir(exist_ok=True)
    with (folder / name / f"{name}.inter").open("w") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        file.writelines(f"{u}\t{i}\t{t}\n" for u, i, t in zip(rows, items, places, strict=True))
    np.savez(folder / f"{name}.npz", indptr=indptr, items=items.astype(np.int32), n_items=items.max() + 1)


def read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The whole log: the row bounds, the items of the rows in order, and the number of items."""
    with np.load(folder / f"{name}.npz") as data:
        return data["indptr"], data["items"], int(data["n_items"])


def training(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The same without the last two events of each user."""
    indptr, items, n_items = read(folder, name)
    lengths = np.diff(indptr)
    kept = np.arange(len(items)) - np.repeat(indptr[:-1], lengths) < np.repeat(lengths - 2, lengths)
    return np.concatenate([[0], np.cumsum(lengths - 2)]), items[kept], n_items


def ours(folder: Path, name: str, model: str, passes: int, **params: Any) -> Numbers:
    """The median pass, not counting the first."""
    from penchant.core.histories import Histories
    from penchant.models.registry import create

    fresh = create(model, {"epochs": passes + 1, "patience": None, **params})
    fresh.fit(Histories(*training(folder, name)))
    history = fresh.history  # type: ignore[attr-defined]  # every network has one
    return {
        "seconds": statistics.median(record["seconds"] for record in history[1:]),
        "positions": round(history[0]["seconds"] * history[0]["events_per_second"]), "loss": history[-1]["loss"],
    }  # fmt: skip


def recbole_parts(folder: Path, name: str, model: str, settings: dict[str, Any]) -> tuple[Any, ...]:
    """Its training and validation data, its network and its optimiser, set up as in its own trainer."""
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, init_seed

    sys.argv = sys.argv[:1]  # it reads the command line
    os.chdir(folder)  # it writes to the working directory
    torch.set_num_threads(os.cpu_count() or 1)
    config = Config(
        model=model,
        dataset=name,
        config_dict={
            "data_path": str(folder), "USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id",
            "TIME_FIELD": "timestamp", "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
            "train_neg_sample_args": None, "use_gpu": False, "state": "ERROR", "show_progress": False, "seed": 0,
            "topk": [10], "metrics": ["NDCG", "Hit"], "valid_metric": "NDCG@10", "checkpoint_dir": str(folder),
            **settings,
        },
    )  # fmt: skip
    init_seed(0, reproducibility=True)
    train, valid, _ = data_preparation(config, create_dataset(config))
    network = get_model(model)(config, train.dataset)
    network.train()
    return train, valid, network, torch.optim.Adam(network.parameters(), lr=config["learning_rate"])


def recbole_step(network: Any, optimiser: Any, batch: Any) -> float:
    """Run one of its steps and return the loss."""
    optimiser.zero_grad()
    loss = network.calculate_loss(batch)
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def recbole(folder: Path, name: str, model: str, batches: int, **settings: Any) -> Numbers:
    """Its own data, model and optimiser. Times ``batches`` steps after a first one and extrapolates to a pass."""
    train, _, network, optimiser = recbole_parts(folder, name, model, settings)
    took, losses = [], []
    start = time.perf_counter()
    for batch in itertools.islice(itertools.chain.from_iterable(itertools.repeat(train)), batches + 1):
        losses.append(recbole_step(network, optimiser, batch))
        took.append(time.perf_counter() - start)
        start = time.perf_counter()
    steps = len(train)
    return {
        "seconds": statistics.fmean(took[1:]) * steps, "steps a pass": steps, "steps timed": batches,
        "loss": losses[-1],
    }  # fmt: skip


def rectools_log(folder: Path, name: str) -> Any:
    """The training events in its format."""
    import pandas as pd
    from rectools.columns import Columns
    from rectools.dataset import Dataset

    indptr, items, _ = training(folder, name)
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    log = pd.DataFrame({
        Columns.User: rows, Columns.Item: items, Columns.Weight: 1.0,
        Columns.Datetime: pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(items)) - indptr[rows], "s"),
    })  # fmt: skip
    return Dataset.construct(log)


def rectools(folder: Path, name: str, batches: int, **settings: Any) -> Numbers:
    """Its SASRec with its own trainer. Times ``batches`` steps after a first one and extrapolates to a pass."""
    import torch
    from pytorch_lightning import Callback, Trainer
    from rectools.models import SASRecModel

    lengths = np.diff(training(folder, name)[0])
    told: list[float] = []
    numbers: dict[str, Any] = {}

    class Watch(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            told.append(time.perf_counter())

        def on_train_batch_end(self, *rest: Any) -> None:
            numbers["loss"] = float(rest[2]["loss"])

    def trainer() -> Any:
        return Trainer(
            max_epochs=1, min_epochs=1, limit_train_batches=batches + 2, accelerator="cpu",
            enable_progress_bar=False, enable_model_summary=False, logger=False, enable_checkpointing=False,
            callbacks=[Watch()], default_root_dir=str(folder),
        )  # fmt: skip

    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    SASRecModel(get_trainer_func=trainer, **settings).fit(rectools_log(folder, name))
    each = np.diff(told)[1:]
    steps = -(-int((lengths > 1).sum()) // settings["batch_size"])
    return {
        "seconds": float(each.mean()) * steps, "steps a pass": steps, "steps timed": len(each),
        "loss": numbers["loss"],
    }  # fmt: skip
