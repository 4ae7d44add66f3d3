"""Odd logs and odd requests, all neural models: a sane result, or one clear sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.errors import DataError, ParameterError
from tests.models.neural.small_logs_of_walks import ITEMS, NAMES, ONE, asked, fitted, small, walks

LONG = [int(item) for item in np.arange(10_000) % ITEMS]


@pytest.mark.parametrize(
    "rows",
    [
        [[3]],
        [[3, 3, 3, 3]],
        [[1, 2, 3, 4]],
        [[1, 2, 3]] * 5,
        [[], [4]],
        [LONG],
        [[0, 1], [1, 0]],
    ],
    ids=[
        "one event",
        "one item again and again",
        "one user",
        "all equal",
        "empty and one",
        "10,000 events",
        "two users",
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_odd_logs_give_sane_models(name: str, rows: list[list[int]]) -> None:
    model = fitted(name, Histories.from_lists(rows, ITEMS), epochs=1, patience=2)
    scores = model.score(asked(model, [[], [2], LONG]))
    assert scores.shape == (3, ITEMS) and np.isfinite(scores).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "history-classifier"])
@pytest.mark.parametrize("loss", ["softmax", "sampled-softmax", "gbce", "bpr"])
def test_a_catalogue_of_one_item(name: str, loss: str) -> None:
    params = {"loss": loss} if "loss" in small(name).params() and name != "neu-mf" else {}
    model = fitted(name, Histories.from_lists([[0, 0, 0], [0]], 1), epochs=1, **params)
    assert np.isfinite(model.score(asked(model, [[], [0], [0] * 10_000]))).all()


def test_classes_need_two() -> None:
    one = ItemFeatures.from_columns(ITEMS, {"kind": ["a"] * ITEMS})
    with pytest.raises(DataError, match=r"no attribute 'kind' with two values or more; there is kind"):
        small("history-classifier", attribute="kind").fit(walks(), run=ONE, features=one)


def test_ratings_that_are_missing_where_they_are_the_loss() -> None:
    with pytest.raises(DataError, match="rating"):
        small("auto-rec").fit(walks(), run=ONE)
    model = fitted("auto-rec", walks(), epochs=1)
    with pytest.raises(DataError, match="rating"):
        model.score(Histories.from_lists([[1, 2]], ITEMS))
    weights = replace(walks(), values=np.ones(len(walks().items), np.float32), values_are="weight")
    with pytest.raises(DataError, match="rating"):
        small("auto-rec").fit(weights, run=ONE)


@pytest.mark.parametrize("device", ["cuda", "abacus"])
@pytest.mark.parametrize("name", NAMES)
def test_a_device_that_is_not_there_is_named(name: str, device: str) -> None:
    with pytest.raises(ParameterError, match=f"the device '{device}' cannot be used here"):
        fitted(name, walks(), run=Run(device=device))


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ParameterError, match="kept=0 and dropout=0"):
        pc.MultVAE(kept=0.0, dropout=0.0)
