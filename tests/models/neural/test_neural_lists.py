"""Lists of neural models over very many items: the coarse pass of all vector models, and the same lists as without."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Floats
from penchant.core.rank import rank
from penchant.models.kinds import vector
from penchant.models.kinds.vector import COARSE_ITEMS, VectorModel
from penchant.models.neural.kinds.base import NeuralModel
from tests.models.neural.small_logs_of_walks import NAMES, asked, fitted, walks

PRODUCTS = [name for name in NAMES if name != "neu-mf"]


def grown(name: str) -> NeuralModel:
    """A small network over as many items as start the coarse pass: its tables continue with random rows."""
    model, rng = fitted(name, walks(20)), np.random.default_rng(0)

    def longer(table: Floats) -> Floats:
        more = rng.standard_normal((COARSE_ITEMS - len(table), *table.shape[1:]), dtype=np.float32)
        return np.concatenate([table, more * table.std()])

    model.item_vectors = longer(model.item_vectors)
    model.item_counts = np.concatenate([model.item_counts, rng.integers(1, 9, COARSE_ITEMS - len(model.item_counts))])
    model.item_bias = None if model.item_bias is None else longer(model.item_bias)
    model.input_vectors = None if model.input_vectors is None else longer(model.input_vectors)
    return model


@pytest.mark.parametrize("name", PRODUCTS)
def test_lists_over_many_items_take_the_coarse_pass_and_are_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = grown(name)
    given = asked(model, [[3, 5, 7], [2, 9], [11, 13, 15, 17]])
    monkeypatch.setattr(vector, "COARSE_ITEMS", COARSE_ITEMS + 1)
    exact, spread = rank(model, given, 11), np.ptp(model.score(given), axis=1)
    monkeypatch.undo()
    monkeypatch.setattr(VectorModel, "score_vectors", refuse)
    ours = rank(model, given, 11)
    for r in range(len(given)):
        assert np.abs(ours.scores[r] - exact.scores[r]).max() < 1e-5 * spread[r]
        apart = np.abs(np.diff(exact.scores[r])) > 2e-5 * spread[r]
        clear = np.append(True, apart)[:-1] & apart  # neither the one before nor the one after has the same score
        assert clear.sum() > 5
        np.testing.assert_array_equal(ours.items[r, :-1][clear], exact.items[r, :-1][clear])


def refuse(*_: object) -> Floats:
    raise AssertionError("all items were scored")


def test_a_network_over_pairs_of_history_and_item_scores_every_item() -> None:
    model = fitted("neu-mf", walks(20))
    given = asked(model, [[3, 5, 7]])
    scores = model.score(given)[0]
    scores[[3, 5, 7]] = -np.inf
    np.testing.assert_array_equal(rank(model, given, 5).items[0], np.argsort(-scores)[:5])
