"""Checkpoints: one file that is whole at every moment, and a mark of the training it belongs to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import DataError, FormatError, TrainingError
from penchant.models.neural.training import optimisers
from penchant.models.neural.training.state import State

if TYPE_CHECKING:
    from penchant.models.neural.training.held_out import Cases
    from penchant.models.neural.training.trainable import Trainable
FILE = "checkpoint.safetensors"


def mark(model: Trainable, train: Histories, cases: Cases | None, run: Run) -> str:
    """A fingerprint of model, parameters, seed and data: what a checkpoint has to agree with."""
    said = hashlib.sha256(json.dumps([model.name, model.params(), run.seed, train.n_items], sort_keys=True).encode())
    for part in [train, *([] if cases is None else [cases.given, cases.truth])]:
        for array in (part.indptr, part.items, part.values, part.times):
            said.update(b"-" if array is None else array.tobytes())
    return said.hexdigest()


def write(
    folder: Path, fingerprint: str, weights: dict[str, Tensor], optimiser: torch.optim.Optimizer, state: State
) -> None:
    """Put the state after a pass in place of the one before, which stays whole until then."""
    from safetensors.numpy import save_file

    def plain(tensor: Tensor) -> np.ndarray:
        return np.ascontiguousarray(tensor.detach().cpu().numpy())

    arrays = {f"weight/{name}": plain(weight) for name, weight in weights.items()}
    arrays |= {f"optimiser/{name}": plain(value) for name, value in optimisers.state(optimiser, weights).items()}
    arrays |= {f"best/{name}": array for name, array in state.best_weights.items()}
    told = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name not in {"best_weights", "best"}}
    told["best"] = state.best if state.best_epoch else None
    fresh = folder / f".{FILE}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(arrays, fresh, metadata=_sealed(fingerprint, json.dumps(told), arrays))
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(folder / FILE)
    except Exception as wrong:
        fresh.unlink(missing_ok=True)
        kept = " The one before it is whole: free some space and resume." if (folder / FILE).exists() else ""
        raise TrainingError(f"the checkpoint of pass {state.epoch} cannot be written ({wrong}).{kept}") from wrong


def _sealed(fingerprint: str, state: str, arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """The metadata of a checkpoint, with a checksum of everything in it: a changed bit would go unnoticed otherwise."""
    checksum = zlib.crc32((fingerprint + state).encode())
    for name in sorted(arrays):
        data = np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data
        checksum = zlib.crc32(data, zlib.crc32(name.encode(), checksum))
    return {"mark": fingerprint, "state": state, "checksum": f"{checksum:08x}"}


def refuse(folder: Path) -> None:
    """Raises ``DataError`` where a folder holds a checkpoint that nobody said to go on from."""
    path = folder / FILE
    if path.exists():
        raise DataError(
            "there is a checkpoint already, and it would be written over",
            file=str(path),
            fix="Go on from it with resume (--resume), remove it, or name another folder.",
        )


def read(folder: Path, fingerprint: str, weights: dict[str, Tensor], optimiser: torch.optim.Optimizer) -> State | None:
    """Set weights and optimiser to the checkpoint of a folder and return its state; None where there is none.

    Raises ``FormatError`` for a damaged file and ``DataError`` for one of another model, other parameters or data.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, "numpy") as file:
            told = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dictionary
        whole = told == _sealed(told["mark"], told["state"], arrays)
        wrong = "" if whole else "its checksum is another one"
        stated = json.loads(told["state"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        wrong = str(error)
    if wrong:
        raise FormatError(f"{path} is damaged ({wrong}): remove it to start from the beginning")
    if told["mark"] != fingerprint:
        raise DataError(
            "the checkpoint is of another model, other parameters, another seed or other data",
            file=str(path),
            fix="Resume with what it was begun with, or name another folder.",
        )

    def under(head: str) -> dict[str, Any]:
        return {name.removeprefix(head): array for name, array in arrays.items() if name.startswith(head)}

    with torch.no_grad():
        for name, array in under("weight/").items():
            weights[name].copy_(torch.from_numpy(array))
    kept = {name: torch.from_numpy(np.array(array)) for name, array in under("optimiser/").items()}
    optimisers.restore(optimiser, weights, kept)
    stated["best"] = -np.inf if stated["best"] is None else stated["best"]
    return State(**stated, best_weights=under("best/"))
