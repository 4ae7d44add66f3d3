"""Likeness by what the catalogue says: for items that no model has learned yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from penchant.serve.columns import parts, spelled
from penchant.serve.shelf import Shelf

COMMON = 0.5  # a value that more than this share of the items has says nothing


def features(shelf: Shelf, at: int) -> dict[tuple[str, str], float]:
    """The values of one item with their weights: log(items / holders), so that rare values count more."""
    n = len(shelf)
    found: dict[tuple[str, str], float] = {}
    columns: list[tuple[str, Any]] = [("", shelf.domains), *shelf.attributes.items()]
    for name, column in columns:
        for value in parts(column.values[at]):
            if isinstance(value, (str, bool)):
                holders = len(column.holders[spelled(value)])
                if holders <= max(2, COMMON * n):
                    found[name, spelled(value)] = math.log((1 + n) / holders)
    return found


def by_content(shelf: Shelf, positions: Sequence[int]) -> dict[int, float]:
    """How much items resemble these: the cosine of their weighted values; items without a common value are absent."""
    with shelf.lock:
        return _by_content(shelf, positions)


def _by_content(shelf: Shelf, positions: Sequence[int]) -> dict[int, float]:
    wanted: dict[tuple[str, str], float] = {}
    for at in positions:
        for key, weight in features(shelf, at).items():
            wanted[key] = wanted.get(key, 0.0) + weight
    scores: dict[int, float] = {}
    for (name, value), weight in wanted.items():
        column = shelf.domains if name == "" else shelf.attributes[name]
        own = math.log((1 + len(shelf)) / len(column.holders[value]))
        for at in column.holders[value]:
            scores[at] = scores.get(at, 0.0) + weight * own
    size = math.sqrt(sum(weight**2 for weight in wanted.values()))
    norms = {at: math.sqrt(sum(weight**2 for weight in features(shelf, at).values())) for at in scores}
    return {at: score / (size * norms[at]) for at, score in scores.items()}
