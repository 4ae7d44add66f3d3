"""Cosine of items and lists for all, on gowalla and ml-1m: Penchant and sparse-dot-topn."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.contenders import _cosine
from bench.duel import Numbers

LOGS = (
    "gowalla",
    "ml-1m",
)


def ours(folder: Path) -> Numbers:
    """Ours on all of them."""
    return _cosine.measure(partial(_cosine.ours, repeat=True), folder, LOGS)


def sparse_dot_topn(folder: Path) -> Numbers:
    """Theirs on all of them."""
    return _cosine.measure(_cosine.sparse_dot_topn, folder, LOGS)


QUESTION = _cosine.question("sparse_dot_topn", LOGS, "cosine-sparse-dot-topn", rounds=5)
