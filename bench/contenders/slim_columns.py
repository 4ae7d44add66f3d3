"""500 random columns of SLIM on ml-1m and gowalla: Penchant and the elastic net of scikit-learn."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.contenders import _columns
from bench.duel import Goal, Numbers, Question, Side


def ours(folder: Path) -> Numbers:
    """The whole Gram matrix and 500 columns; a small first fit loads the compiled kernels."""
    from scipy.sparse import csc_matrix

    from penchant import SLIM, Run
    from penchant.core.histories import Histories
    from penchant.models.parts.operators import Pairs
    from penchant.models.slim import solve

    numbers: Numbers = {"seconds": 0.0}
    for name in _columns.SETS:
        indptr, items, n_items = _columns.rows(folder, name)
        model = SLIM(l1=_columns.L1, l2=_columns.L2, tolerance=_columns.TOLERANCE)
        model.fit(Histories(indptr, items, n_items)[:200])
        of = _columns.targets(n_items)
        train = Histories(indptr, items, n_items)
        start = time.perf_counter()
        starts, found, values = solve(Pairs.of(train.distinct(), Run(), who="slim"), of, model, Run())
        seconds = time.perf_counter() - start
        weights = csc_matrix((values, found, starts), shape=(n_items, len(of)))
        numbers |= {
            f"{name} seconds": seconds,
            f"{name} objective": _columns.objective(_columns.matrix(folder, name), of, weights),
        }
        numbers["seconds"] += seconds
    return numbers


def sklearn(folder: Path) -> Numbers:
    """ElasticNet on the sparse matrix with the target column set to zero; the columns run on two threads."""
    from concurrent.futures import ThreadPoolExecutor

    from scipy.sparse import csc_matrix, hstack
    from sklearn.linear_model import ElasticNet

    numbers: Numbers = {"seconds": 0.0}
    for name in _columns.SETS:
        x = _columns.matrix(folder, name).tocsc()
        of = _columns.targets(x.shape[1])
        penalty = _columns.L1 + _columns.L2

        def solve(part: np.ndarray, x: csc_matrix = x, penalty: float = penalty) -> list[csc_matrix]:
            mine, solved = x.copy(), []
            net = ElasticNet(
                alpha=penalty / x.shape[0], l1_ratio=_columns.L1 / penalty, positive=True, fit_intercept=False,
                copy_X=False, max_iter=1000, tol=_columns.TOLERANCE,
            )  # fmt: skip
            for j in part:
                column = slice(mine.indptr[j], mine.indptr[j + 1])
                target, kept = mine[:, j].toarray().ravel(), mine.data[column].copy()
                mine.data[column] = 0
                solved.append(csc_matrix(net.fit(mine, target).coef_[:, None]))
                mine.data[column] = kept
            return solved

        start = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(solve, np.array_split(of, 2)))
        seconds = time.perf_counter() - start
        weights = hstack([column for part in parts for column in part]).tocsc()
        numbers |= {f"{name} seconds": seconds, f"{name} objective": _columns.objective(x, of, weights)}
        numbers["seconds"] += seconds
    return numbers


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: three times as fast on each set, with no higher objective."""
    goals = []
    for name in _columns.SETS:
        ratio = theirs[f"{name} seconds"] / mine[f"{name} seconds"]
        worse = mine[f"{name} objective"] / theirs[f"{name} objective"] - 1
        goals.append(Goal(f"times faster than scikit-learn on {name}", ratio, 3.0, at_least=True))
        goals.append(Goal(f"objective above theirs on {name}, as a share", worse, 1e-5, at_least=False))
    return goals


QUESTION = Question(
    title="500 random columns of SLIM, l1 2, l2 10, not negative, on ml-1m and gowalla",
    how="our side counts its Gram matrix in; ElasticNet on sparse data, positive, without intercept; two threads each",
    prepare=_columns.prepare,
    judge=judge,
    peer="sklearn",
    environment="slim",
    rounds=1,
)
