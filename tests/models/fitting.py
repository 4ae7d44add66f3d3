"""Fitted models, made once and shared: the tests of this folder look at them and never change them."""

from __future__ import annotations

import copy
import functools
import json
from typing import Any

import numpy as np

from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.core.run import Run
from penchant.errors import MissingExtraError
from penchant.models import registry
from penchant.models.kinds.base import Model
from penchant.models.kinds.linear import LinearModel
from penchant.models.kinds.rating import RatingModel
from tests.models.planted import ITEMS, K, Planted, planted
from tests.models.small import SMALL


def usable() -> list[str]:
    """Every registered model whose extra is installed."""
    names = []
    for name, entry in registry.MODELS.items():
        try:
            registry.model_class(name)
        except MissingExtraError:
            continue
        except ModuleNotFoundError:
            assert not entry.extra, f"{name} is registered but its module cannot be imported"
        names.append(name)
    return names


@functools.cache
def data(task: str, noise: float = 0.0, users: int | None = None) -> Planted:
    """The planted log of a task."""
    return planted(task, noise=noise) if users is None else planted(task, noise=noise, users=users)


def make(name: str, **params: Any) -> Model:
    """The model with its small parameters, ``params`` over them."""
    return registry.create(name, SMALL.get(name, {}) | params)


@functools.cache
def _fitted(name: str, on: str, noise: float, seed: int, threads: int, users: int | None, params: str) -> Model:
    model = make(name, **json.loads(params))
    part = data(on or model.task, noise, users)
    return model.fit(part.train, run=Run(seed=seed, threads=threads), features=part.features)


def fitted(
    name: str,
    *,
    on: str = "",
    noise: float = 0.0,
    seed: int = 0,
    threads: int = 1,
    users: int | None = None,
    **params: Any,
) -> Model:
    """The model fitted on the planted log of its task, or ``on`` that of another; the same call, the same object."""
    return _fitted(name, on, noise, seed, threads, users, json.dumps(params, sort_keys=True))


def hit_rate(model: Model, part: Planted, k: int = K) -> float:
    """The share of cases whose true item is among the best k."""
    ranked = rank(model, part.given, k, threads=1)
    return float((ranked.items == part.truth.items[:, None]).any(axis=1).mean())


def rmse(model: RatingModel, part: Planted) -> float:
    """The root mean squared error over the held-out ratings."""
    error = model.predict(part.given, part.truth) - part.truth.values
    return float(np.sqrt(np.mean(error.astype(np.float64) ** 2)))


def item_mean_rmse(part: Planted) -> float:
    """The error of predicting each item's mean rating: what popularity is to ranking."""
    total = np.bincount(part.train.items, weights=part.train.values, minlength=ITEMS)
    count = np.bincount(part.train.items, minlength=ITEMS)
    mean = (total + 3 * part.train.values.mean()) / (count + 3)
    return float(np.sqrt(np.mean((mean[part.truth.items] - part.truth.values) ** 2)))


def exactly(model: Model) -> bool:
    """Whether everything goes through our own kernels, so that results are equal to the bit."""
    return isinstance(model, LinearModel) and model.weights.only_sparse


def assert_same_scores(model: Model, one: np.ndarray, two: np.ndarray, tolerance: float = 1e-5) -> None:
    """Equal to the bit for models of our kernels, else within ``tolerance`` of the spread, with the same top items
    wherever the gap below them is larger than that."""
    if exactly(model):
        np.testing.assert_array_equal(one, two)
        return
    np.testing.assert_array_equal(np.isfinite(one), np.isfinite(two))
    finite = np.isfinite(one)
    spread = float(np.ptp(one[finite])) if finite.any() else 0.0
    np.testing.assert_allclose(one[finite], two[finite], rtol=0, atol=max(tolerance * spread, 1e-12))
    for left, right in zip(one, two, strict=True):
        order = np.argsort(-left, kind="stable")[: K + 1]
        if left[order[K - 1]] - left[order[K]] > 4 * tolerance * spread:
            assert set(order[:K]) == set(np.argsort(-right, kind="stable")[:K])


def arrays(value: object, prefix: str = "") -> dict[str, np.ndarray]:
    """Every array in a learned value: itself, or those of a dataclass, list or dictionary, by their path."""
    if isinstance(value, np.ndarray):
        return {prefix: value}
    if isinstance(value, Model):
        return learned(value, prefix)
    inner: dict[str, Any] = {}
    if isinstance(value, (list, tuple)):
        inner = {str(n): part for n, part in enumerate(value)}
    elif isinstance(value, dict):
        inner = value
    elif hasattr(value, "__dataclass_fields__"):
        inner = {name: getattr(value, name) for name in value.__dataclass_fields__}
    found: dict[str, np.ndarray] = {}
    for name, part in inner.items():
        found |= arrays(part, f"{prefix}.{name}")
    return found


def learned(model: Model, prefix: str = "") -> dict[str, np.ndarray]:
    """Every array that ``fit`` set."""
    found: dict[str, np.ndarray] = {}
    for name in model.learned_fields():
        found |= arrays(getattr(model, name), f"{prefix}.{name}".strip("."))
    found |= arrays(list(getattr(model, "members", ())), f"{prefix}.members".strip("."))
    return found


def snapshot(histories: Histories) -> Histories:
    """A deep copy, to compare with afterwards."""
    return copy.deepcopy(histories)


def assert_untouched(before: Histories, after: Histories) -> None:
    """No array of the histories has changed."""
    for name in ("indptr", "items", "values", "times", "liked", "now"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
