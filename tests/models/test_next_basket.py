"""The models of the next basket: habits of a person and of others, and their own rhythm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bench.rhythms import whole_baskets

from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.core.split import Split
from penchant.errors import DataError
from penchant.evaluation.cuts import next_basket
from penchant.evaluation.evaluate import evaluate
from penchant.models.buy_again import BuyAgain
from penchant.models.popular import Popular
from penchant.models.tifu_knn import TIFUKNN

DAY = 86_400


def baskets(rows: list[list[tuple[int, list[int]]]], n_items: int) -> Histories:
    """Histories from lists of (day, items)."""
    return Histories.from_lists(
        [[item for _, items in row for item in items] for row in rows], n_items,
        times=[[DAY * day for day, items in row for _ in items] for row in rows],
    )  # fmt: skip


def test_the_vector_of_habits_is_that_of_the_paper() -> None:
    log = baskets([[(1, [0, 1]), (2, [0]), (3, [2]), (4, [0, 2]), (5, [1])]], 4)
    model = TIFUKNN(group_size=2, basket_decay=0.5, group_decay=0.1, own_share=1.0).fit(log)
    # groups from the newest: {5, 4}, {3, 2}, {1}
    expected = np.zeros(4)
    for items, group, within, size in (
        ([1], 0, 0, 2),
        ([0, 2], 0, 1, 2),
        ([2], 1, 0, 2),
        ([0], 1, 1, 2),
        ([0, 1], 2, 0, 1),
    ):
        for item in items:
            expected[item] += 0.1**group * 0.5**within / size / 3
    np.testing.assert_allclose(model.score(log)[0], expected, rtol=1e-6)


def test_neighbours_are_the_nearest_by_their_vectors() -> None:
    rows = [[(1, [0, 1])], [(1, [0, 2])], [(1, [0]), (2, [3])], [(1, [4])]]
    model = TIFUKNN(neighbourhood=1, own_share=0.0).fit(baskets(rows, 5))
    given = baskets([[(1, [0]), (2, [0])]], 5)
    scores = model.score(given)[0]
    own = TIFUKNN(own_share=1.0).fit(baskets(rows, 5)).score(baskets([*rows, [(1, [0]), (2, [0])]], 5))
    distance = ((own[:3] - own[4]) ** 2).sum(axis=1)
    nearest = np.flatnonzero(distance <= distance.min() * (1 + 1e-6))
    np.testing.assert_allclose(scores, own[nearest].mean(axis=0), rtol=1e-5)


def test_a_twin_is_no_neighbour() -> None:
    log = baskets([[(1, [0]), (2, [1])], [(1, [0]), (2, [1])]], 3)
    model = TIFUKNN(own_share=0.5).fit(log)
    own = TIFUKNN(own_share=1.0).fit(log)
    np.testing.assert_allclose(model.score(log), own.score(log) / 2, rtol=1e-6)


def rhythms(people: int = 400, seed: int = 0) -> Histories:
    """Milk every 3 days, soap every 12 days, and one thing of forty each time that is never taken again."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(people):
        row, milk, soap = [], int(rng.integers(3)), int(rng.integers(12))
        for day in range(60):
            taken = ([0] if day % 3 == milk else []) + ([1] if day % 12 == soap else [])
            if taken:
                row.append((day, [*taken, int(rng.integers(2, 42))]))
        rows.append(row)
    return baskets(rows, 42)


def test_the_own_rhythm_decides() -> None:
    model = BuyAgain().fit(rhythms())
    given = rhythms(50, seed=1)
    moments = given.moments()
    assert moments is not None
    last_soap = np.array(
        [given.times[given.indptr[r] : given.indptr[r + 1]][given.row(r) == 1].max() for r in range(50)]
    )  # type: ignore[index]
    due = model.score(_at(given, last_soap + 12 * DAY))[:, 1]
    early = model.score(_at(given, np.maximum(last_soap + 3 * DAY, moments)))[:, 1]
    sooner = last_soap + 3 * DAY >= moments
    assert sooner.any()
    assert (due[sooner] > 4 * early[sooner]).all()
    once = model.score(given)[:, 2:]
    assert np.median(once) < 0.1  # what is never taken again


def _at(given: Histories, now: np.ndarray) -> Histories:
    return replace(given, now=now)


def at_the_moment(log: Histories) -> Split:
    """The split of next baskets, asked when the next basket was taken."""
    split = next_basket(log)
    moments = log.moments()
    assert moments is not None and split.group is not None
    return replace(split, given=_at(split.given, moments[split.group]))


def test_scores_are_chances() -> None:
    split = at_the_moment(rhythms(800))
    model = BuyAgain().fit(split.train)
    scores = model.score(split.given)
    assert scores.min() >= 0
    held = np.zeros(scores.shape)
    held[split.truth.rows, split.truth.items] = 1
    asked = scores > 0.02
    bands = [asked & (scores >= low) & (scores < high) for low, high in ((0.02, 0.2), (0.2, 0.6), (0.6, 1.5))]
    judged = [part for part in bands if part.sum() > 300]
    assert judged
    for part in judged:
        assert abs(scores[part].mean() - held[part].mean()) < 0.12


def test_the_next_basket_is_found_better_than_by_frequency() -> None:
    frequency = TIFUKNN(own_share=1.0, basket_decay=1.0, group_decay=1.0, group_size=1)
    split = next_basket(whole_baskets(150, days=150, seed=3))
    found = evaluate([split], [Popular(), frequency, BuyAgain()], metrics="recall@10,ndcg@10")
    for name in ("recall@10", "ndcg@10"):
        popular, own, again = (model.metrics[name].mean for model in found.models)
        assert again > 1.1 * own > 1.1 * popular


def test_the_last_basket_is_the_truth() -> None:
    rows = [[(1, [0, 1]), (2, [2]), (4, [0, 3])], [(1, [0]), (2, [1])]]
    split = next_basket(baskets(rows, 5))
    assert [sorted(split.truth.row(r).tolist()) for r in range(len(split))] == [[0, 3]]
    assert split.given.row(0).tolist() == [0, 1, 2]
    assert [split.train.row(r).tolist() for r in range(len(split.train))] == [[0, 1], [0, 1]]
    assert split.valid is not None and split.valid.truth.row(0).tolist() == [2]
    assert split.repeat
    assert next_basket(baskets(rows, 5), repeat=False).truth.row(0).tolist() == [3]
    assert next_basket(baskets(rows, 5), refit=True).train.row(0).tolist() == [0, 1, 2]


def test_a_log_without_baskets_is_refused() -> None:
    with pytest.raises(DataError, match="no times"):
        next_basket(Histories.from_lists([[0, 1, 2]], 3))
    with pytest.raises(DataError, match="no user has three baskets"):
        next_basket(baskets([[(1, [0, 1]), (2, [2])]], 3))


def test_an_unseen_person_is_offered_first_purchases() -> None:
    model = BuyAgain().fit(rhythms())
    found = rank(model, Histories.from_lists([[]], 42), 3)
    assert 1 in found.items[0] and 0 in found.items[0]
