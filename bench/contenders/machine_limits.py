"""The limits of this machine: bytes read from memory, rows gathered at random, float32 operations."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.duel import Goal, Numbers, Question, Side

SIZE = 2**27  # floats, 512 MiB: far larger than any cache
ROW = 64  # floats per gathered row
TIMES = 5


def prepare(folder: Path) -> None:
    """Do nothing; no data is needed."""


def _best(work: Callable[[int, int], object], length: int, cores: int) -> float:
    """The shortest time, in seconds, of work split across the cores."""
    from penchant.kernels.threads import over_blocks

    took = []
    for _ in range(TIMES):
        start = time.perf_counter()
        over_blocks(work, length, size=-(-length // cores), threads=cores)
        took.append(time.perf_counter() - start)
    return min(took)


def ours(folder: Path) -> Numbers:
    """NumPy and BLAS, on one core and on all of them."""
    from bench.machine import cores
    from penchant.kernels.threads import one_blas_thread

    data = np.ones(SIZE, dtype=np.float32)
    rows = data.reshape(-1, ROW)
    order = np.random.default_rng(0).integers(0, len(rows), 2**20)
    square = np.ones((4096, 4096), dtype=np.float32)
    product = np.empty_like(square)
    numbers: Numbers = {}
    with one_blas_thread():
        for count in sorted({1, cores()}):
            on = "1 core" if count == 1 else "all cores"
            read = _best(lambda lo, hi: data[lo:hi].sum(), SIZE, count)
            numbers[f"read, GB/s, {on}"] = 4 * SIZE / read / 1e9
            gathered = _best(lambda lo, hi: rows[order[lo:hi]].max(), len(order), count)
            numbers[f"rows of 256 bytes gathered, GB/s, {on}"] = 4 * ROW * len(order) / gathered / 1e9
            times = _best(lambda lo, hi: np.matmul(square[lo:hi], square, out=product[lo:hi]), len(square), count)
            numbers[f"float32, GFLOP/s, {on}"] = 2 * len(square) ** 3 / times / 1e9
            numbers["seconds"] = read + gathered + times
    return numbers


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """There are no goals."""
    return []


QUESTION = Question(
    title="The limits of the machine",
    how="the sum of 512 MiB; rows of 64 floats taken from it in random order; a product of matrices of 4,096 rows by "
    "BLAS; the best of five",
    prepare=prepare,
    judge=judge,
    rounds=3,
)
