"""Cosine item neighbourhoods and the lists from them, compared with several peers on several logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.contenders import _logs
from bench.duel import WORK, Arrays, Goal, Numbers, Question, Side

NEIGHBOURS, K = 100, 20
EQUAL = 1e-4  # the allowed difference between float32 sums of ten thousand terms
PLAIN = {"user_exponent": 0.0, "history_exponent": 0.5, "candidate_exponent": 0.5, "shrink": 0.0, "half_life": None}
WARM = 2000  # rows of a small warm-up call, which loads the compiled kernels
ROWS = 3000  # lists to compare
PARTS = ("neighbours", "lists")

Log = tuple[np.ndarray, np.ndarray, int]
# from a log to the seconds of both parts, and the neighbours and lists as arrays
Work = Callable[[Path, str], tuple[dict[str, float], Any, np.ndarray]]


def sample(rows: int) -> np.ndarray:
    """The rows whose lists to compare."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:ROWS])


def model() -> Any:
    """The standard cosine over all events."""
    from penchant import ItemKNN

    return ItemKNN(neighbours=NEIGHBOURS, max_history=None, **PLAIN)


def ours(folder: Path, name: str, *, repeat: bool = False) -> tuple[dict[str, float], Any, np.ndarray]:
    """Fit and rank; with ``repeat``, seen items stay in the lists."""
    from penchant import rank
    from penchant.core.histories import Histories

    log = _logs.read(folder, name)
    small = Histories(*log)[:WARM]
    rank(model().fit(small), small, K, repeat=repeat)
    train = Histories(*log)  # a new batch, so that values it has already cached do not help
    start = time.perf_counter()
    fitted = model().fit(train)
    fit = time.perf_counter() - start
    start = time.perf_counter()
    lists = rank(fitted, train, K, repeat=repeat)
    return {"neighbours": fit, "lists": time.perf_counter() - start}, fitted.weights, lists.scores


def implicit(folder: Path, name: str) -> tuple[dict[str, float], Any, np.ndarray]:
    """Its cosine and its batch call. It gets one extra neighbour, because it counts the item itself."""
    from implicit.nearest_neighbours import CosineRecommender

    log = _logs.matrix(folder, name)
    fitted = CosineRecommender(K=NEIGHBOURS + 1, num_threads=0)
    start = time.perf_counter()
    fitted.fit(log, show_progress=False)
    fit = time.perf_counter() - start
    rows = np.arange(log.shape[0])
    fitted.recommend(rows[:WARM], log[:WARM], N=K)
    start = time.perf_counter()
    _, scores = fitted.recommend(rows, log, N=K, filter_already_liked_items=True)
    return {"neighbours": fit, "lists": time.perf_counter() - start}, fitted.similarity, scores


def scaled(log: Any) -> Any:
    """The log with columns of unit length, so that peers that only multiply matrices get the cosine as a product."""
    from scipy.sparse import diags_array

    counts = np.maximum(np.asarray(log.sum(axis=0)).ravel(), 1)
    return (log @ diags_array((counts**-0.5).astype(np.float32))).tocsr()


def sparse_dot_topn(folder: Path, name: str) -> tuple[dict[str, float], Any, np.ndarray]:
    """Two products that keep the largest values of every row. SciPy does the scaling. It cannot exclude seen items."""
    from sparse_dot_topn import sp_matmul_topn

    from bench.machine import cores

    log = _logs.matrix(folder, name)
    start = time.perf_counter()
    unit = scaled(log)
    near = sp_matmul_topn(unit.T.tocsr(), unit, top_n=NEIGHBOURS + 1, sort=True, n_threads=cores())
    fit = time.perf_counter() - start
    near.setdiag(0)  # the item itself
    near.eliminate_zeros()
    start = time.perf_counter()
    lists = sp_matmul_topn(log, near, top_n=K, sort=True, n_threads=cores())
    seconds = time.perf_counter() - start
    filled = np.arange(K) < np.diff(lists.indptr)[:, None]
    scores = np.zeros(filled.shape, np.float32)
    scores[filled] = lists.data
    return {"neighbours": fit, "lists": seconds}, near, scores


def rusket(folder: Path, name: str) -> tuple[dict[str, float], Any, np.ndarray]:
    """Its own cosine scales rows, not items, so SciPy scales the items here and it uses ``method="count"``.

    It makes lists for one row at a time, and only for the fitted rows. Those are scaled, so its scores are weighted
    sums.
    """
    from rusket import ItemKNN
    from scipy.sparse import csr_matrix

    log = _logs.matrix(folder, name)
    start = time.perf_counter()
    fitted = ItemKNN(method="count", k=NEIGHBOURS).fit(scaled(log))
    fit = time.perf_counter() - start
    scores = np.zeros((log.shape[0], K), np.float32)
    start = time.perf_counter()
    for row in range(log.shape[0]):
        best = fitted.recommend_items(row, K)[1]
        scores[row, : len(best)] = best
    seconds = time.perf_counter() - start
    shape = (log.shape[1],) * 2
    near = csr_matrix((fitted.w_data, fitted.w_indices, fitted.w_indptr), shape=shape)
    return {"neighbours": fit, "lists": seconds}, near, scores


