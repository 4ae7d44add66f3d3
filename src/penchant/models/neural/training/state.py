"""The state of a training between two passes: what a checkpoint holds besides weights and optimiser."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from penchant.models.neural.training.trainable import Arrays


@dataclass
class State:
    """Everything that the next pass depends on."""

    epoch: int = 0
    best_epoch: int = 0
    best: float = -math.inf
    best_weights: Arrays = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
