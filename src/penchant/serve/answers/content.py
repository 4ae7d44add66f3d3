"""Similarity by catalogue attributes, for items that the model has not learned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from penchant.data.item_values import parts, spelled
from penchant.serve.catalogue.live import LiveCatalogue

COMMON = 0.5  # a value of more than this share of the items is ignored


def features(catalogue: LiveCatalogue, at: int) -> dict[tuple[str, str], float]:
    """The values of one item with their weights: log(items / holders), so that rare values count more."""
    n = len(catalogue)
    found: dict[tuple[str, str], float] = {}
    columns: list[tuple[str, Any]] = [("", catalogue.domains), *catalogue.attributes.items()]
    for name, column in columns:
        for value in parts(column.values[at]):
            if isinstance(value, (str, bool)):
                holders = len(column.holders[spelled(value)])
                if holders <= max(2, COMMON * n):
                    found[name, spelled(value)] = math.log((1 + n) / holders)
    return found


def by_content(
    catalogue: LiveCatalogue, positions: Sequence[int], among: Iterable[int] | None = None
) -> dict[int, float]:
    """Similarity of items (of ``among`` if given) to these: the cosine of their weighted values.

    Items without a shared value are absent.
    """
    with catalogue.lock:
        return _by_content(catalogue, positions, among)


def _by_content(catalogue: LiveCatalogue, positions: Sequence[int], among: Iterable[int] | None) -> dict[int, float]:
    wanted: dict[tuple[str, str], float] = {}
    for at in positions:
        for key, weight in features(catalogue, at).items():
            wanted[key] = wanted.get(key, 0.0) + weight
    size = math.sqrt(sum(weight**2 for weight in wanted.values()))
    scores: dict[int, float] = {}
    for at in _holders(catalogue, wanted) if among is None else among:
        own = features(catalogue, at)
        common = sum(weight * wanted[key] for key, weight in own.items() if key in wanted)
        if common > 0:
            scores[at] = common / (size * math.sqrt(sum(weight**2 for weight in own.values())))
    return scores


def _holders(catalogue: LiveCatalogue, wanted: Iterable[tuple[str, str]]) -> set[int]:
    """Every item that has one of these values."""
    columns = ((catalogue.domains if name == "" else catalogue.attributes[name], value) for name, value in wanted)
    return set[int]().union(*(column.holders[value] for column, value in columns))
