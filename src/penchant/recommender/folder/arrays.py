"""A model's learned fields as named arrays and back, checked against what the class declares."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.errors import FormatError
from penchant.models.kinds.base import Model
from penchant.models.kinds.updatable import Updatable


def flatten(model: Model) -> dict[str, NDArray[Any]]:
    """The learned arrays by name: ``item_counts``, ``weights.indptr``, ``layers.0``; fields that are None are left out.

    A learned field is an array, a number, or a dataclass, dictionary or list of arrays. Raises ``FormatError`` for
    anything else.
    """
    found: dict[str, NDArray[Any]] = {}
    for name in _fields(model):
        _flatten(name, getattr(model, name), found)
    return found


def _fields(model: Model) -> list[str]:
    """The learned fields except ``members``: these models have folders of their own."""
    return [name for name in type(model).learned_fields() if name != "members"]


def _flatten(name: str, value: Any, found: dict[str, NDArray[Any]]) -> None:
    if value is None:
        return
    if isinstance(value, (np.ndarray, np.generic, bool, int, float)):
        found[name] = np.asarray(value)
    elif dataclasses.is_dataclass(value):
        for part in dataclasses.fields(value):
            _flatten(f"{name}.{part.name}", getattr(value, part.name), found)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise FormatError(f"the learned {name!r} has a key that is not text: {key!r}")
            _flatten(f"{name}.{key}", part, found)
    elif isinstance(value, (list, tuple)):
        for number, part in enumerate(value):
            _flatten(f"{name}.{number}", part, found)
    else:
        raise FormatError(f"the learned {name!r} is a {type(value).__name__}: only arrays can be saved")


def fill(model: Model, arrays: Mapping[str, NDArray[Any]], n_items: int) -> None:
    """Set the learned fields from arrays; raises ``FormatError`` for unknown names, wrong dtypes and wrong shapes."""
    left = dict(arrays)
    hints = _hints(type(model))
    for name in _fields(model):
        mine = {key[len(name) :].lstrip("."): left.pop(key) for key in _under(name, left)}
        setattr(model, name, _build(name, hints.get(name, Any), mine))
    if left:
        raise FormatError(f"{min(left)!r} is not learned by the model {type(model).name!r}")
    counts = model.item_counts
    if counts is None or counts.shape != (n_items,):
        raise FormatError(f"the model counts {0 if counts is None else len(counts)} items, the folder holds {n_items}")
    _check_operators(model, n_items)


def flatten_statistics(model: Model) -> dict[str, NDArray[Any]]:
    """The statistics of a model that was fitted updatable, by name; empty for any other."""
    found: dict[str, NDArray[Any]] = {}
    if isinstance(model, Updatable):
        _flatten("statistics", model.statistics, found)
    return found


def fill_statistics(model: Model, arrays: Mapping[str, NDArray[Any]], n_items: int) -> None:
    """Set the statistics; raises ``FormatError`` if they do not belong to this kind of model."""
    name = "statistics"
    hint = _hints(type(model)).get(name)
    mine = {key[len(name) :].lstrip("."): array for key, array in arrays.items()}
    if hint is None or set(arrays) - set(_under(name, arrays)):
        raise FormatError(f"these are not the statistics of the model {type(model).name!r}")
    statistics = _build(name, hint, mine)
    statistics.check(n_items)
    vars(model)[name] = statistics


def _under(name: str, arrays: Mapping[str, Any]) -> list[str]:
    return [key for key in arrays if key == name or key.startswith(f"{name}.")]


@cache
def _hints(cls: type) -> dict[str, Any]:
    """Declared types of the fields; empty if a name exists only for type checkers."""
    try:
        return typing.get_type_hints(cls)
    except NameError:
        return {}


def _build(name: str, hint: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if not arrays:
        return None
    kind = _without_none(hint)
    if "" in arrays:
        if len(arrays) > 1:
            raise FormatError(f"{name!r} is both an array and a group of arrays")
        return _leaf(name, kind, arrays[""])
    heads = dict.fromkeys(key.partition(".")[0] for key in arrays)
    parts = {head: {key[len(head) :].lstrip("."): arrays[key] for key in _under(head, arrays)} for head in heads}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        known = [part.name for part in dataclasses.fields(kind)]
        if strange := set(parts) - set(known):
            raise FormatError(f"{name}.{min(strange)} is not a part of {kind.__name__}")
        return kind(**{part: _build(f"{name}.{part}", hints.get(part, Any), parts.get(part, {})) for part in known})
    if typing.get_origin(kind) in (list, tuple):
        inner = (typing.get_args(kind) or (Any,))[0]
        if list(parts) and sorted(parts, key=lambda key: (len(key), key)) != [str(n) for n in range(len(parts))]:
            raise FormatError(f"the parts of {name!r} are not numbered from 0")
        built = [_build(f"{name}.{n}", inner, parts[str(n)]) for n in range(len(parts))]
        return built if typing.get_origin(kind) is list else tuple(built)
    if typing.get_origin(kind) in (dict, Mapping) or kind in (dict, Any):
        inner = (typing.get_args(kind) or (str, Any))[1]
        if any("" not in part for part in parts.values()):  # keys with dots of their own, such as those of torch
            return {key: _leaf(f"{name}.{key}", inner, array) for key, array in arrays.items()}
        return {key: _build(f"{name}.{key}", inner, part) for key, part in parts.items()}
    raise FormatError(f"{name!r} should be one array, the file holds {', '.join(sorted(arrays)[:3])} of it")


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        return rest[0] if len(rest) == 1 else Any
    return hint


def _leaf(name: str, kind: Any, array: NDArray[Any]) -> Any:
    if kind in (bool, int, float):
        if array.shape != ():
            raise FormatError(f"{name!r} should be one number, it has the shape {array.shape}")
        return kind(array[()])
    if dataclasses.is_dataclass(kind):
        raise FormatError(f"{name!r} should be a group of arrays, it is one")
    declared = _dtype(kind)
    if declared is not None and array.dtype != declared:
        raise FormatError(f"{name!r} should hold {declared}, it holds {array.dtype}")
    return array


def _dtype(kind: Any) -> np.dtype[Any] | None:
    """The dtype of ``NDArray[np.float32]``; None if the declaration leaves it open."""
    if typing.get_origin(kind) is not np.ndarray:
        return None
    inner = typing.get_args(typing.get_args(kind)[1])
    if (
        len(inner) != 1
        or not isinstance(inner[0], type)
        or inner[0] in (np.generic, np.number, np.integer, np.floating)
    ):
        return None
    return np.dtype(inner[0])


def _check_operators(model: Model, n_items: int) -> None:
    """Kernels trust item→item operators: their indexes must be inside the bounds."""
    from penchant.models.parts.weights import Weights

    for name in _fields(model):
        weights = getattr(model, name)
        if isinstance(weights, Weights):
            _check_weights(name, weights, n_items)


def _check_weights(name: str, weights: Any, n_items: int) -> None:
    sparse = [weights.indptr, weights.indices, weights.data]
    if any(part is None for part in sparse) != all(part is None for part in sparse):
        raise FormatError(f"{name}: indptr, indices and data belong together")
    if weights.indptr is not None:
        indptr, indices, data = sparse
        inside = len(indices) == 0 or (indices.min() >= 0 and indices.max() < n_items)
        grows = indptr.shape == (n_items + 1,) and indptr[0] == 0 and bool((np.diff(indptr) >= 0).all())
        if not grows or indptr[-1] != len(indices) or indices.shape != data.shape or not inside:
            raise FormatError(f"{name}: the sparse part is not an operator over {n_items} items")
    if weights.dense is not None and weights.dense.shape != (n_items, n_items):
        raise FormatError(f"{name}: the dense part has the shape {weights.dense.shape}, not {(n_items, n_items)}")
    if (weights.left is None) != (weights.right is None):
        raise FormatError(f"{name}: left and right belong together")
    if weights.left is not None:
        rank = weights.left.shape[-1]
        if weights.left.shape != (n_items, rank) or weights.right.shape != (rank, n_items):
            raise FormatError(f"{name}: left and right do not fit each other and {n_items} items")
