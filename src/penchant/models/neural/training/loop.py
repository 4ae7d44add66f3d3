"""The training loop: passes of steps, a regular held-out metric, and the best weights kept."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import ParameterError, TrainingError
from penchant.models.neural.training import checkpoints, optimisers
from penchant.models.neural.training import held_out as heldout
from penchant.models.neural.training.allocation import kept_memory
from penchant.models.neural.training.state import State
from penchant.models.neural.training.trainable import LOOKS, Arrays, Trainable

if TYPE_CHECKING:
    from penchant.core.split import Split


def learn(model: Trainable, train: Histories, valid: Split | None, run: Run) -> Arrays:
    """Train ``model`` from its start weights and return the best weights; records go to ``model.history``."""
    device = _device(run.device)
    if run.checkpoints and not run.resume:
        checkpoints.refuse(Path(run.checkpoints))
    cases, train = heldout.cases(model, train, valid, run.seed)
    positions = model.prepare(train)
    start = model.start_weights(np.random.default_rng([run.seed, 0]))
    if positions == 0:
        return {name: np.zeros_like(array) for name, array in start.items()}
    with _torch(run, device), kept_memory():
        weights = {name: torch.from_numpy(array).to(device).requires_grad_() for name, array in start.items()}
        optimiser = optimisers.make(model.optimiser, weights, rate=model.rate, reg=model.reg, momentum=model.momentum)
        state = State()
        mark = checkpoints.mark(model, train, cases, run) if run.checkpoints else ""
        if run.checkpoints and run.resume:
            resumed = checkpoints.read(Path(run.checkpoints), mark, weights, optimiser)
            if resumed is None:
                model.notes.append(f"{run.checkpoints} holds no checkpoint: trained from the beginning")
            state = resumed or state
        while state.epoch < model.epochs and not _stalled(model, state):
            state.epoch += 1
            _pass(model, weights, optimiser, cases, state, positions, run)
            if run.checkpoints:
                checkpoints.write(Path(run.checkpoints), mark, weights, optimiser, state)
        model.history = state.records
        if cases is None:
            return _arrays(weights)
        stopped = f", stopped after pass {state.epoch}" if state.epoch < model.epochs else ""
        model.notes.append(f"best after pass {state.best_epoch}: held-out {cases.metric} {state.best:.4f}{stopped}")
        return state.best_weights


def _stalled(model: Trainable, state: State) -> bool:
    looked = state.epoch - state.epoch % _every(model)
    return bool(model.patience and state.best_epoch and looked - state.best_epoch >= model.patience)


def _every(model: Trainable) -> int:
    """Passes between two evaluations of the held-out metric."""
    return -(-model.epochs // LOOKS)


def _pass(
    model: Trainable,
    weights: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    cases: heldout.Cases | None,
    state: State,
    positions: int,
    run: Run,
) -> None:
    """One pass over the training events, then the metric where it is due."""
    began = time.perf_counter()
    rng = np.random.default_rng([run.seed, state.epoch])  # each pass has its own random stream, so it can be repeated
    torch.manual_seed(int(rng.integers(2**62)))
    steps = model.pass_steps(rng)
    total = count = 0.0
    whole = model.optimiser == "gd"
    optimiser.zero_grad()
    for number, step in enumerate(steps):
        done = state.epoch - 1 + (0 if whole else number / len(steps))
        for group in optimiser.param_groups:
            group["lr"] = model.rate * optimisers.factor(done, model.epochs, warmup=model.warmup, decay=model.decay)
        model.passes_done = done
        loss, events = model.step_loss(weights, step)
        (loss * (events / positions) if whole else loss).backward()
        said = float(loss.detach())
        if not math.isfinite(said):
            kept = f" The last good weights are in {run.checkpoints}." if run.checkpoints and state.epoch > 1 else ""
            raise TrainingError(
                f"{model.name}: the loss is not a number in step {number + 1} of pass {state.epoch}: "
                f"lower the learning rate (rate={model.rate:g}) or set clip.{kept}"
            )
        total, count = total + said * events, count + events
        if not whole or number == len(steps) - 1:
            if model.clip is not None:
                torch.nn.utils.clip_grad_norm_(list(weights.values()), model.clip)
            optimiser.step()
            optimiser.zero_grad()
    trained = time.perf_counter() - began
    record = {
        "epoch": state.epoch,
        "loss": total / max(count, 1),
        "seconds": trained,
        "events_per_second": count / trained,
    }
    if cases is not None and (state.epoch % _every(model) == 0 or state.epoch == model.epochs):
        metric = cases.measure(model, weights)
        record[cases.metric] = metric
        if metric > state.best or not state.best_weights:
            state.best, state.best_epoch, state.best_weights = metric, state.epoch, _arrays(weights)
    record["rate"] = optimiser.param_groups[0]["lr"]
    record["metric_seconds"] = time.perf_counter() - began - trained
    state.records.append(record)
    _tell(model, cases, record, run)


def _tell(model: Trainable, cases: heldout.Cases | None, record: dict[str, Any], run: Run) -> None:
    """Report a record to the log, the watcher and the progress bar."""
    if run.log:
        try:
            with Path(run.log).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"model": model.name, **record}) + "\n")
        except OSError as wrong:
            raise TrainingError(f"{model.name}: the log cannot be written ({wrong})") from wrong
    if run.watch is not None:
        run.watch(record)
    if run.progress is not None:
        measured = f", {cases.metric} {record[cases.metric]:.4f}" if cases and cases.metric in record else ""
        said = f"{model.name} · loss {record['loss']:.4f}{measured}, {record['events_per_second']:,.0f} events/s"
        run.progress(said, record["epoch"], model.epochs)


def _arrays(weights: dict[str, Tensor]) -> Arrays:
    return {name: weight.detach().cpu().numpy().copy() for name, weight in weights.items()}


def _device(wanted: str) -> torch.device:
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as wrong:
        raise ParameterError(f"the device {wanted!r} cannot be used here ({str(wrong).splitlines()[0]})") from None
    return device


@contextmanager
def _torch(run: Run, device: torch.device) -> Iterator[None]:
    """Set the threads and the random stream of this training, and restore those of the process afterwards."""
    from penchant.kernels.threads import available

    before = torch.get_num_threads()
    torch.set_num_threads(run.threads or available())
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(before)
