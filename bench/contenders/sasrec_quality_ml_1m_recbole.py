"""SASRec on ml-1m: when it is as good as that of RecBole."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _quality as q
from bench.duel import Numbers

LOG = "ml-1m"


def ours(folder: Path) -> Numbers:
    """The same sizes."""
    return q.sasrec(folder, LOG)


def recbole(folder: Path) -> Numbers:
    """Until its time is over."""
    return q.sasrec_of_recbole(folder, LOG)


QUESTION = q.question(LOG, "SASRec", "recbole", 5.0, f"{q.SASREC}, so ours")
