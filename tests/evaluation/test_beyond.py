from __future__ import annotations

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.rank import rank_by_popularity
from penchant.core.split import Split
from penchant.evaluation.beyond import auc, diversity, novelty, rating_errors
from penchant.evaluation.peak_memory import PeakMemory
from penchant.evaluation.protocols import leave_last, random_folds
from tests.evaluation.small_logs import a_market
from tests.evaluation.toy_models import Constant, Follows

TRAIN = Histories.from_lists([[0, 1], [0, 1], [0, 2], [3]], 6)


def test_novelty_by_hand() -> None:
    lists = np.array([[0, 3], [5, -1], [-1, -1]], np.int32)
    values = novelty(lists, TRAIN.counts(), len(TRAIN), 2)
    assert values[0] == pytest.approx((-np.log2(3 / 4) - np.log2(1 / 4)) / 2)
    assert values[1] == pytest.approx(-np.log2(1 / 4)), "what nobody had counts as had by one"
    assert np.isnan(values[2])


def test_diversity_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = np.array([[0, 1, 3], [1, 2, -1], [0, -1, -1]], np.int32)
    expected = [1 - (2 / np.sqrt(3 * 2) + 0 + 0) / 3, 1 - 0.0, np.nan]
    np.testing.assert_allclose(diversity(lists, TRAIN, 3), expected)
    monkeypatch.setattr("penchant.evaluation.beyond.PAIRS_AT_ONCE", 2)
    np.testing.assert_allclose(diversity(lists, TRAIN, 3), expected)
    assert np.isnan(diversity(lists, TRAIN, 1)).all()


def test_diversity_agrees_with_dense_cosines() -> None:
    log = a_market().histories()
    dense = np.zeros((len(log), log.n_items))
    dense[log.rows, log.items] = 1
    cosines = (dense.T @ dense) / np.sqrt(np.outer(dense.sum(0), dense.sum(0)))
    lists = np.array([np.random.default_rng(n).permutation(log.n_items)[:6] for n in range(40)], np.int32)
    upper = np.triu_indices(6, 1)
    expected = [1 - cosines[np.ix_(row, row)][upper].mean() for row in lists]
    np.testing.assert_allclose(diversity(lists, log, 6), expected)


@pytest.mark.parametrize("model", [Follows(), pc.Popular(), pc.Random()])
def test_auc_counts_pairs(model: pc.Model) -> None:
    split = random_folds(a_market(users=60).histories(), 3)[0]
    fitted = model.fit(split.train)
    values = auc(fitted, split)
    popularity_rank = rank_by_popularity(fitted.item_counts)
    scores = fitted.score(split.given)
    for case in range(len(split)):
        order = np.lexsort((popularity_rank, -scores[case]))
        seen, true = set(split.given.row(case)), set(split.truth.row(case))
        ranked = [item for item in order.tolist() if item not in seen]
        pairs = [ranked.index(t) < ranked.index(o) for t in true for o in ranked if o not in true]
        if pairs:
            assert values[case] == pytest.approx(np.mean(pairs))
        else:
            assert np.isnan(values[case])


def test_auc_of_candidates_and_of_what_nobody_knows() -> None:
    given = Histories.from_lists([[4]], 6)
    split = Split(
        "mine", TRAIN, given, Histories.from_lists([[0]], 6), candidates=Histories.from_lists([[0, 3, 1]], 6),
        unknown_truth=np.array([1]),
    )  # fmt: skip
    assert auc(pc.Popular().fit(TRAIN), split)[0] == pytest.approx(1 / 2), "first of three, and one never found"


def test_rating_errors_are_those_of_predict() -> None:
    rated = Histories.from_lists([[0, 1], []], 6, values=[[4, 1], []], values_are="rating")
    given = Histories.from_lists([[2], [3]], 6, values=[[5], [5]], values_are="rating")
    split = Split("mine", given, given, rated)
    errors = rating_errors(Constant(guess=2.0).fit(given), split)
    assert errors is not None
    assert errors[0].tolist() == [5, 0] and errors[1].tolist() == [3, 0] and errors[2].tolist() == [2, 0]
    assert rating_errors(pc.Popular().fit(given), split) is None
    assert rating_errors(Constant().fit(TRAIN), leave_last(a_market().histories())) is None


def test_peak_memory_sees_what_was_held_and_let_go() -> None:
    with PeakMemory() as peak:
        block = np.ones(40_000_000, dtype=np.float64)
        block += 1
        del block
    assert 250 * 2**20 < peak.bytes < 500 * 2**20
    with PeakMemory() as little:
        np.ones(10)
    assert little.bytes < 100 * 2**20
