"""Item cosine and lists for all users, on 138,000 × 27,000 × 20 million: Penchant and sparse-dot-topn."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.contenders import _cosine
from bench.duel import Numbers

LOGS = ("synthetic",)


def ours(folder: Path) -> Numbers:
    """Run ours on every log."""
    return _cosine.measure(partial(_cosine.ours, repeat=True), folder, LOGS)


def sparse_dot_topn(folder: Path) -> Numbers:
    """Run the peer on every log."""
    return _cosine.measure(_cosine.sparse_dot_topn, folder, LOGS)


QUESTION = _cosine.question("sparse_dot_topn", LOGS, "cosine-large-sparse-dot-topn", rounds=1)
