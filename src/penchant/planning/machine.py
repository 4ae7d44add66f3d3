"""The machine that a plan is for: its memory, its cores, and how fast one of them is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penchant.core import memory as limits
from penchant.core.memory import SHARE, parse_size
from penchant.errors import ParameterError
from penchant.planning.speed import seconds_here, slowness

_CORES = re.compile(r"^(\d+)\s*cores?$", re.IGNORECASE)
PARALLEL = 0.85  # the share of fitting and answering that is divided among the cores
KERNELS = {"scattered": 0.5, "sorting": 0.5}  # whose speed our kernels follow, and in which shares
PRODUCTS = {"products": 0.7, "scattered": 0.3}  # whose speed networks and dense solutions follow


@dataclass(frozen=True)
class Machine:
    """Where the work is to be done."""

    memory: int | None  # bytes that are free; None: unknown
    cores: int
    slowness: Mapping[str, float]  # how many times slower than the machine of the coefficients: kernels, products
    given: bool = False  # named by the user: only its memory and cores are known, and its speed is that of this one

    @property
    def usable(self) -> float | None:
        """Bytes that work may take."""
        return None if self.memory is None else SHARE * self.memory

    def wall(self, seconds: float, parallel: float = PARALLEL) -> float:
        """Seconds on all cores of work that takes so many on one, of which a share is divided among them."""
        return seconds * (1 - parallel + parallel / self.cores)

    def to_json(self) -> dict[str, Any]:
        return {"memory_bytes": self.memory, "cores": self.cores, "given": self.given, "slowness": dict(self.slowness)}


def this_machine(*, calibrate: bool = True) -> Machine:
    """This machine: its free memory, within all limits, and its cores; measured at most once (``speed``)."""
    return Machine(limits.free_bytes(), _cores(), _slowness(calibrate=calibrate))


def parse_machine(text: str) -> Machine:
    """A machine written as ``24GiB,2cores``; what is left out is as here.

    Raises ``ParameterError`` for anything else.
    """
    memory, cores, given = limits.free_bytes(), _cores(), set[str]()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        what = "cores" if (found := _CORES.match(part)) else "memory"
        if what in given:
            raise ParameterError(f"{text!r} names {what} twice: write 24GiB,2cores")
        given.add(what)
        if found:
            cores = int(found[1])
            if cores < 1:
                raise ParameterError(f"{text!r}: a machine has at least one core")
            continue
        try:
            memory = parse_size(part)
        except ParameterError:
            raise ParameterError(f"{part!r} is neither memory nor cores: write a machine as 24GiB,2cores") from None
    if not given:
        raise ParameterError(f"{text!r} is not a machine: write 24GiB,2cores")
    return Machine(memory, cores, _slowness(calibrate=True), given=True)


def _cores() -> int:
    from penchant.kernels.threads import available

    return available()


def _slowness(*, calibrate: bool) -> dict[str, float]:
    here = seconds_here(calibrate=calibrate)
    return {"kernels": slowness(here, KERNELS), "products": slowness(here, PRODUCTS)}
