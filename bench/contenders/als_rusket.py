"""One iteration of alternating least squares on gowalla and ml-1m: Penchant and rusket."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _als
from bench.duel import Numbers

LOGS = ("gowalla", "ml-1m")


def ours(folder: Path) -> Numbers:
    """Run ours on every log."""
    return _als.measure(_als.ours, folder, LOGS)


def rusket(folder: Path) -> Numbers:
    """Run the peer on every log."""
    return _als.measure(_als.rusket, folder, LOGS)


QUESTION = _als.question("rusket", LOGS, "gowalla and ml-1m", rounds=3)
