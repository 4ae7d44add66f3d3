"""Train a factorisation machine and a network together with torch, from the extra ``neural``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from penchant.core.histories import Floats
from penchant.core.run import Run
from penchant.errors import MissingExtraError
from penchant.ranking.encoding import Rows, batches_of, entries_of

if TYPE_CHECKING:
    from torch import Tensor, device

Network: TypeAlias = dict[str, Floats]
BEGUN = 0.01  # the sum of squared gradients before the first
ENTRIES = 16  # of a pair whose first step is ``rate``
LAYERED = 10  # by which the steps of layers are smaller
LAYERS = ("first", "first_bias", "second", "second_bias", "last")


def descend(
    rows: Sequence[Rows],
    targets: Sequence[Floats],
    start: Network,
    *,
    fields: int,
    softmax: bool,
    epochs: int,
    rate: float,
    reg: float,
    dropout: float,
    run: Run,
) -> Network:
    """The weights after ``epochs`` passes of Adagrad; features that no row has get a vector of zeros.

    Raises ``MissingExtraError`` without torch. Results are the same for one device and any number of threads.
    """
    try:
        import torch
    except ModuleNotFoundError as missing:
        raise MissingExtraError("neural", "learning a network over fields") from missing
    at = torch.device(run.device)
    rng = run.rng()
    with _seeded(run, at):
        weights = {name: torch.from_numpy(one.copy()).to(at).requires_grad_() for name, one in start.items()}
        entries = float(np.mean([entries_of(one) for one in rows]))
        slow = {"params": [weights["linear"], weights["vectors"]], "lr": rate * ENTRIES / entries}
        layers = {"params": [weights[name] for name in LAYERS], "lr": rate / LAYERED}
        optimiser = torch.optim.Adagrad([slow, layers], initial_accumulator_value=BEGUN)
        batches = batches_of(rows)
        used = np.zeros(len(start["linear"]), dtype=np.bool_)
        for one in rows:
            for _, feature, _, value in (one.request, one.pair):
                used[feature[value != 0]] = True
        for _ in range(epochs):
            for number in rng.permutation(len(batches)).tolist():
                lesson, groups = batches[number]
                some, pairs = rows[lesson].some(int(groups[0]), int(groups[-1]) + 1)
                target = torch.from_numpy(targets[lesson][pairs]).to(at)
                optimiser.zero_grad()
                scores, size = _scores(weights, some, fields, dropout)
                loss = _loss(scores, target, some, softmax=softmax) + reg / 2 * size
                loss.backward()
                optimiser.step()
        found = {name: one.detach().cpu().numpy().copy() for name, one in weights.items()}
    found["vectors"][~used] = 0
    return found


def _scores(w: dict[str, Tensor], rows: Rows, fields: int, dropout: float) -> tuple[Tensor, Tensor]:
    """The scores of the pairs, and the mean square of the vectors that they use."""
    import torch
    import torch.nn.functional as F

    at = w["linear"].device
    parts = []
    flats = []
    squares = w["linear"].new_zeros(())
    for indptr, feature, field, value in (rows.request, rows.pair):
        size = len(indptr) - 1
        row = np.repeat(np.arange(size), np.diff(indptr))
        index = torch.from_numpy(feature.astype(np.int64)).to(at)
        weight = torch.from_numpy(value).to(at)
        vectors = F.embedding(index, w["vectors"])
        cell = torch.from_numpy(row * fields + field).to(at)
        out = vectors.new_zeros(size * fields, vectors.shape[1])
        parts.append(out.index_add(0, cell, vectors * weight[:, None]).reshape(size, fields, -1))
        flat = weight.new_zeros(size)
        flats.append(flat.index_add(0, torch.from_numpy(row).to(at), w["linear"][index] * weight))
        squares = squares + (vectors**2).sum() / max(1, size)
    group = torch.from_numpy(np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))).to(at)
    every = parts[1] + parts[0][group]
    total = every.sum(1)
    machine = flats[1] + flats[0][group] + 0.5 * ((total**2).sum(-1) - (every**2).sum((1, 2)))
    wide = F.dropout(every.flatten(1), dropout)
    hidden = F.relu(wide @ w["first"] + w["first_bias"])
    return machine + F.relu(hidden @ w["second"] + w["second_bias"]) @ w["last"], squares


def _loss(scores: Tensor, target: Tensor, rows: Rows, *, softmax: bool) -> Tensor:
    """−Σ target · log softmax, a request, or half the mean square."""
    import torch

    if not softmax:
        return ((scores - target) ** 2).mean() / 2
    parts = torch.split(scores, np.diff(rows.starts).tolist())
    normal = torch.cat([torch.logsumexp(one, 0).expand(len(one)) for one in parts])
    return (target * (normal - scores)).sum() / max(1, len(parts))


@contextmanager
def _seeded(run: Run, at: device) -> Iterator[None]:
    """Torch with the seed of a run and one thread, and as it was afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # steps are small
    try:
        with torch.random.fork_rng(devices=[at] if at.type == "cuda" else []):
            torch.manual_seed(run.seed)
            yield
    finally:
        torch.set_num_threads(before)
