"""Optimisers by name, and the learning rate over the course of training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

NAMES = ("adam", "adamw", "adagrad", "momentum", "sgd", "gd")


def make(
    name: str, weights: Mapping[str, Tensor], *, rate: float, reg: float, momentum: float
) -> torch.optim.Optimizer:
    """The optimiser called ``name``: ``gd`` is sgd with one step per pass, on the full gradient."""
    over = list(weights.values())
    if name == "adam":
        return torch.optim.Adam(over, lr=rate, weight_decay=reg, fused=True)
    if name == "adamw":
        return torch.optim.AdamW(over, lr=rate, weight_decay=reg, fused=True)
    if name == "adagrad":
        return torch.optim.Adagrad(over, lr=rate, weight_decay=reg, fused=over[0].device.type == "cpu")
    return torch.optim.SGD(over, lr=rate, weight_decay=reg, momentum=momentum if name == "momentum" else 0.0)


def factor(done: float, total: float, *, warmup: float, decay: str) -> float:
    """The factor of the learning rate after ``done`` of ``total`` epochs, with ``warmup`` epochs of rise."""
    if done < warmup:
        return (done + 1e-3) / (warmup + 1e-3)
    if decay == "none" or total <= warmup:
        return 1.0
    left = 1 - (done - warmup) / (total - warmup)
    return left if decay == "linear" else 0.5 * (1 - math.cos(math.pi * left))


def state(optimiser: torch.optim.Optimizer, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The optimiser's state of every weight, by ``weight/name``."""
    found = {}
    for name, weight in weights.items():
        for key, value in optimiser.state.get(weight, {}).items():
            if isinstance(value, Tensor):
                found[f"{name}/{key}"] = value
    return found


def restore(optimiser: torch.optim.Optimizer, weights: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
    """Restore what ``state`` returned."""
    for name, weight in weights.items():
        mine: dict[str, Any] = {
            key.rpartition("/")[2]: value.clone() for key, value in kept.items() if key.rpartition("/")[0] == name
        }
        if mine:
            optimiser.state[weight] = mine
