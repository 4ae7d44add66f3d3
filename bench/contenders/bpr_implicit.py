"""One epoch of Bayesian personalised ranking on gowalla: Penchant and implicit."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from bench.contenders import _held, _logs
from bench.duel import Goal, Numbers, Question, Side

FACTORS, EPOCHS = 64, 30
SAMPLE = 5000  # rows whose lists to judge
K = 20


def prepare(folder: Path) -> None:
    """Write the training part of gowalla."""
    _logs.write(folder, "gowalla")


def judged(folder: Path, x: np.ndarray, y: np.ndarray, bias: np.ndarray) -> float:
    """NDCG@20 on the held-out events of a sample of rows, among all items not in the row; ``x`` has all rows."""
    indptr, items, held_indptr, held_items, _ = _held.parts(folder, "gowalla")
    chosen = np.flatnonzero(np.diff(held_indptr) > 0)
    chosen = np.random.default_rng(1).permutation(chosen)[:SAMPLE]
    lists = np.empty((len(chosen), K), dtype=np.int64)
    for at, row in enumerate(chosen):
        scores = y @ x[row] + bias
        scores[items[indptr[row] : indptr[row + 1]]] = -np.inf
        best = np.argpartition(-scores, K)[:K]
        lists[at] = best[np.argsort(-scores[best], kind="stable")]
    return _held.ndcg(lists, held_indptr, held_items, chosen)


def ours(folder: Path) -> Numbers:
    """Learn row vectors as implicit does. Ours keeps no row vectors, so rows are then folded in."""
    from penchant import BPR
    from penchant.core.histories import Histories
    from penchant.core.run import Run

    indptr, items, _, _, n_items = _held.parts(folder, "gowalla")
    train, told = Histories(indptr, items, n_items), [0.0]
    model = BPR(factors=FACTORS, epochs=EPOCHS, form="vectors")
    model.fit(train, run=Run(progress=lambda *_: told.append(time.perf_counter())))
    assert model.item_bias is not None
    return {
        "seconds": statistics.median(np.diff(told)[1:]),
        "ndcg": judged(folder, model.embed(train), model.item_vectors, model.item_bias),
    }


def implicit(folder: Path) -> Numbers:
    """Its defaults: a learning rate of 0.01, verified negatives, and its own vectors for the training rows."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from scipy.sparse import csr_matrix

    indptr, items, _, _, n_items = _held.parts(folder, "gowalla")
    log = csr_matrix((np.ones(len(items), np.float32), items, indptr), shape=(len(indptr) - 1, n_items))
    told = [0.0]
    model = BayesianPersonalizedRanking(FACTORS, iterations=EPOCHS, num_threads=0, random_state=0)
    model.fit(log, show_progress=False, callback=lambda *_: told.append(time.perf_counter()))
    x, y = np.asarray(model.user_factors), np.asarray(model.item_factors)  # last column: bias in y, one in x
    return {
        "seconds": statistics.median(np.diff(told)[1:]),
        "ndcg": judged(folder, x, y, np.zeros(n_items, np.float32)),
    }


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: each epoch 1.5 times as fast, with lists no worse after the same number of epochs."""
    return [
        Goal("times faster than implicit", theirs["seconds"] / mine["seconds"], 1.5, at_least=True),
        Goal("our NDCG@20 over theirs", mine["ndcg"] / theirs["ndcg"], 1.0, at_least=True),
    ]


QUESTION = Question(
    title="An epoch of bpr on gowalla: Penchant and implicit",
    how=f"{FACTORS} factors, defaults otherwise, all cores; the median epoch of {EPOCHS} but the first; NDCG@{K} after "
    f"them on a tenth of the training events, held out; ours with `form=vectors`, rows folded in",
    prepare=prepare,
    judge=judge,
    peer="implicit",
    environment="implicit",
    rounds=3,
)
