"""What members say together, and how many trees are kept."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.run import Run
from penchant.ranking.booster import boost
from penchant.ranking.lead import conditional_logit, lead_columns, together
from penchant.ranking.trees import parse


def made_up(questions: int, size: int, weights: list[float], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Answers drawn with probabilities that follow from the weights of the first columns; the last column is noise."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(questions * size, len(weights) + 1)).astype(np.float32)
    worth = (table[:, :-1] @ np.array(weights)).reshape(questions, size) + rng.gumbel(size=(questions, size))
    target = np.zeros((questions, size), np.float32)
    target[np.arange(questions), worth.argmax(axis=1)] = 1
    return table, target.ravel(), np.full(questions, size)


def test_the_weights_are_those_that_the_answers_were_drawn_with() -> None:
    table, target, group = made_up(4000, 8, [2.0, -1.0, 0.0])
    columns = lead_columns(["member.0.score", "member.0.rank", "member.1.score", "item.trend"])
    np.testing.assert_allclose(conditional_logit(table, columns, target, group), [2, -1, 0], atol=0.12)
    table[::3, 1] = np.nan
    assert np.isfinite(together(table, columns, conditional_logit(table, columns, target, group))).all()


def test_questions_without_an_answer_and_constant_members_change_nothing() -> None:
    table, target, group = made_up(500, 6, [1.5])
    more = np.concatenate([table, table[:6]]), np.concatenate([target, np.zeros(6, np.float32)]), np.append(group, 6)
    one, two = (conditional_logit(t, np.array([0]), y, g) for t, y, g in ((table, target, group), more))
    np.testing.assert_allclose(one, two, atol=1e-4)
    table[:, 1] = 7
    assert conditional_logit(table, np.array([0, 1]), target, group)[1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("useful", [True, False])
def test_trees_are_kept_where_they_help(useful: bool) -> None:
    table, target, group = made_up(1500, 8, [2.0, 2.0])
    start = table[:, :1].astype(np.float64) * 2 + (0 if useful else table[:, 1:2].astype(np.float64) * 2)
    text = boost(
        table, target, ["a", "b", "c"], objective="lambdarank", trees=40, leaves=8, rate=0.1, min_rows=20, reg=1.0,
        share=1.0, run=Run(threads=1), group=group, start=start.ravel(), choose=True,
    )  # fmt: skip
    kept = parse(text).n_trees
    assert kept >= 20 if useful else kept == 0
