"""An epoch of Bayesian personalised ranking on gowalla: Penchant and implicit."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from bench.contenders import _logs
from bench.duel import Goal, Numbers, Question, Side

FACTORS, EPOCHS = 64, 30
HELD = 0.1  # share of the training events that the lists are judged by
SAMPLE = 5000  # rows whose lists are judged
K = 20


def prepare(folder: Path) -> None:
    """The training part of gowalla."""
    _logs.write(folder, "gowalla")


def parts(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Row bounds and items of what is learned from, the same of what is held out, and how many items there are."""
    indptr, items, n_items = _logs.read(folder, "gowalla")
    held = np.random.default_rng(0).random(len(items)) < HELD
    before = np.append(0, np.cumsum(held))[indptr]
    return indptr - before, items[~held], before, items[held], n_items


def ndcg(folder: Path, x: np.ndarray, y: np.ndarray, bias: np.ndarray) -> float:
    """NDCG@20 on the held out events of a sample of rows, among all items that a row has not; ``x``: all rows."""
    indptr, items, held_indptr, held_items, _ = parts(folder)
    discount = 1 / np.log2(np.arange(K) + 2)
    chosen = np.flatnonzero(np.diff(held_indptr) > 0)
    chosen = np.random.default_rng(1).permutation(chosen)[:SAMPLE]
    total = 0.0
    for row in chosen:
        scores = y @ x[row] + bias
        scores[items[indptr[row] : indptr[row + 1]]] = -np.inf
        best = np.argpartition(-scores, K)[:K]
        best = best[np.argsort(-scores[best], kind="stable")]
        truth = held_items[held_indptr[row] : held_indptr[row + 1]]
        total += float(discount[np.isin(best, truth)].sum() / discount[: len(truth)].sum())
    return total / len(chosen)


def ours(folder: Path) -> Numbers:
    """Vectors learned for rows as implicit does; rows are then folded in, as ours keeps none of them."""
    from penchant import BPR
    from penchant.histories import Histories
    from penchant.models.base import Run

    indptr, items, _, _, n_items = parts(folder)
    train, told = Histories(indptr, items, n_items), [0.0]
    model = BPR(factors=FACTORS, epochs=EPOCHS, form="vectors")
    model.fit(train, run=Run(progress=lambda *_: told.append(time.perf_counter())))
    assert model.item_bias is not None
    return {
        "seconds": statistics.median(np.diff(told)[1:]),
        "ndcg": ndcg(folder, model.embed(train), model.item_vectors, model.item_bias),
    }


def implicit(folder: Path) -> Numbers:
    """Its defaults: a rate of 0.01, verified negatives, and its own vectors of the training rows."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from scipy.sparse import csr_matrix

    indptr, items, _, _, n_items = parts(folder)
    log = csr_matrix((np.ones(len(items), np.float32), items, indptr), shape=(len(indptr) - 1, n_items))
    told = [0.0]
    model = BayesianPersonalizedRanking(FACTORS, iterations=EPOCHS, num_threads=0, random_state=0)
    model.fit(log, show_progress=False, callback=lambda *_: told.append(time.perf_counter()))
    x, y = np.asarray(model.user_factors), np.asarray(model.item_factors)  # the last of y's is a bias, of x's it is one
    return {"seconds": statistics.median(np.diff(told)[1:]), "ndcg": ndcg(folder, x, y, np.zeros(n_items, np.float32))}


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """One and a half times as fast an epoch, at lists no worse after as many."""
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
