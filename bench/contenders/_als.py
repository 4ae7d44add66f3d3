"""The speed of alternating least squares, compared with several peers on several logs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.contenders import _logs
from bench.duel import Goal, Numbers, Question, Side

SIZES = (64, 128, 256)
ITERATIONS = {"gowalla": 6, "ml-1m": 6, "synthetic": 3}
START = {"gowalla": 0.3, "ml-1m": 1.0, "synthetic": 1.0}  # scale of our initial vectors; the peers use their own
CONFIDENCE = 11.0  # of an event; any other pair has 1
REG = 1.0  # the peers' penalty: λ(Σ|x|² + Σ|y|²)
SAMPLE = 1000  # rows on which the loss is compared
EQUAL = 1.001  # the largest allowed ratio of our loss to theirs

# The peers: Σ_events c(1 − s)² + Σ_others s² + λ(…). Ours, times c − 1: (c − 1)(1 − s)² + Σ_all s² + … . Multiply both
# the scores and λ by k = (c − 1)/c, and the problem is the same: our sum is k² times theirs plus a constant.
K = (CONFIDENCE - 1) / CONFIDENCE


def loss(folder: Path, name: str, y: np.ndarray) -> float:
    """The peers' objective at the optimal row vectors, on a sample of rows; the item penalty is scaled to match."""
    indptr, items, _ = _logs.read(folder, name)
    n_rows = len(indptr) - 1
    y = y.astype(np.float64)
    shared = y.T @ y + REG * np.eye(y.shape[1])
    chosen = np.random.default_rng(0).permutation(n_rows)[:SAMPLE]
    total = REG * float((y**2).sum()) * len(chosen) / n_rows
    for row in chosen:
        mine = y[items[indptr[row] : indptr[row + 1]]]
        b = CONFIDENCE * mine.sum(axis=0)
        total += CONFIDENCE * len(mine) - float(b @ np.linalg.solve(shared + (CONFIDENCE - 1) * mine.T @ mine, b))
    return total


Fit = Callable[[Path, str, int], tuple[float, np.ndarray]]  # seconds per iteration, and the item vectors


def ours(folder: Path, name: str, factors: int) -> tuple[float, np.ndarray]:
    """The default solver. The first iteration loads the compiled kernels and is not counted."""
    from penchant import ALS
    from penchant.core.histories import Histories
    from penchant.core.run import Run

    told: list[float] = []
    model = ALS(
        factors=factors, reg=REG * K / (CONFIDENCE - 1), unobserved=1 / (CONFIDENCE - 1), reg_exponent=0.0,
        epochs=ITERATIONS[name], init=START[name],
    )  # fmt: skip
    model.fit(Histories(*_logs.read(folder, name)), run=Run(progress=lambda *_: told.append(time.perf_counter())))
    return statistics.median(np.diff(told)), model.item_vectors / np.sqrt(K)


def implicit(folder: Path, name: str, factors: int) -> tuple[float, np.ndarray]:
    """Its default solver: conjugate gradient with three steps. BLAS is limited to one thread, as it recommends."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    told: list[float] = []
    model = AlternatingLeastSquares(
        factors, regularization=REG, iterations=ITERATIONS[name], num_threads=0, random_state=0
    )
    with threadpool_limits(limits=1, user_api="blas"):
        model.fit(
            _logs.matrix(folder, name, CONFIDENCE), show_progress=False, callback=lambda _, took, __: told.append(took)
        )
    return statistics.median(told[1:]), model.item_factors


def rusket(folder: Path, name: str, factors: int) -> tuple[float, np.ndarray]:
    """Its default solver. It reports no iteration times, so the difference of two fits times those after the first."""
    from rusket import ALS

    log, took = _logs.matrix(folder, name, 1.0), []
    for iterations in (1, ITERATIONS[name]):
        model = ALS(factors=factors, regularization=REG, alpha=CONFIDENCE - 1, iterations=iterations, seed=0)
        start = time.perf_counter()
        model.fit(log)
        took.append(time.perf_counter() - start)
    return (took[1] - took[0]) / (ITERATIONS[name] - 1), np.asarray(model.item_factors)


def measure(fit: Fit, folder: Path, names: tuple[str, ...]) -> Numbers:
    """Seconds per iteration and the loss, for every log and size."""
    numbers: Numbers = {"seconds": 0.0}
    for name in names:
        for factors in SIZES:
            seconds, y = fit(folder, name, factors)
            numbers[f"{name}, {factors} factors: seconds"] = seconds
            numbers[f"{name}, {factors} factors: loss"] = loss(folder, name, y)
            numbers["seconds"] += seconds
    return numbers


def question(peer: str, names: tuple[str, ...], about: str, rounds: int) -> Question:
    """Goal: each iteration twice as fast, with the same loss after the same number of iterations."""

    def prepare(folder: Path) -> None:
        for name in names:
            _logs.write(folder, name)

    def judge(mine: Side, theirs: Side) -> list[Goal]:
        goals = []
        for case in [f"{name}, {factors} factors" for name in names for factors in SIZES]:
            times = theirs[f"{case}: seconds"] / mine[f"{case}: seconds"]
            goals.append(Goal(f"{case}: times faster than {peer}", times, 2.0, at_least=True))
            more = mine[f"{case}: loss"] / theirs[f"{case}: loss"]
            goals.append(Goal(f"{case}: our loss over theirs", more, EQUAL, at_least=False))
        return goals

    return Question(
        title=f"An iteration of als, {about}: Penchant and {peer}",
        how=f"default solvers, all cores, confidence {CONFIDENCE:g}, regularisation {REG:g}; the median iteration of "
        f"{ITERATIONS[names[0]]} but the first; our scale at the start {' and '.join(f'{START[n]:g}' for n in names)}; "
        f"the peer's objective on {SAMPLE} rows at their best after them",
        prepare=prepare,
        judge=judge,
        peer=peer,
        environment=peer,
        rounds=rounds,
    )
