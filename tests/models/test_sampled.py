"""BPR, WARP and logistic factors: the same numbers on any number of threads, and what an empty history gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.core.run import Run
from penchant.core.shown import Shown
from penchant.errors import ParameterError
from penchant.models import registry
from penchant.models.bpr import BPR
from tests.models.fitting import data
from tests.models.planted import ITEMS

NAMES = ["bpr", "warp", "logistic-mf"]


@pytest.mark.parametrize("name", NAMES)
def test_arrays_are_equal_to_the_bit_for_any_number_of_threads(name: str) -> None:
    train = data("ranking").train
    for params in ({"form": "vectors"}, {"form": "items"}) if name == "bpr" else ({},):
        one, many = (registry.create(name, {"epochs": 3} | params).fit(train, run=Run(threads=n)) for n in (1, 4))
        np.testing.assert_array_equal(one.item_vectors, many.item_vectors)
        np.testing.assert_array_equal(one.item_bias, many.item_bias)
        np.testing.assert_array_equal(one.embed(train), many.embed(train))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_history_gets_the_biases_and_they_follow_popularity(name: str) -> None:
    train = data("ranking").train
    model = registry.create(name, {"epochs": 20}).fit(train)
    scores = model.score(Histories.from_lists([[]], ITEMS))[0]
    np.testing.assert_array_equal(scores, model.item_bias)
    assert np.corrcoef(scores, np.log1p(train.counts()))[0, 1] > 0.3


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_a_history_means_nothing(name: str) -> None:
    model = registry.create(name, {"epochs": 3}).fit(data("ranking").train)
    there, back = (Histories.from_lists([row], ITEMS) for row in ([5, 9, 30], [30, 5, 9]))
    np.testing.assert_array_equal(model.embed(there), model.embed(back))


@pytest.mark.parametrize("name", NAMES)
def test_an_item_never_taken_has_no_direction(name: str) -> None:
    train = data("ranking").train
    model = registry.create(name, {"epochs": 3}).fit(Histories(train.indptr, train.items, ITEMS + 1))
    assert not model.item_vectors[ITEMS].any()


def test_a_history_as_a_sum_of_items_is_that() -> None:
    model = BPR(form="items", power=0.5, epochs=3).fit(data("ranking").train)
    x = model.embed(Histories.from_lists([[4, 8, 4]], ITEMS))[0]
    np.testing.assert_allclose(x, (model.item_vectors[4] + model.item_vectors[8]) / np.sqrt(2), rtol=1e-5, atol=1e-7)


def exposed(seed: int = 0, people: int = 600) -> tuple[Histories, np.ndarray]:
    """A shop that puts half of each department in front of everybody; those of a department want the other half more.

    Of what is shown, one in five is taken in the first half of a department and four in five in the second, which is
    shown four times less: both are taken equally often. Returns the log, and which items are wanted by a department.
    """
    rng = np.random.default_rng(seed)
    department, wanted = np.repeat(np.arange(4), 12), np.tile(np.repeat([False, True], 6), 4)
    rows, seen = [], []
    for person in range(people):
        mine = np.flatnonzero(department == person % 4)
        shown = mine[rng.random(12) < np.where(wanted[mine], 0.2, 0.8)]
        taken = shown[rng.random(len(shown)) < np.where(wanted[shown], 0.8, 0.2)]
        rows.append(taken.tolist() or [int(mine[0])])
        seen.append(shown.tolist())
    log, flat = Histories.from_lists(rows, 48), Histories.from_lists(seen, 48)
    return replace(log, shown=Shown(flat.indptr, flat.items)), wanted


LEARNERS: dict[str, dict[str, Any]] = {
    "bpr": {"epochs": 20, "factors": 16},
    "bpr of vectors": {"form": "vectors", "epochs": 60, "factors": 8, "reg": 0.05},
    "warp": {"tries": 5, "epochs": 20, "factors": 16},
    "logistic-mf": {"epochs": 60, "factors": 8},
}
# the share of the negatives; wanted items in the lists, at most without it and at least with it; right departments
TOLD = {
    "bpr": (0.2, 0.5, 0.65, 0.95), "bpr of vectors": (0.2, 0.55, 0.65, 0.9), "warp": (0.6, 0.52, 0.58, 0.75),
    "logistic-mf": (0.2, 0.6, 0.65, 0.9),
}  # fmt: skip


@pytest.mark.parametrize("label", LEARNERS)
def test_what_was_shown_and_not_taken_tells_wanted_items_from_exposed_ones(label: str) -> None:
    log, wanted = exposed()
    fresh, _ = exposed(seed=1, people=80)
    share, most, least, right = TOLD[label]

    def shares(shown: float) -> tuple[float, float]:
        """Of the lists: wanted items, and items of the person's department."""
        model = registry.create(label.partition(" ")[0], LEARNERS[label] | {"shown": shown}).fit(log, run=Run(seed=3))
        ranked = rank(model, fresh, 4, threads=1)
        return float(wanted[ranked.items].mean()), float((ranked.items // 12 == (np.arange(80) % 4)[:, None]).mean())

    plain, told = shares(0.0), shares(share)
    assert plain[0] < most and plain[1] > right
    assert told[0] > least and told[1] > right


@pytest.mark.parametrize("label", LEARNERS)
def test_without_impressions_the_option_changes_nothing_and_says_so(label: str) -> None:
    train, (log, _) = data("ranking").train, exposed()

    def fitted(train: Histories, shown: float = 0.0) -> Any:
        settings = {**LEARNERS[label], "epochs": 2, "shown": shown}
        return registry.create(label.partition(" ")[0], settings).fit(train)

    one, two = fitted(train), fitted(train, 1.0)
    np.testing.assert_array_equal(one.item_vectors, two.item_vectors)
    assert one.notes == [] and two.notes == ["shown has no effect: the log has no impressions of weight 0"]
    np.testing.assert_array_equal(fitted(log).item_vectors, fitted(replace(log, shown=None)).item_vectors)


@pytest.mark.parametrize("label", LEARNERS)
def test_what_was_shown_is_drawn_alike_by_any_number_of_threads(label: str) -> None:
    log, _ = exposed()
    settings = {**LEARNERS[label], "epochs": 3, "shown": 0.5}
    one, many = (registry.create(label.partition(" ")[0], settings).fit(log, run=Run(threads=n)) for n in (1, 4))
    np.testing.assert_array_equal(one.item_vectors, many.item_vectors)


@pytest.mark.parametrize(("value", "right"), [(0.0, True), (1.0, True), (-0.01, False), (1.01, False)])
def test_the_share_is_from_0_to_1(value: float, right: bool) -> None:
    if right:
        assert BPR(shown=value).shown == value
        return
    with pytest.raises(ParameterError, match="shown"):
        BPR(shown=value)
