"""The half-life that training histories tell: its kernels against naive twins, what it finds, and who uses it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.kernels.half_life import count_rows, last_events
from penchant.models.parts import half_life as recency
from penchant.models.parts.half_life import HALF_LIVES, estimate_half_life
from penchant.models.parts.ragged import turned


def random_histories(rows: int = 60, items: int = 25, seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    lists = [rng.permutation(items)[: rng.integers(3, 9)].tolist() for _ in range(rows)]
    return Histories.from_lists(lists, items)


def wandering(rows: int = 600, items: int = 200, step: int = 2, seed: int = 0) -> Histories:
    """Walks around a circle, each event near the one before it: what is long past tells little."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(rows):
        walk = (rng.integers(items) + np.cumsum(rng.integers(1, 2 * step + 8, size=12))) % items
        lists.append(list(dict.fromkeys(walk.tolist())))
    return Histories.from_lists(lists, items)


def test_counts_are_those_of_the_naive_twin() -> None:
    log = random_histories()
    together = np.zeros((25, 25))
    for r in range(len(log)):
        for i in log.row(r):
            for j in log.row(r):
                together[i, j] += i != j
    indptr, holders, _ = turned(log.indptr, log.items, 25)
    wanted = np.array([3, 7, 8, 20], dtype=np.int32)
    popular = np.arange(25) % 3 == 0
    for lo, hi in ((0, 4), (1, 3)):
        sizes, firsts = np.zeros(hi - lo, np.int64), np.zeros(hi - lo, np.int64)
        found, counts = np.empty(100, np.int32), np.empty(100, np.float32)
        used = count_rows(
            lo, hi, wanted, indptr, holders, log.indptr, log.items, popular, sizes, firsts, found, counts
        )  # fmt: skip
        assert used == sizes.sum()
        for n, start in enumerate(np.cumsum(sizes) - sizes):
            first = popular[found[start : start + sizes[n]]]
            np.testing.assert_array_equal(first, np.arange(sizes[n]) < firsts[n])  # popular items come first
        for n, start in zip(range(lo, hi), np.cumsum(sizes) - sizes, strict=True):
            row = np.zeros(25)
            row[found[start : start + sizes[n - lo]]] = counts[start : start + sizes[n - lo]]
            np.testing.assert_array_equal(row, together[wanted[n]])


def naive_gain(log: Histories, r: int, life: float, k: int) -> float:
    """Counts without the history for its own last item, cosine, sum with decay, rank."""
    row, n = log.row(r), log.n_items
    held = np.zeros((len(log), n))
    for u in range(len(log)):
        held[u, log.row(u)] = 1
    root = 1 / np.sqrt(np.maximum(held.sum(axis=0), 1))
    score = np.zeros(n)
    for age, item in enumerate(row[:-1][::-1]):
        common = held[held[:, item] > 0].sum(axis=0)
        common[row[-1]] -= 1
        score += (0.5 ** (age / life) if life else 1.0) * common * root[item] * root
    score[row[:-1]] = -1
    true = score[row[-1]]
    rank = int((np.delete(score, row[-1]) > true + 1e-12).sum())
    return 1 / np.log2(rank + 2) if rank < k and true > 1e-12 else 0.0


