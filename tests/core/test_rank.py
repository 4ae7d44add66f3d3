"""The one door from scores to lists: NaN is refused by name and row, and candidates are ranked as masks would."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.rank import Scored, rank
from penchant.errors import ScoreError
from penchant.models.registry import create
from tests.evaluation.toy_models import Broken

N_ITEMS = 40


def some_histories(rows: int = 150, *, dislikes: bool = False) -> Histories:
    rng = np.random.default_rng(4)
    lists = [rng.choice(N_ITEMS, size=rng.integers(1, 9), replace=False).tolist() for _ in range(rows)]
    if not dislikes:
        return Histories.from_lists(lists, N_ITEMS)
    values = [rng.choice([-1.0, 1.0, 2.0], size=len(row)).tolist() for row in lists]
    return Histories.from_lists(lists, N_ITEMS, values=values, values_are="weight")


@pytest.mark.parametrize("rows", [1, 2, 150])
@pytest.mark.parametrize("limited", [False, True])
def test_a_nan_score_is_an_error_that_names_model_and_row(rows: int, limited: bool) -> None:
    given = Histories.from_lists([[1, 2]] * (rows - 1) + [[1, 7]], N_ITEMS)
    model = Broken(at=7).fit(given)
    candidates = Histories.from_lists([[3, 5]] * rows, N_ITEMS) if limited else None
    with pytest.raises(ScoreError, match=rf"^broken: its scores of history {rows - 1} \(counted from 0\)") as caught:
        rank(model, given, 5, candidates=candidates)
    assert (caught.value.model, caught.value.row) == ("broken", rows - 1)
    fine = rank(Broken(at=30).fit(given), given, 5, candidates=candidates)
    assert not np.isnan(fine.scores).any()


def test_a_nan_behind_many_better_items_is_found_as_well() -> None:
    """The list is full of better items before the NaN is reached."""
    given = Histories.from_lists([[0], [0]], N_ITEMS)
    model = Broken(at=0).fit(Histories.from_lists([[0, 1, 2]] * 9, N_ITEMS))
    with pytest.raises(ScoreError, match="history 0"):
        rank(model, given, 2)


@pytest.mark.parametrize("model", ["popular", "item-knn", "ease", "als", "transitions"])
@pytest.mark.parametrize("dislikes", [False, True])
def test_candidates_are_ranked_as_one_mask_a_row_would(model: str, dislikes: bool) -> None:
    given = some_histories(dislikes=dislikes)
    fitted = create(model).fit(given)
    rng = np.random.default_rng(1)
    lists = [rng.choice(N_ITEMS, size=rng.integers(0, 15)).tolist() for _ in range(len(given))]  # some twice
    allow = rng.random(N_ITEMS) < 0.8
    found = rank(fitted, given, 6, candidates=Histories.from_lists(lists, N_ITEMS), allow=allow)
    for r, row in enumerate(lists):
        only = np.zeros(N_ITEMS, dtype=np.bool_)
        only[row] = True
        alone = rank(fitted, given[r : r + 1], 6, allow=only & allow)
        assert found.items[r].tolist() == alone.items[0].tolist()
        np.testing.assert_allclose(found.scores[r], alone.scores[0], rtol=1e-5, atol=1e-5)


def test_known_scores_are_ranked_among_the_candidates_only():
    scored = Scored(np.array([[4.0, 3.0, 2.0, 1.0]], dtype=np.float32), np.ones(4, dtype=np.int64), "known")
    given = Histories.from_lists([[]], 4)
    ranked = rank(scored, given, 2, candidates=Histories.from_lists([[3, 2]], 4))
    assert ranked.items.tolist() == [[2, 3]]
