"""How to run: seed, threads, device, progress and checkpoints; what every fit, search and evaluation is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Progress = Callable[[str, int, int], None]
CHECKPOINT = "checkpoint.safetensors"  # the file in the folder ``Run.checkpoints``


@dataclass(frozen=True)
class Run:
    """How to run, never what to learn: the same hyper-parameters and seed give the same model.

    Bit for bit on the same processor; networks may differ in the last digits on another one.
    """

    seed: int = 0
    threads: int = 0  # 0: all cores
    device: str = "cpu"
    progress: Progress | None = None  # progress(stage, done, total); text after " · " in a stage is detail, not name
    checkpoints: str | None = None  # folder for the checkpoints of a model that trains in passes
    resume: bool = False  # continue from the checkpoint in that folder
    log: str | None = None  # file to which every pass appends one line of JSON
    watch: Callable[[dict[str, Any]], None] | None = None  # called with the same record after every pass
    ignore_plan: bool = False  # fit even what would not fit in memory, by the plan

    def rng(self) -> np.random.Generator:
        """A fresh random stream of this run's seed."""
        return np.random.default_rng(self.seed)

    def report(self, stage: str) -> Callable[[int, int], None] | None:
        """A ``(done, total)`` callback for one named stage, or None without ``progress``."""
        progress = self.progress
        if progress is None:
            return None
        return lambda done, total: progress(stage, done, total)
