"""One question about the speed of alternating least squares, asked of several peers and of several logs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.duel import Goal, Numbers, Question, Side

SIZES = (64, 128, 256)
ITERATIONS = 6
CONFIDENCE = 11.0  # of an event, against 1 of any other pair
REG = 1.0  # the penalty of the peers: λ(Σ|x|² + Σ|y|²)
SAMPLE = 1000  # rows whose loss is compared
EQUAL = 1.001  # how much larger our loss may be

# The peers: Σ_events c(1 − s)² + Σ_others s² + λ(…). Ours, times c − 1: (c − 1)(1 − s)² + Σ_all s² + … . With scores
# smaller by k = (c − 1)/c and λ by k as well, it is the same problem: the sum is k² times theirs and a constant.
K = (CONFIDENCE - 1) / CONFIDENCE


def write(folder: Path, name: str) -> None:
    """``NAME.npz``: the items of every row, rising."""
    file = folder / f"{name}.npz"
    if file.exists():
        return
    rows, items = _synthetic() if name == "synthetic" else _events(name)
    order = np.lexsort((items, rows))
    rows, items = rows[order], items[order]
    keep = np.append(True, (rows[1:] != rows[:-1]) | (items[1:] != items[:-1]))
    rows, items = rows[keep], items[keep]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows))]).astype(np.int64)
    np.savez(file, indptr=indptr, items=items.astype(np.int32), n_items=int(items.max()) + 1)


def _events(name: str) -> tuple[np.ndarray, np.ndarray]:
    from bench.sets import table

    log = table(name)
    if "split" in log.columns:
        log = log.filter(log["split"].cast(str) == "train")
    of = [np.unique(log[column].to_numpy(), return_inverse=True)[1] for column in ("user", "item")]
    return of[0], of[1]


def _synthetic() -> tuple[np.ndarray, np.ndarray]:
    """20 million events of 138,000 rows and 27,000 items: long tails on both sides, tastes in 50 groups."""
    rng, n_rows, n_items, events = np.random.default_rng(0), 138_000, 27_000, 21_300_000
    often = rng.pareto(1.2, n_rows) + 0.3
    rows = np.repeat(np.arange(n_rows), np.minimum(rng.poisson(often / often.mean() * events / n_rows) + 1, 8000))
    order = rng.permutation(n_items)
    places = (n_items * rng.random(len(rows)) ** 3).astype(np.int64)  # a few items are had by many
    taste = (rng.integers(0, 50, n_rows)[rows] + rng.integers(0, 3, len(rows))) % 50
    return rows, order[np.minimum(places // 50 * 50 + taste, n_items - 1)]


def read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """What ``write`` wrote."""
    with np.load(folder / f"{name}.npz") as data:
        return data["indptr"], data["items"], int(data["n_items"])


def matrix(folder: Path, name: str, value: float) -> Any:
    """As a SciPy rows × items matrix."""
    from scipy.sparse import csr_matrix

    indptr, items, n_items = read(folder, name)
    return csr_matrix((np.full(len(items), value, np.float32), items, indptr), shape=(len(indptr) - 1, n_items))


def loss(folder: Path, name: str, y: np.ndarray) -> float:
    """The peers' objective, with the rows at their best: a sample of rows, and the items' penalty in proportion."""
    indptr, items, _ = read(folder, name)
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


Fit = Callable[[Path, str, int], tuple[float, np.ndarray]]  # seconds an iteration, and the item vectors


def ours(folder: Path, name: str, factors: int) -> tuple[float, np.ndarray]:
    """The default solver; the first iteration, which loads the compiled kernels, is not counted."""
    from penchant import ALS
    from penchant.histories import Histories
    from penchant.models.base import Run

    told: list[float] = []
    model = ALS(
        factors=factors, reg=REG * K / (CONFIDENCE - 1), unobserved=1 / (CONFIDENCE - 1), reg_exponent=0.0,
        epochs=ITERATIONS,
    )  # fmt: skip
    model.fit(Histories(*read(folder, name)), run=Run(progress=lambda *_: told.append(time.perf_counter())))
    return statistics.median(np.diff(told)), model.item_vectors / np.sqrt(K)


def implicit(folder: Path, name: str, factors: int) -> tuple[float, np.ndarray]:
    """Its default solver, conjugate gradient of three steps; BLAS is held to one thread, as it asks for."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    told: list[float] = []
    model = AlternatingLeastSquares(factors, regularization=REG, iterations=ITERATIONS, num_threads=0, random_state=0)
    with threadpool_limits(limits=1, user_api="blas"):
        model.fit(matrix(folder, name, CONFIDENCE), show_progress=False, callback=lambda _, took, __: told.append(took))
    return statistics.median(told[1:]), model.item_factors


def rusket(folder: Path, name: str, factors: int) -> tuple[float, np.ndarray]:
    """Its default solver; iterations beyond the first by the difference of two fits, as it does not tell of them."""
    from rusket import ALS

    log, took = matrix(folder, name, 1.0), []
    for iterations in (1, ITERATIONS):
        model = ALS(factors=factors, regularization=REG, alpha=CONFIDENCE - 1, iterations=iterations, seed=0)
        start = time.perf_counter()
        model.fit(log)
        took.append(time.perf_counter() - start)
    return (took[1] - took[0]) / (ITERATIONS - 1), np.asarray(model.item_factors)


def measure(fit: Fit, folder: Path, names: tuple[str, ...]) -> Numbers:
    """Seconds an iteration and the loss, for every log and size."""
    numbers: Numbers = {"seconds": 0.0}
    for name in names:
        for factors in SIZES:
            seconds, y = fit(folder, name, factors)
            numbers[f"{name}, {factors} factors: seconds"] = seconds
            numbers[f"{name}, {factors} factors: loss"] = loss(folder, name, y)
            numbers["seconds"] += seconds
    return numbers


def question(peer: str, names: tuple[str, ...], about: str, rounds: int) -> Question:
    """Twice as fast an iteration, at the same loss after as many iterations."""

    def prepare(folder: Path) -> None:
        for name in names:
            write(folder, name)

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
        f"{ITERATIONS} but the first; the peer's objective on {SAMPLE} rows at their best after them",
        prepare=prepare,
        judge=judge,
        peer=peer,
        environment=peer,
        rounds=rounds,
    )