def measure(work: Work, folder: Path, names: tuple[str, ...]) -> Numbers:
    """The seconds of both parts for every log, with their results."""
    numbers: Numbers = {"seconds": 0.0}
    for name in names:
        seconds, near, scores = work(folder, name)
        for part in PARTS:
            numbers[f"{name}, {part}: seconds"] = seconds[part]
            numbers["seconds"] += seconds[part]
        numbers |= {f"{name} {key}": getattr(near, key) for key in ("indptr", "indices", "data")}
        numbers[f"{name} scores"] = scores[sample(len(scores))]
    return numbers


def neighbours(arrays: Arrays, name: str, item: int) -> tuple[np.ndarray, np.ndarray]:
    """The neighbours of one item and their similarities, best first, excluding the item itself."""
    span = slice(*arrays[f"{name} indptr"][item : item + 2])
    items, values = arrays[f"{name} indices"][span], arrays[f"{name} data"][span]
    keep = (items != item) & (values > 0)
    items, values = items[keep], values[keep]
    order = np.argsort(-values, kind="stable")[:NEIGHBOURS]
    return items[order], values[order]


def compare(mine: Arrays, theirs: Arrays, name: str) -> tuple[float, int]:
    """The largest difference between sorted similarities, and how many sure neighbours only one side has.

    A neighbour is sure when its similarity exceeds the last one kept by more than float32 rounding.
    """
    gap, missing = 0.0, 0
    for item in range(len(mine[f"{name} indptr"]) - 1):
        (a, x), (b, y) = neighbours(mine, name, item), neighbours(theirs, name, item)
        if len(a) != len(b):
            missing += abs(len(a) - len(b))
            continue
        if len(a) == 0:
            continue
        gap = max(gap, float(np.abs(x - y).max()))
        full = len(a) == NEIGHBOURS
        sure_a, sure_b = (a[x > x[-1] + EQUAL], b[y > y[-1] + EQUAL]) if full else (a, b)
        missing += int((~np.isin(sure_a, b)).sum() + (~np.isin(sure_b, a)).sum())
    return gap, missing


def same_lists(folder: Path, theirs: Arrays, name: str, peer: str) -> float:
    """The share of the peer's lists whose scores equal ours when we rank with the peer's neighbours.

    When many items tie for the last neighbour, the two sides may keep different ones. Lists are comparable only
    when both come from the same neighbours.
    """
    from penchant import rank
    from penchant.core.histories import Histories
    from penchant.models.parts.weights import Weights

    indptr, items, n_items = _logs.read(folder, name)
    counts = np.maximum(np.bincount(items, minlength=n_items), 1)
    values = (counts[items] ** -0.5).astype(np.float32) if peer == "rusket" else None
    kind = "none" if values is None else "weight"
    given = Histories(indptr, items, n_items, values, values_are=kind)[sample(len(indptr) - 1)]
    fitted = model().fit(given)
    near = [theirs[f"{name} {key}"] for key in ("indptr", "indices", "data")]
    fitted.weights = Weights(
        *(part.astype(of) for part, of in zip(near, (np.int64, np.int32, np.float32), strict=True))
    )
    a, b = rank(fitted, given, K, repeat=peer == "sparse_dot_topn").scores, theirs[f"{name} scores"]
    return float(np.isclose(np.where(a > 0, a, 0), np.where(b > 0, b, 0), rtol=1e-5, atol=1e-5).all(axis=1).mean())


def question(peer: str, names: tuple[str, ...], contender: str, rounds: int) -> Question:
    """Goal: three times as fast, with the same neighbours and the same lists."""
    called = peer.replace("_", "-")

    def prepare(folder: Path) -> None:
        for name in names:
            _logs.write(folder, name)

    def judge(mine: Side, theirs: Side) -> list[Goal]:
        goals = []
        for name in names:
            for part in (*PARTS, "both"):
                took = [
                    sum(side[f"{name}, {one}: seconds"] for one in PARTS if part in (one, "both"))
                    for side in (theirs, mine)
                ]
                goals.append(Goal(f"{name}, {part}: times faster than {called}", took[0] / took[1], 3.0, at_least=True))
            gap, missing = compare(mine.arrays, theirs.arrays, name)
            same = same_lists(WORK / contender, theirs.arrays, name, peer)
            goals += [
                Goal(f"{name}: largest difference between sorted similarities", gap, EQUAL, at_least=False),
                Goal(f"{name}: sure neighbours that only one side has", missing, 0, at_least=False),
                Goal(f"{name}: share of lists with the same scores from the same neighbours", same, 1.0, at_least=True),
            ]
        return goals

    how = {
        "implicit": "CosineRecommender keeps 101, as it counts the item itself; seen items are left out of the lists",
        "sparse_dot_topn": "SciPy scales the log for it, which is counted; it keeps 101, and neither side leaves seen "
        "items out of the lists, which it cannot",
        "rusket": "SciPy scales the log for it, which is counted: its own cosine scales users; lists by one call a "
        "user, as it has no other, of scaled histories; seen items are left out",
    }  # fmt: skip
    return Question(
        title=f"Cosine of items, {NEIGHBOURS} neighbours, and top {K} for every user, {' and '.join(names)}: "
        f"Penchant and {called}",
        how=f"from the log to the neighbours, then lists for all, on all cores after small first calls; {how[peer]}",
        prepare=prepare,
        judge=judge,
        peer=peer,
        environment=called,
        rounds=rounds,
    )
