"""What a piece of work takes: amounts of named kinds of work, and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cost:
    """What fitting a model takes, and answering with it; each model states it as a function of the log's shape.

    ``fit`` and ``answer`` (of one history, in a batch of many) are amounts by kind of work. The kinds are the model's
    own words, such as ``pairs``; the seconds of one of each are measured, and stand in ``planning/coefficients.json``.
    """

    fit: Mapping[str, float]
    held: float  # bytes of the fitted model
    working: float = 0.0  # bytes that fit takes at most, besides the log and the fitted model
    answer: Mapping[str, float] = field(default_factory=dict)
    answering: float = 0.0  # bytes that answering takes, besides the log and the fitted model
    mapped: float = 0.0  # bytes of the fitted model that stay in files, mapped, and not in memory
    at_most: bool = False  # training may stop by itself before
