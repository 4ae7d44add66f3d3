"""The bias model: its closed form, and what it does where nothing is known."""

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.errors import DataError
from penchant.models.bias import Bias
from penchant.models.parts.rating_baseline import Baseline


def ratings(seed: int = 0, rows: int = 80, n_items: int = 17) -> tuple[Histories, np.ndarray, np.ndarray]:
    """Ratings that are a sum of an item's and a person's habit and a little noise."""
    rng = np.random.default_rng(seed)
    item, person = rng.normal(size=n_items) * 0.6, rng.normal(size=rows) * 0.5
    lists = [[int(i) for i in rng.permutation(n_items)[: rng.integers(3, 12)]] for _ in range(rows)]
    values = [[float(3 + item[i] + person[r] + rng.normal() * 0.05) for i in row] for r, row in enumerate(lists)]
    return Histories.from_lists(lists, n_items, values=values, values_are="rating"), item, person


def test_minimises_its_objective() -> None:
    train, _, _ = ratings()
    baseline = Baseline.fit(train, user_damping=3.0, item_damping=2.0)
    mean, rows, items = train.values.mean(), train.rows, train.items
    # ridge regression on indicator columns is the same problem in one solve
    a = np.zeros((len(items), len(train) + train.n_items))
    a[np.arange(len(items)), rows] = 1
    a[np.arange(len(items)), len(train) + items] = 1
    penalty = np.diag([3.0] * len(train) + [2.0] * train.n_items)
    solution = np.linalg.solve(a.T @ a + penalty, a.T @ (train.values - mean))
    np.testing.assert_allclose(baseline.item_bias, solution[len(train) :], atol=2e-3)
    np.testing.assert_allclose(baseline.history_bias(train), solution[: len(train)], atol=2e-3)


def test_recovers_what_people_and_items_are_like() -> None:
    train, item, _ = ratings()
    model = Bias(user_damping=0.1, item_damping=0.1).fit(train)
    assert np.corrcoef(model.baseline.item_bias, item)[0, 1] > 0.99
    other, _, _ = ratings(seed=0, rows=80)
    predicted = model.predict(other, other)
    assert np.sqrt(np.mean((predicted - other.values) ** 2)) < 0.1


def test_the_unknown_gets_what_is_known_without_it() -> None:
    train, _, _ = ratings()
    grown = Histories(train.indptr, train.items, 19, train.values, "rating")
    model = Bias().fit(grown)
    asked = Histories.from_lists([[0, 18], [18]], 19)
    given = Histories.from_lists([[], [1]], 19, values=[[], [5.0]], values_are="rating")
    predicted = model.predict(given, asked)
    mean = float(train.values.mean())
    assert predicted[0] == pytest.approx(mean + model.baseline.item_bias[0], abs=1e-5)
    assert predicted[1] == pytest.approx(mean, abs=1e-5)
    assert predicted[2] > mean  # a generous history


def test_predictions_stay_on_the_scale() -> None:
    train = Histories.from_lists([[0, 1], [0], [1]], 3, values=[[5.0, 1.0], [5.0], [1.0]], values_are="rating")
    model = Bias(user_damping=0.0, item_damping=0.0).fit(train)
    given = Histories.from_lists([[1]], 3, values=[[5.0]], values_are="rating")
    assert model.predict(given, Histories.from_lists([[0, 1]], 3)).max() == 5.0


def test_the_last_rating_of_an_item_counts() -> None:
    twice = Histories.from_lists([[0, 1, 0]], 2, values=[[1.0, 3.0, 5.0]], values_are="rating")
    once = Histories.from_lists([[1, 0]], 2, values=[[3.0, 5.0]], values_are="rating")
    one, two = (Bias().fit(h).baseline for h in (twice, once))
    np.testing.assert_array_equal(one.item_bias, two.item_bias)


def test_a_log_without_ratings_is_refused() -> None:
    with pytest.raises(DataError, match="needs ratings"):
        Bias().fit(Histories.from_lists([[0, 1]], 2))
