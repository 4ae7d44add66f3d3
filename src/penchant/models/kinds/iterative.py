"""Models that are trained in passes over the events and keep a record of each."""

from __future__ import annotations

from abc import ABC
from typing import Any

from penchant.models.kinds.base import Model


class Iterative(Model, ABC):
    """A model with a learning curve: ``history`` holds one record for every pass of the last ``fit``."""

    history: list[dict[str, Any]]
