"""Trees from LightGBM's text: the same sums to the bit, the same contributions, and no damaged file."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest

from penchant.errors import FormatError
from penchant.ranking.trees import Trees, parse, trimmed


def table(seed: int = 0, rows: int = 800) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(rows, 6)).astype(np.float32)
    found[:, 1] = rng.integers(0, 4, rows)
    found[rng.random(found.shape) < 0.2] = np.nan
    found[:, 4:] = np.nan_to_num(found[:, 4:])  # two features without missing values
    return found


def trained(objective: str = "regression", rounds: int = 40, **params: Any) -> tuple[Any, np.ndarray]:
    rows = table()
    target = np.nan_to_num(rows[:, 0]) * (rows[:, 1] > 1) + np.isnan(rows[:, 2]) + rows[:, 4] ** 2
    data = lightgbm.Dataset(rows, target)
    if objective == "lambdarank":
        data = lightgbm.Dataset(rows, (target > 1).astype(int), group=[20] * 40)
    given = {"objective": objective, "num_leaves": 15, "verbosity": -1, "num_threads": 1, **params}
    return lightgbm.train(given, data, rounds), rows


def read(booster: Any) -> Trees:
    return parse(trimmed(booster.model_to_string()).encode())


@pytest.mark.parametrize("objective", ["regression", "lambdarank"])
def test_sums_are_those_of_lightgbm_to_the_bit(objective: str) -> None:
    booster, rows = trained(objective)
    trees = read(booster)
    for some in (rows, table(5, 300), rows[:0]):
        np.testing.assert_array_equal(trees.predict(some), booster.predict(some, raw_score=True) if len(some) else [])
    np.testing.assert_array_equal(trees.predict(rows, threads=3), trees.predict(rows))


def test_missing_values_where_training_had_none() -> None:
    booster, rows = trained()
    rows = rows[:100].copy()
    rows[:, 4] = np.nan
    np.testing.assert_array_equal(read(booster).predict(rows), booster.predict(rows, raw_score=True))


@pytest.mark.parametrize("leaves", [2, 15, 63])
def test_contributions_are_exact(leaves: int) -> None:
    booster, rows = trained(num_leaves=leaves, min_data_in_leaf=3)
    trees, some = read(booster), np.concatenate([rows[:40], table(7, 40)])
    found, theirs = trees.contributions(some), booster.predict(some, pred_contrib=True)
    np.testing.assert_allclose(found, theirs[:, :-1], rtol=0, atol=1e-9)
    assert trees.base == pytest.approx(theirs[0, -1], abs=1e-9)
    np.testing.assert_allclose(found.sum(axis=1) + trees.base, trees.predict(some), rtol=0, atol=1e-9)


def test_a_tree_of_one_leaf_counts() -> None:
    rows = table()
    data = lightgbm.Dataset(rows, np.ones(len(rows)))
    booster = lightgbm.train({"objective": "regression", "verbosity": -1}, data, 3)
    trees = read(booster)
    np.testing.assert_array_equal(trees.predict(rows), booster.predict(rows))
    np.testing.assert_array_equal(trees.contributions(rows), 0)
    assert trees.base == pytest.approx(booster.predict(rows)[0])


def test_nothing_but_trees_is_read() -> None:
    text = trimmed(trained(rounds=3)[0].model_to_string())
    assert parse(text.encode()).n_trees == 3
    for old, new in [
        ("tree\n", "forest\n"),
        ("end of trees", ""),
        ("num_class=1", "num_class=2"),
        ("num_cat=0", "num_cat=1"),
        ("is_linear=0", "is_linear=1"),
        ("num_leaves=15", "num_leaves=16"),
        ("num_leaves=15", "num_leaves=65"),
        ("left_child=", "left_child=0 "),
        ("left_child=", "left_child=9"),
        ("split_feature=", "split_feature=7 "),
        ("split_feature=", "split_feature=x "),
        ("decision_type=", "decision_type=1 "),
        ("leaf_value=", "leaf_value=nan "),
        ("leaf_count=", "leaf_count=0 "),
        ("threshold=", "threshold=nan "),
        ("feature_names=Column_0", "feature_names=Column_1"),
        ("max_feature_idx=5", "max_feature_idx=9"),
        ("leaf_value=", "nothing="),
        ("Tree=0\n", "Tree=0\nnum_leaves=15\n"),
        ("Column_0", "Cölumn_0"),
    ]:
        broken = text.replace(old, new, 1)
        assert broken != text, old
        with pytest.raises(FormatError):
            parse(broken.encode())


def test_every_damage_of_a_line_is_refused_or_harmless() -> None:
    """Whatever is cut out, a kernel never leaves its arrays."""
    text, rng = trimmed(trained(rounds=4, num_leaves=7)[0].model_to_string()), np.random.default_rng(3)
    rows, refused = table(1, 20), 0
    for _ in range(300):
        lo = int(rng.integers(0, len(text)))
        broken = text[:lo] + text[lo + int(rng.integers(1, 30)) :]
        try:
            trees = parse(broken.encode())
        except FormatError:
            refused += 1
            continue
        assert np.isfinite(trees.predict(rows)).all()
    assert refused > 100  # gains, weights and the like are not read
