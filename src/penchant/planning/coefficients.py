"""The measured seconds of each kind of work, and the bytes of what is not a model: ``coefficients.json``.

``python -m bench plan --refit`` writes the file from its measurements, on the machine whose speed is in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("coefficients.json")


@dataclass(frozen=True)
class OfModel:
    """The seconds of one of each kind of work on one core of the machine of the measurements."""

    fit: Mapping[str, float]
    answer: Mapping[str, float]
    measured: int  # rows of the largest log that was measured


@dataclass(frozen=True)
class Coefficients:
    """What ``coefficients.json`` holds."""

    machine: Mapping[str, float]  # seconds that the benchmarks of ``speed`` took
    start: Mapping[str, float]  # seconds and bytes of a process before it reads, and of loading kernels and torch
    read: Mapping[str, Mapping[str, float]]  # by format: seconds a byte and row, bytes of memory a row
    log: Mapping[str, float]  # bytes that a log holds, an event, user and item; and those that fit adds
    save: Mapping[str, float]  # seconds: always, a byte, an item
    index: Mapping[str, float]  # seconds of a product while an index is built, and of a list over √items
    models: Mapping[str, OfModel]


@cache
def coefficients() -> Coefficients:
    """The committed coefficients."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    models = {name: OfModel(**of) for name, of in found.pop("models").items()}
    return Coefficients(**found, models=models)
