"""Cosine of items and lists for all, on gowalla and ml-1m: Penchant and implicit."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _cosine
from bench.duel import Numbers

LOGS = (
    "gowalla",
    "ml-1m",
)


def ours(folder: Path) -> Numbers:
    """Ours on all of them."""
    return _cosine.measure(_cosine.ours, folder, LOGS)


def implicit(folder: Path) -> Numbers:
    """Theirs on all of them."""
    return _cosine.measure(_cosine.implicit, folder, LOGS)


QUESTION = _cosine.question("implicit", LOGS, "cosine-implicit", rounds=5)
