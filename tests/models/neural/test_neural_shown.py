"""What people were shown and did not take, as negatives of the models that sample them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.core.shown import Shown
from penchant.errors import ParameterError
from penchant.models import registry
from penchant.models.neural.parts.not_taken import NotTaken
from penchant.models.neural.training import held_out, losses
from tests.models.neural.small_logs_of_walks import ONE
from tests.models.test_sampled import exposed

SAMPLED = {"loss": "sampled-softmax", "negatives": 16}
MODELS = [
    ("neu-mf", {"negatives": 4}),
    ("sasrec", {**SAMPLED, "heads": 1, "layers": 1}),
    ("gru4rec", {"loss": "gbce", "negatives": 16}),
    ("history-mlp", {"loss": "bpr", "negatives": 16}),
]
SMALL = {"factors": 12, "epochs": 8, "batch": 128, "rate": 0.02, "dropout": 0.0, "patience": None}


def shuffled(people: int, seed: int = 0) -> tuple[Histories, np.ndarray]:
    """``exposed``, with the items of each person in no order that tells anything."""
    log, wanted = exposed(seed, people)
    order = np.lexsort((np.random.default_rng(seed).random(len(log.items)), log.rows))
    return replace(log, items=log.items[order]), wanted


@pytest.mark.parametrize(("name", "params"), MODELS)
def test_what_was_shown_and_not_taken_tells_wanted_items_from_exposed_ones(name, params):
    log, wanted = shuffled(200)
    fresh, _ = shuffled(80, seed=1)

    def share(shown: float) -> float:
        """Of the lists: wanted items."""
        model = registry.create(name, {**SMALL, **params, "shown": shown}).fit(log, run=ONE)
        return float(wanted[rank(model, fresh, 4, threads=1).items].mean())

    plain, told = share(0.0), share(0.3)
    assert told > plain + 0.1


@pytest.mark.parametrize(("name", "params"), MODELS[1:3])
def test_without_impressions_it_changes_nothing_and_says_so(name, params):
    log, _ = exposed(people=60)
    few = {**SMALL, **params, "epochs": 2}
    plain = registry.create(name, few).fit(log, run=ONE)
    told = registry.create(name, {**few, "shown": 0.5}).fit(replace(log, shown=None), run=ONE)
    np.testing.assert_array_equal(plain.item_vectors, told.item_vectors)
    assert not plain.notes and told.notes == ["shown has no effect: the log has no impressions of weight 0"]


def test_a_loss_over_every_item_says_that_it_draws_nothing():
    log, _ = exposed(people=60)
    few = {**SMALL, "epochs": 2, "heads": 1}
    plain, told = (registry.create("sasrec", {**few, "shown": share}).fit(log, run=ONE) for share in (0.0, 0.5))
    np.testing.assert_array_equal(plain.item_vectors, told.item_vectors)
    assert told.notes == ["shown has no effect: this loss compares with every item"]


@pytest.mark.parametrize("name", ["neu-mf", "sasrec", "gru4rec", "history-mlp", "two-tower"])
@pytest.mark.parametrize(("value", "right"), [(0.0, True), (1.0, True), (-0.01, False), (1.01, False)])
def test_the_share_is_from_0_to_1(name, value, right):
    if right:
        assert registry.create(name, {"shown": value}).params()["shown"] == value
        return
    with pytest.raises(ParameterError, match="shown"):
        registry.create(name, {"shown": value})


def test_draws_are_of_the_row_alone_and_of_all_that_it_did_not_take():
    log = Histories.from_lists([[0, 1], [2], [3]], 6)
    log = replace(log, shown=Shown(np.array([0, 3, 3, 5]), np.array([1, 4, 5, 3, 0], dtype=np.int32)))
    torch.manual_seed(0)
    items, there = NotTaken(log).draw(np.array([0, 1, 2, 0]), "cpu", 200)
    assert items.shape == (4, 200) and there.tolist() == [True, False, True, True]
    assert set(items[0].tolist()) == set(items[3].tolist()) == {4, 5} and set(items[2].tolist()) == {0}


def test_the_losses_with_an_own_negative_are_their_formulas(monkeypatch):
    torch.manual_seed(1)
    states, table, bias = torch.randn(4, 3), torch.randn(9, 3), torch.randn(9)
    target, drawn, share = torch.tensor([0, 1, 2, 3]), torch.tensor([5, 6, 0, 5, 8]), 0.4
    own = losses.Own(torch.tensor([7, 8, 4, 0]), torch.tensor([True, True, True, False]), share)
    negatives = losses.Negatives(torch.ones(9), 0.0, len(drawn))
    monkeypatch.setattr(negatives, "draw", lambda: drawn)
    s = (states @ table.T + bias).double().numpy()
    softmax, binary, pairs, count = [], [], 0.0, 0
    for p, mine in enumerate([7, 8, 4, None]):
        true, others, w = s[p, p], [j for j in drawn.tolist() if j != p], share if mine is not None else 0.0
        even = math.log(9 / 5)  # what an even draw stands for
        total = math.exp(true) + (1 - w) * sum(math.exp(s[p, j] + even) for j in others)
        total += w * 5 * math.exp(s[p, mine] + even) if w else 0.0
        softmax.append(math.log(total) - true)
        wrong = sum(math.log1p(math.exp(s[p, j])) for j in others)
        wrong = (1 - w) * wrong + (w * 5 * math.log1p(math.exp(s[p, mine])) if w else 0.0)
        binary.append(wrong + (5 / 8) * (8 / 5) * math.log1p(math.exp(-true)))  # calibration 1: beta is 1
        lost = sum(math.log1p(math.exp(s[p, j] - true)) for j in others)
        lost = (1 - w) * lost + (w * len(others) * math.log1p(math.exp(s[p, mine] - true)) if w else 0.0)
        pairs, count = pairs + lost, count + len(others)
    told = [
        losses.sampled_softmax(states, table, target, negatives, bias, own=own),
        losses.gbce(states, table, target, negatives, 0.0, bias, own=own),
        losses.bpr(states, table, target, negatives, bias, own=own),
    ]
    expected = [np.mean(softmax), np.mean(binary), pairs / count]
    np.testing.assert_allclose([one.item() for one in told], expected, rtol=1e-5)


def test_a_share_of_one_leaves_the_own_negatives_alone():
    states, table = torch.randn(2, 3, requires_grad=True), torch.randn(9, 3)
    negatives = losses.Negatives(torch.ones(9), 0.0, 4)
    own = losses.Own(torch.tensor([7, 8]), torch.tensor([True, True]), 1.0)
    lost = losses.sampled_softmax(states, table, torch.tensor([0, 1]), negatives, own=own)
    lost.backward()
    assert math.isfinite(lost.item()) and torch.isfinite(states.grad).all()


@pytest.mark.parametrize("timed", [False, True])
def test_an_event_that_is_held_back_is_no_negative(timed):
    """Everybody takes an item that they were shown last, and that event alone is held back."""
    rows = [[0, 1, 2, 5 + n % 3] for n in range(40)]
    log = Histories.from_lists(rows, 9, times=[[10, 20, 30, 40]] * 40 if timed else None)
    shown = Histories.from_lists([[8, row[-1]] for row in rows], 9)
    times = np.tile([25, 39], 40) if timed else None
    log = replace(log, shown=Shown(shown.indptr, shown.items, times))
    model = registry.create("neu-mf", {"epochs": 1})
    model.item_counts = np.bincount(log.items, minlength=9)
    cases, rest = held_out.cases(model, log, None, 0)
    assert cases is not None and rest.shown is not None
    held = np.flatnonzero(rest.lengths < 4)
    assert len(held) > 0
    found = rest.shown.not_taken(rest)
    assert all(found[row : row + 1].items.tolist() == [8] for row in held.tolist())
