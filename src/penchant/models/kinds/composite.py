"""Models that are made of other models."""

from __future__ import annotations

from abc import ABC

from penchant.models.kinds.base import Model


class Composite(Model, ABC):
    """A model with member models, which ``fit`` fits with it; a saved folder holds each in a folder of its own."""

    members: list[Model]
