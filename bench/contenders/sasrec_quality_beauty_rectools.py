"""SASRec on amazon-beauty: when it is as good as that of RecTools."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _quality as q
from bench.duel import Numbers

LOG = "amazon-beauty"


def ours(folder: Path) -> Numbers:
    """The same sizes."""
    return q.sasrec(folder, LOG)


def rectools(folder: Path) -> Numbers:
    """Until its time is over."""
    return q.sasrec_of_rectools(folder, LOG)


QUESTION = q.question(LOG, "SASRec", "rectools", 2.0, f"{q.SASREC}, ours with sampled softmax")
