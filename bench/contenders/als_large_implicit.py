"""One iteration of alternating least squares on 138,000 × 27,000 × 20 million: Penchant and implicit."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _als
from bench.duel import Numbers

LOGS = ("synthetic",)


def ours(folder: Path) -> Numbers:
    """Run ours on every log."""
    return _als.measure(_als.ours, folder, LOGS)


def implicit(folder: Path) -> Numbers:
    """Run the peer on every log."""
    return _als.measure(_als.implicit, folder, LOGS)


QUESTION = _als.question("implicit", LOGS, "138,000 × 27,000 × 20 million", rounds=1)
