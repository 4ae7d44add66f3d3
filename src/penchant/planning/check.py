"""Before a fit: refuse what would not fit in memory, with the numbers and the nearest thing that would."""

from __future__ import annotations

from penchant.core import memory
from penchant.core.histories import Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import MemoryLimitError
from penchant.models.kinds.base import Model
from penchant.planning.advice import instead
from penchant.planning.estimate import fit_bytes
from penchant.planning.machine import Machine

MIB = 2**20
SMALL = 64 * MIB  # what takes less is not worth a refusal: an estimate may be wrong by half
REASONS = "or go ahead all the same with --ignore-plan (Run(ignore_plan=True))"


def too_large(model: Model, train: Histories, *, described: bool = False, index: bool = False) -> str | None:
    """Why fitting the model on these histories would not fit in the free memory; None where it would, or is unknown."""
    free = memory.free_bytes()
    if free is None:
        return None
    log = LogShape.of(train, described=described)
    needed = fit_bytes(model, log, index=index)
    if needed is None or needed <= max(memory.SHARE * free, SMALL):
        return None
    options = instead(model, log, Machine(free, 1, {}), 0.0, index=index)
    name = f"{model.name} with an index" if index else model.name
    return (
        f"{name} over {log.items:,} items and {log.events:,} events needs about {needed / MIB:,.0f} MiB, "
        f"{free / MIB:,.0f} MiB are free and at most {memory.SHARE:.0%} of that ({memory.SHARE * free / MIB:,.0f} MiB) "
        f"may be taken. What would fit: {'; '.join(options)}"
    )


def check_memory(model: Model, train: Histories, run: Run, *, index: bool = False) -> None:
    """Raise ``MemoryLimitError`` where fitting (and an ``index``) would not fit, unless the run ignores the plan."""
    if run.ignore_plan:
        return
    if (why := too_large(model, train, index=index)) is not None:
        raise MemoryLimitError(f"{why}; {REASONS}")
