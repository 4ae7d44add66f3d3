"""Item cosine and lists for all users, on 138,000 × 27,000 × 20 million: Penchant and rusket."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _cosine
from bench.duel import Numbers

LOGS = ("synthetic",)


def ours(folder: Path) -> Numbers:
    """Run ours on every log."""
    return _cosine.measure(_cosine.ours, folder, LOGS)


def rusket(folder: Path) -> Numbers:
    """Run the peer on every log."""
    return _cosine.measure(_cosine.rusket, folder, LOGS)


QUESTION = _cosine.question("rusket", LOGS, "cosine-large-rusket", rounds=1)
