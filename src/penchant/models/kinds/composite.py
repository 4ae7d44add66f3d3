"""Models that are made of other models."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator

from penchant.models.kinds.base import Model


class Composite(Model, ABC):
    """A model with member models, which ``fit`` fits with it; a saved folder holds each in a folder of its own."""

    members: list[Model]


def members_of(model: Model) -> list[Model]:
    """The members of a composite, in order; none for any other model."""
    return list(model.members) if isinstance(model, Composite) else []


def with_members(model: Model) -> Iterator[Model]:
    """A model, its members and their members, depth first."""
    yield model
    for member in members_of(model):
        yield from with_members(member)
