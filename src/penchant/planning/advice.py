"""The nearest thing that would fit: of a model that does not, smaller ones, other models, samples and machines."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from penchant.core.log_shape import LogShape
from penchant.core.memory import SHARE
from penchant.errors import ParameterError
from penchant.models.kinds.base import Model
from penchant.models.registry import create
from penchant.planning.estimate import fit_bytes
from penchant.planning.machine import Machine

GIB = 2**30
SMALLER = ("max_history", "neighbours", "factors", "rank")  # parameters that decide about memory
OTHERS = {
    "ease": ("sparse-ease", "item-knn"),
    "slim": ("sparse-ease", "item-knn"),
    "slope-one": ("svd", "bias"),
    "sparse-ease": ("item-knn", "popular"),
}
SPARK = ("item-knn", "transitions", "als", "popular", "ease", "rp3beta")  # whose statistics Spark can sum
FEWEST = 0.01  # of the histories or items: less is no help


def instead(model: Model, log: LogShape, machine: Machine, base: float, *, index: bool = False) -> list[str]:
    """What would fit in the memory of the machine beside ``base`` bytes, the nearest to the model first."""
    usable = machine.usable
    if usable is None:
        return []
    room = usable - base
    found: list[str] = []

    def fits(one: Model, shape: LogShape) -> bool:
        return (fit_bytes(one, shape, index=index and one.name == model.name) or 0.0) <= room

    if index and (fit_bytes(model, log) or 0.0) <= room:
        found.append(f"{model.name} without an index")
    for name in SMALLER:
        value = model.params().get(name, "none")
        if value == "none" or isinstance(value, str):
            continue
        start = int(value) if value is not None else int(log.longest if name == "max_history" else log.items)
        for less in (start // 2, start // 4, start // 8, start // 16):
            smaller = _with(model, name, less)
            if smaller is not None and fits(smaller, log):
                found.append(f"{model.name}:{name}={less}")
                break
    items = _largest(lambda n: fits(model, log.of_items(n)), 1, log.items - 1)
    if items and items >= FEWEST * log.items:
        found.append(f"the {_rounded(items):,} most popular items")
    found += [name for name in OTHERS.get(model.name, ("item-knn", "popular")) if name != model.name and fits(
        create(name), log)]  # fmt: skip
    share = _largest(lambda n: fits(model, log.sampled(n / 1000)), 1, 999)
    if share and share / 1000 >= FEWEST:
        found.append(f"a sample of {share / 10:.0f} % of the histories")
    needed = base + (fit_bytes(model, log, index=index) or 0.0)
    found.append(f"a machine with {needed / SHARE / GIB:,.1f} GiB free")
    if model.name in SPARK and importlib.util.find_spec("penchant.spark") is not None:
        found.append("Spark")
    return found


def _with(model: Model, name: str, value: int) -> Model | None:
    """The model with another parameter; None where it does not take that value."""
    try:
        changed: dict[str, Any] = {name: value}
        return replace(model, **changed)
    except ParameterError:
        return None


def _largest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """The largest number that fits, if any does; what fits a number fits smaller ones."""
    if high < low or not fits(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _rounded(number: int) -> int:
    """Two leading digits, rounded down."""
    step = int(10 ** max(0, len(str(number)) - 2))
    return number // step * step
