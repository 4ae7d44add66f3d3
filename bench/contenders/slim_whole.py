"""The whole of SLIM on ml-1m and gowalla: Penchant and fastslim."""

from __future__ import annotations

import time
from pathlib import Path

from bench.contenders import _columns
from bench.duel import Goal, Numbers, Question, Side


def ours(folder: Path) -> Numbers:
    """All columns; a small first fit loads the compiled kernels."""
    from scipy.sparse import csr_matrix

    from penchant import SLIM
    from penchant.core.histories import Histories

    numbers: Numbers = {"seconds": 0.0}
    for name in _columns.SETS:
        indptr, items, n_items = _columns.rows(folder, name)
        model = SLIM(l1=_columns.L1, l2=_columns.L2, tolerance=_columns.TOLERANCE, half_life=None)
        model.fit(Histories(indptr, items, n_items)[:200])
        train = Histories(indptr, items, n_items)
        start = time.perf_counter()
        w = model.fit(train).weights
        seconds = time.perf_counter() - start
        of = _columns.targets(n_items)
        weights = csr_matrix((w.data, w.indices, w.indptr), shape=(n_items, n_items)).tocsc()[:, of]
        numbers |= {
            f"{name} seconds": seconds,
            f"{name} objective": _columns.objective(_columns.matrix(folder, name), of, weights),
        }
        numbers["seconds"] += seconds
    return numbers


def fastslim(folder: Path) -> Numbers:
    """All columns too, since it offers no other way, on two threads."""
    import fastslim as peer

    numbers: Numbers = {"seconds": 0.0}
    for name in _columns.SETS:
        x = _columns.matrix(folder, name)
        start = time.perf_counter()
        w = peer.fit(x, lambd=_columns.L1, beta=_columns.L2, tol=_columns.TOLERANCE, n_threads=2)
        seconds = time.perf_counter() - start
        of = _columns.targets(x.shape[1])
        numbers |= {f"{name} seconds": seconds, f"{name} objective": _columns.objective(x, of, w.tocsc()[:, of])}
        numbers["seconds"] += seconds
    return numbers


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: three times as fast on each set, with the same objective over 500 random columns."""
    goals = []
    for name in _columns.SETS:
        ratio = theirs[f"{name} seconds"] / mine[f"{name} seconds"]
        worse = mine[f"{name} objective"] / theirs[f"{name} objective"] - 1
        goals.append(Goal(f"times faster than fastslim on {name}", ratio, 3.0, at_least=True))
        goals.append(Goal(f"objective above theirs on {name}, as a share", worse, 1e-5, at_least=False))
    return goals


QUESTION = Question(
    title="SLIM as a whole, l1 2, l2 10, not negative, on ml-1m and gowalla",
    how="all columns and their Gram matrix, tolerance 1e-4, two threads; the objective is that of 500 random columns",
    prepare=_columns.prepare,
    judge=judge,
    peer="fastslim",
    environment="slim",
    rounds=2,
)
