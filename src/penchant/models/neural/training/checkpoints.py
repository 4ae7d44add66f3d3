"""Checkpoints: one file that is complete at every moment, with a fingerprint of its training."""

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
from penchant.core.run import CHECKPOINT, Run
from penchant.errors import DataError, FormatError, TrainingError
from penchant.models.neural.training import optimisers
from penchant.models.neural.training.state import State

if TYPE_CHECKING:
    from penchant.models.neural.training.held_out import Cases
    from penchant.models.neural.training.trainable import Trainable


def mark(model: Trainable, train: Histories, cases: Cases | None, run: Run) -> str:
    """A fingerprint of model, parameters, seed and data, which a checkpoint must match."""
    digest = hashlib.sha256(json.dumps([model.name, model.params(), run.seed, train.n_items], sort_keys=True).encode())
    for part in [train, *([] if cases is None else [cases.given, cases.truth])]:
        for array in (part.indptr, part.items, part.values, part.times):
            digest.update(b"-" if array is None else array.tobytes())
    return digest.hexdigest()


def write(
    folder: Path, fingerprint: str, weights: dict[str, Tensor], optimiser: torch.optim.Optimizer, state: State
) -> None:
    """Replace the previous checkpoint by the state after a pass; the old one stays complete until then."""
    from safetensors.numpy import save_file

    def plain(tensor: Tensor) -> np.ndarray:
        return np.ascontiguousarray(tensor.detach().cpu().numpy())

    arrays = {f"weight/{name}": plain(weight) for name, weight in weights.items()}
    arrays |= {f"optimiser/{name}": plain(value) for name, value in optimisers.state(optimiser, weights).items()}
    arrays |= {f"best/{name}": array for name, array in state.best_weights.items()}
    apart = {"best_weights", "best"}
    metadata = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name not in apart}
    metadata["best"] = state.best if state.best_epoch else None
    fresh = folder / f".{CHECKPOINT}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(arrays, fresh, metadata=_sealed(fingerprint, json.dumps(metadata), arrays))
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(folder / CHECKPOINT)
    except Exception as wrong:
        fresh.unlink(missing_ok=True)
        kept = " The previous one is complete: free some space and resume." if (folder / CHECKPOINT).exists() else ""
        raise TrainingError(f"the checkpoint of pass {state.epoch} cannot be written ({wrong}).{kept}") from wrong


def _sealed(fingerprint: str, state: str, arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """The metadata of a checkpoint, with a checksum of all its content, so that a changed bit is noticed."""
    checksum = zlib.crc32((fingerprint + state).encode())
    for name in sorted(arrays):
        data = np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data
        checksum = zlib.crc32(data, zlib.crc32(name.encode(), checksum))
    return {"mark": fingerprint, "state": state, "checksum": f"{checksum:08x}"}


def refuse(folder: Path) -> None:
    """Raises ``DataError`` where a folder holds a checkpoint that is not to be resumed."""
    path = folder / CHECKPOINT
    if path.exists():
        raise DataError(
            "there is already a checkpoint, which would be overwritten",
            file=str(path),
            fix="Continue from it with resume (--resume), remove it, or use another folder.",
        )


def read(folder: Path, fingerprint: str, weights: dict[str, Tensor], optimiser: torch.optim.Optimizer) -> State | None:
    """Set weights and optimiser to the checkpoint of a folder and return its state; None where there is none.

    Raises ``FormatError`` for a damaged file and ``DataError`` for one of another model, other parameters or data.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dictionary
        whole = metadata == _sealed(metadata["mark"], metadata["state"], arrays)
        wrong = "" if whole else "its checksum does not match"
        stated = json.loads(metadata["state"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        wrong = str(error)
    if wrong:
        raise FormatError(f"{path} is damaged ({wrong}): remove it to start from the beginning")
    if metadata["mark"] != fingerprint:
        raise DataError(
            "the checkpoint is of another model, other parameters, another seed or other data",
            file=str(path),
            fix="Resume with the original settings, or use another folder.",
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
