"""About how long a model needs for a log, before it is tried: the plan's estimate."""

from __future__ import annotations

from penchant.core.log_shape import LogShape
from penchant.errors import MissingExtraError
from penchant.models.kinds.base import Model
from penchant.models.registry import create
from penchant.planning.estimate import estimate
from penchant.planning.machine import this_machine


def seconds(model: Model | str, log: LogShape, cases: int) -> float:
    """To fit a model (or the one of a name, with its defaults) and to answer so many cases; 0 where that is not known.

    This machine is not measured for it: it counts as the one of the coefficients unless a plan has measured it before.
    """
    try:
        built = create(model) if isinstance(model, str) else model
    except MissingExtraError:
        return 0.0  # it will say so
    machine = this_machine(calibrate=False)
    took = estimate(built, log, machine)
    return 0.0 if took is None else machine.wall(took.fit_seconds + cases * took.answer_seconds)
