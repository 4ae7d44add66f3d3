"""EASE on ml-1m, against the minimum cost of its algebra: one Cholesky factorisation and inverse by LAPACK."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.contenders import _ratings
from bench.duel import Goal, Numbers, Question, Side

REG = 500.0


def prepare(folder: Path) -> None:
    """Write the ratings; all count as positives."""
    _ratings.write(folder, "ml-1m")


def _train(folder: Path) -> Any:
    from penchant.core.histories import Histories

    with np.load(folder / "ml-1m.npz") as data:
        indptr = np.concatenate([[0], np.cumsum(np.bincount(data["users"]))])
        return Histories(indptr, data["items"], int(data["items"].max()) + 1)


def ours(folder: Path) -> Numbers:
    """Time the whole second fit, and the solve step alone."""
    from penchant import EASE, Run
    from penchant.models.ease import _solve, gram

    model = EASE(reg=REG, half_life=None).fit(_train(folder))
    train = _train(folder)  # a new batch, so that values it has already cached do not help
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    matrix = gram(train, Run())
    matrix[np.diag_indices(len(matrix))] += np.float32(REG)
    start = time.perf_counter()
    _solve(matrix, Run())
    return {"seconds": seconds, "solve seconds": time.perf_counter() - start}


def lapack(folder: Path) -> Numbers:
    """spotrf and spotri on the same kind of matrix, in place, in column-major order."""
    from scipy.linalg.lapack import spotrf, spotri

    from penchant.core.run import Run
    from penchant.models.ease import gram

    matrix = gram(_train(folder), Run())
    matrix[np.diag_indices(len(matrix))] += np.float32(REG)
    warm = np.asfortranarray(matrix[:500, :500].T)
    spotri(spotrf(warm, lower=1)[0], lower=1)
    start = time.perf_counter()
    factor, _ = spotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    spotri(factor, lower=1, overwrite_c=1)
    return {"seconds": time.perf_counter() - start}


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """How much ours adds to the unavoidable cost."""
    return [
        Goal("whole fit, in times of LAPACK alone", mine["seconds"] / theirs["seconds"], 1.7, at_least=False),
        Goal("solve step, in times of LAPACK alone", mine["solve seconds"] / theirs["seconds"], 1.2, at_least=False),
    ]


QUESTION = Question(
    title="EASE on ml-1m (3,706 items), beside one float32 Cholesky factorisation and inverse of LAPACK",
    how="second fit in a fresh process; both sides use the same LAPACK with all cores",
    prepare=prepare,
    judge=judge,
    peer="lapack",
)
