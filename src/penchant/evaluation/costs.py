"""What a fitted model costs to serve: the time of one answer, and its size."""

from __future__ import annotations

import time

import numpy as np

from penchant.core.run import Run
from penchant.core.split import Split
from penchant.evaluation.measure import ranked_lists
from penchant.models.kinds.base import Model
from penchant.models.kinds.composite import Composite
from penchant.recommender.folder.arrays import flatten

TIMED = 15  # answers for one person each; their median is the answer time
ENOUGH = 1.0  # seconds after which no more are timed


def answer_ms(model: Model, split: Split, run: Run) -> float:
    """The median time of a list of ten for one person, in milliseconds, over the first cases one by one."""
    times: list[float] = []
    for case in range(min(TIMED, len(split))):
        one = split.cases(np.array([case]))
        start = time.perf_counter()
        ranked_lists(model, one, 10, threads=run.threads)
        times.append(time.perf_counter() - start)
        if sum(times) > ENOUGH and len(times) > 2:
            break
    return 1000 * float(np.median(times)) if times else 0.0


def size_bytes(model: Model) -> int:
    """The size of the model in a saved folder: its learned arrays and assets, with those of its members."""
    own = sum(array.nbytes for array in flatten(model).values()) + sum(map(len, model.assets.values()))
    return own + sum(map(size_bytes, model.members if isinstance(model, Composite) else ()))
