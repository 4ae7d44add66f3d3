"""Seconds and bytes of fitting a model and of answering with it, on a log of some shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from penchant.core.cost import Cost
from penchant.core.log_shape import LogShape
from penchant.core.nearest_items import building
from penchant.core.rank import BLOCK_BYTES
from penchant.models.kinds.base import Model
from penchant.models.kinds.composite import members_of
from penchant.models.kinds.products import ProductModel
from penchant.models.registry import MODELS
from penchant.planning.coefficients import OfModel, coefficients
from penchant.planning.machine import Machine

BEYOND = 1.5  # times the largest measured log: more is extrapolated
SCORES = BLOCK_BYTES / 2  # scores of a block of people that are held at once, at most


@dataclass(frozen=True)
class Estimate:
    """What fitting takes, and answering one history of many; seconds are those of one core of that machine."""

    fit_seconds: float
    answer_seconds: float
    held: float  # bytes of the model in memory
    saved: float  # bytes of the model in a folder
    working: float  # bytes that fit takes besides the log, the model among them
    answering: float  # bytes that answering takes besides the log and the model
    at_most: bool
    measured: int  # rows of the largest log on which this model was measured


def estimate(model: Model, log: LogShape, machine: Machine) -> Estimate | None:
    """What fitting and answering take; None for a model that does not state its cost, or was never measured."""
    cost = model.cost(log)
    if cost is None or (of := _of(model.name)) is None:
        return None
    if cost.fit.keys() - of.fit.keys() or cost.answer.keys() - of.answer.keys():
        return None  # with these parameters it does work of a kind that was not measured
    slow = machine.slowness["products" if by_products(model.name) else "kernels"]
    parts = [estimate(member, log, machine) for member in members_of(model)]
    members = [part for part in parts if part is not None]
    return Estimate(
        slow * (seconds(cost.fit, of.fit) + merging(log)) + sum(part.fit_seconds for part in members),
        slow * seconds(cost.answer, of.answer) + sum(part.answer_seconds for part in members),
        cost.held - cost.mapped,
        cost.held,
        cost.working + cost.held - cost.mapped,
        cost.answering + scores(log.users, log.items),
        cost.at_most,
        min([of.measured, *(part.measured for part in members)]),
    )


def scores(users: int, items: int) -> float:
    """The bytes of the scores that are held at once while so many people get lists."""
    return min(SCORES, 4.0 * users * items)


def with_index(took: Estimate, model: Model, log: LogShape, machine: Machine) -> Estimate:
    """The estimate with an index over the items, for a model that can have one; any other is as before.

    Vectors of items are most of what such a model holds, so that their length is what it holds of an item.
    """
    if not isinstance(model, ProductModel) or not model.has_products:
        return took
    of, cost = coefficients().index, building(log.items, took.saved / 4 / log.items)
    slow = machine.slowness["products"]
    return replace(
        took,
        fit_seconds=took.fit_seconds + slow * of["product"] * cost.products,
        answer_seconds=min(took.answer_seconds, slow * of["list"] * log.items**0.5),
        held=took.held + cost.held,
        saved=took.saved + cost.held,
        working=max(took.working, took.held + cost.held + cost.working),
    )


def merging(log: LogShape) -> float:
    """The seconds of merging what people have more than once, which every fit does."""
    return coefficients().log["merge seconds"] * log.merged


def seconds(work: Mapping[str, float], of_one: Mapping[str, float]) -> float:
    """The seconds of amounts of work, on one core of the machine of the coefficients."""
    return sum(amount * of_one[kind] for kind, amount in work.items())


def by_products(name: str) -> bool:
    """Whether a model spends its time in products of dense matrices."""
    return name == "ease" or (name in MODELS and MODELS[name].extra == "neural")


def fit_bytes(model: Model, log: LogShape, *, index: bool = False) -> float | None:
    """The bytes that fitting takes besides the log, the model and its index among them; None: it states no cost."""
    cost: Cost | None = model.cost(log)
    if cost is None:
        return None
    held = cost.held - cost.mapped
    if not index:
        return cost.working + held
    made = building(log.items, cost.held / 4 / log.items)
    return max(cost.working + held, held + made.held + made.working)


def _of(name: str) -> OfModel | None:
    return coefficients().models.get(name)
