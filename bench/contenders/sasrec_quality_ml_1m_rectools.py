"""SASRec on ml-1m: how soon ours matches RecTools'."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _quality as q
from bench.duel import Numbers

LOG = "ml-1m"


def ours(folder: Path) -> Numbers:
    """Ours with the same sizes as the peer."""
    return q.sasrec(folder, LOG)


def rectools(folder: Path) -> Numbers:
    """Run the peer until its time is up."""
    return q.sasrec_of_rectools(folder, LOG)


QUESTION = q.question(LOG, "SASRec", "rectools", 1.5, f"{q.SASREC}, so ours")