def drifting(rows: int = 120, items: int = 300, seed: int = 0) -> Histories:
    """Long histories over more items than are counted first, each near the one before or anywhere among the popular."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(rows):
        near = (rng.integers(items) + np.cumsum(rng.integers(1, 9, size=60))) % items
        walk = np.where(rng.random(60) < 0.5, near, (items * rng.random(60) ** 3).astype(np.int64))
        lists.append(list(dict.fromkeys(walk.tolist()))[: rng.integers(3, 50)])
    return Histories.from_lists(lists, items)


@pytest.mark.parametrize("log", [random_histories(), drifting()], ids=["short", "long"])
def test_gains_are_those_of_the_naive_twin(log: Histories) -> None:
    rows = np.arange(0, 60, 3)
    for threads in (1, 2):
        gains = recency._gains(log, rows, Run(threads=threads))
        for n, r in enumerate(rows):
            for column, life in enumerate(HALF_LIVES):
                assert gains[n, column] == pytest.approx(naive_gain(log, int(r), life, recency.LIST)), (r, life)


def test_one_block_after_another_is_all_at_once() -> None:
    log = random_histories()
    place, n = np.arange(25, dtype=np.int32), 25
    indptr, holders, _ = turned(log.indptr, log.items, n)
    sizes, firsts = np.zeros(n, np.int64), np.zeros(n, np.int64)
    found, counts = np.empty(n * n, np.int32), np.empty(n * n, np.float32)
    count_rows(
        0, n, place, indptr, holders, log.indptr, log.items, np.arange(n) < 5, sizes, firsts, found, counts
    )  # fmt: skip
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows, root, decay = np.arange(60), np.diff(indptr) ** -0.5, np.ones((12, 4))
    rest = np.arange(12.0, -1, -1)[:, None] * np.ones(4)
    whole, parts = np.zeros((60, 2)), np.zeros((60, 2))
    tail = (rows, log.indptr, log.items, place, starts, starts[:-1] + firsts, found, counts, root, decay, rest, 5)
    last_events(0, 60, *tail, whole)
    last_events(0, 31, *tail, parts)
    last_events(31, 60, *tail, parts)
    np.testing.assert_array_equal(whole, parts)


def test_it_finds_that_the_past_fades_and_that_it_does_not() -> None:
    found, said = estimate_half_life(wandering(), Run())
    assert 0 < found <= 5
    assert f"half_life {found:g}" in said
    rng = np.random.default_rng(1)
    shuffled = Histories.from_lists([rng.permutation(row).tolist() for row in map(wandering().row, range(600))], 200)
    assert estimate_half_life(shuffled, Run())[0] == 0
    assert "no half-life" in estimate_half_life(shuffled, Run())[1]


def test_nothing_is_estimated_without_order_or_from_little() -> None:
    assert estimate_half_life(replace(wandering(), ordered=False), Run()) == (0.0, "")
    assert estimate_half_life(wandering(rows=150), Run()) == (None, "")
    assert pc.ItemKNN().fit(wandering(rows=150)).recency == [0]
    assert pc.Transitions().fit(wandering(rows=150)).recency == [pc.Transitions.usual_half_life] != [0]
    assert estimate_half_life(wandering(), Run(seed=1, threads=1)) == estimate_half_life(wandering(), Run(seed=1))


@pytest.mark.parametrize(
    "model", [pc.ItemKNN(), pc.EASE(), pc.RP3beta(), pc.GraphFilter(rank=8), pc.PureSVD(factors=8)]
)
def test_scores_are_those_of_the_half_life_that_was_found(model: pc.Model) -> None:
    log = wandering()
    model.fit(log)
    (found,) = model.recency  # type: ignore[attr-defined]
    assert found > 0
    assert any("half_life" in note for note in model.notes)
    said = replace(model, half_life=float(found)).fit(log)  # type: ignore[call-arg]
    assert said.recency is None  # type: ignore[attr-defined]
    np.testing.assert_array_equal(model.score(log[:20]), said.score(log[:20]))
    assert np.abs(model.score(log[:20]) - replace(model, half_life=None).fit(log).score(log[:20])).max() > 0  # type: ignore[call-arg]


def test_where_updates_are_exact_there_is_none() -> None:
    model = pc.ItemKNN().fit(wandering(), updatable=True)
    assert model.recency is None
    assert [note.split(":")[0] for note in model.notes] == ["candidate_exponent 0.31", "no half_life"]
    plain = replace(model, half_life=None, candidate_exponent=0.2 + 0.35 * np.log10(2)).fit(wandering())
    np.testing.assert_array_equal(model.score(wandering()[:9]), plain.score(wandering()[:9]))


def test_a_log_says_whether_it_has_an_order() -> None:
    rows = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"]})
    assert not pc.read_interactions(rows).histories().ordered
    assert pc.read_interactions(rows.with_columns(timestamp=pl.Series([1, 2, 3]))).histories().ordered
    placed = pc.read_interactions(rows.with_columns(position=pl.Series([1, 2, 1]))).histories()
    assert placed[1:].positives().newest(1).ordered


def test_models_on_the_same_histories_share_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    log, seeds = wandering(), []
    judged = recency._gains
    monkeypatch.setattr(recency, "_gains", lambda *given: seeds.append(given[2].seed) or judged(*given))
    first = estimate_half_life(log, Run())
    assert estimate_half_life(log, Run(threads=1)) == first
    estimate_half_life(log, Run(seed=5))
    assert estimate_half_life(wandering(), Run()) == first
    assert seeds == [0, 5, 0]
