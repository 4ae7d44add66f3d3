"""Cosine of items and lists for all, on 138,000 × 27,000 × 20 million: Penchant and implicit."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _cosine
from bench.duel import Numbers

LOGS = ("synthetic",)


def ours(folder: Path) -> Numbers:
    """Ours on all of them."""
    return _cosine.measure(_cosine.ours, folder, LOGS)


def implicit(folder: Path) -> Numbers:
    """Theirs on all of them."""
    return _cosine.measure(_cosine.implicit, folder, LOGS)


QUESTION = _cosine.question("implicit", LOGS, "cosine-large-implicit", rounds=1)
