"""Private training by noised gradients: sensitivity, noise, payment, and a model that is saved."""

from __future__ import annotations

import dp_accounting
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import ParameterError
from penchant.models.neural.mult_vae import MultVAE
from penchant.models.neural.training.noised import descend, kept_events
from penchant.privacy.accounting import Promise, epsilon_of
from penchant.privacy.audit import fitting
from penchant.privacy.mechanism import sampler
from penchant.privacy.mechanism.contributions import bounded, gradient_steps
from penchant.privacy.mechanism.fit import fit_private, plan_private
from penchant.privacy.mechanism.sums import Sums
from tests.privacy.logs import log
from tests.privacy.test_mechanism import ITEMS, MULTIPLIERS, quiet, row, rows

TINY = "mult-vae:hidden=3,factors=2,epochs=4"
WEIGHTS = {
    "inputs": np.random.default_rng(0).normal(0, 2, (ITEMS + 1, 3)),
    "latent": np.random.default_rng(1).normal(0, 2, (4, 2)),
    "items": np.random.default_rng(2).normal(0, 2, (3, ITEMS)),
}


def layers(events: Histories, step: int = 1, **stated: float):
    """The gradients of a network with large weights."""
    return MultVAE(**{**MultVAE.private_defaults, **stated})._slopes(WEIGHTS, events, step)


@settings(max_examples=2000, deadline=None)
@given(rows, row, st.integers(0, 6), st.integers(1, 20), MULTIPLIERS, st.sampled_from([1e-3, 0.15, 10.0]))
def test_one_person_changes_a_noised_gradient_by_at_most_the_stated_bound(people, person, at, most, multiplier, clip):
    with_them, without = (
        gradient_steps(bounded(Histories.from_lists(some, ITEMS), most), layers, clip, multiplier)[0]
        for some in ([*people[:at], person, *people[at:]], people)
    )
    moved = sum(
        float(((one - other).astype(np.float64) ** 2).sum()) for one, other in zip(with_them, without, strict=True)
    )
    assert moved**0.5 <= sampler.FINE_SIGMA / multiplier


def test_the_bound_is_reached_so_that_no_noise_is_wasted():
    (one, _) = gradient_steps(Histories.from_lists([[3, 4]], ITEMS), layers, 1e-3, 1.0)
    norm = sum(float((part.astype(np.float64) ** 2).sum()) for part in one) ** 0.5
    assert norm > 0.999 * sampler.FINE_SIGMA


def test_gradients_are_those_of_the_loss():
    events = Histories.from_lists([[0, 3, 5, 7], [2, 1]], ITEMS)
    stated = {"dropout": 0.4, "kept": 0.3}
    read = kept_events(events, 0.4, 5)
    assert 0 < read.sum() < len(read)

    def loss(weights: dict[str, np.ndarray]) -> float:
        total = 0.0
        for person in range(2):
            here = events.rows == person
            items, seen = events.items[here], read[here]
            x = np.zeros(ITEMS)
            x[items[seen]] = max(seen.sum(), 1) ** -0.5
            h = np.tanh(np.append(x, 1) @ weights["inputs"])
            said = np.append(np.append(h, 1) @ weights["latent"], 1) @ weights["items"]
            said = said - np.log(np.exp(said).sum())
            total -= (np.where(seen, 0.3, 1.0) * said[items]).mean()
        return total

    model = MultVAE(**{**MultVAE.private_defaults, **stated})
    found = [into.T @ out for into, out in model._slopes(WEIGHTS, events, 5)]
    rng = np.random.default_rng(3)
    for (name, weights), slope in zip(WEIGHTS.items(), found, strict=True):
        way = rng.normal(size=weights.shape)
        ends = [loss({**WEIGHTS, name: weights + sign * 1e-6 * way}) for sign in (1, -1)]
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx((slope * way).sum(), rel=1e-4), name


def test_what_a_person_leaves_out_does_not_depend_on_others():
    people = [[0, 1, 2, 3, 4], [5, 6, 7], [1, 2, 9, 10, 11]]
    alone = [kept_events(Histories.from_lists([one], ITEMS), 0.5, 3).tolist() for one in people]
    together = kept_events(Histories.from_lists(people[::-1], ITEMS), 0.5, 3).tolist()
    assert together == [kept for one in alone[::-1] for kept in one]
    many = Histories.from_lists([[0, n] for n in range(1, 4000)], 4000)
    drawn = [kept_events(many, 0.3, step) for step in (1, 2)]
    assert abs(drawn[0].mean() - 0.7) < 0.02
    assert abs((drawn[0] == drawn[1]).mean() - 0.58) < 0.03  # another choice at every step
    assert kept_events(many, 0.0, 1).all()


def test_fine_noise_has_the_stated_scale():
    drawn = sampler.fine(20_000)
    assert abs(drawn.std() / sampler.FINE_SIGMA - 1) < 5 / 40_000**0.5
    assert abs(drawn.mean()) < 5 * sampler.FINE_SIGMA / 20_000**0.5
    rest = np.bincount(drawn % sampler.FINE, minlength=sampler.FINE)
    assert (rest > 0).all()  # every step of the fine grid, not only those of the coarse one
    assert rest.max() < 3 * rest.mean()


def test_every_step_gets_the_noise_that_was_paid_for_and_no_more_are_given():
    events = Histories.from_lists([], ITEMS)
    sums = Sums(events, 2.0, {"counts": 0.2, "gradients": 0.8})
    for _ in range(3):
        slopes, deviation = sums.gradients(layers, 0.15, 3)
        assert deviation == pytest.approx(2.0 / 0.8**0.5 * 3**0.5, rel=1e-3)
        drawn = np.concatenate([one.ravel() for one in slopes])
        assert drawn.std() == pytest.approx(deviation, rel=0.4)
    with pytest.raises(ParameterError, match="3 gradients are paid for"):
        sums.gradients(layers, 0.15, 3)
    again = Sums(events, 2.0, {"gradients": 1.0})
    again.gradients(layers, 0.15, 2)
    with pytest.raises(ParameterError, match="2 gradients are paid for"):
        again.gradients(layers, 0.15, 3)
    with pytest.raises(ParameterError, match="clip above 0"):
        sums.gradients(layers, 0.0, 3)
    with pytest.raises(ParameterError, match="weights are too many"):
        Sums(events, 1e5, {"gradients": 1.0}).gradients(layers, 0.15, 1)


def test_steps_together_cost_what_the_accountant_says():
    """T Gaussians, each of the multiplier of a step, beside the one of the counts."""
    promise = Promise(2.0, 1e-6)
    plan = plan_private(log(), TINY, promise, public=True)
    sums = Sums(Histories.from_lists([], ITEMS), plan.cost.multiplier, MultVAE.private_shares)
    counts = sums.counts()[1]
    sums.gradients(layers, 0.15, 40)
    assert sums._steps is not None
    accountant = dp_accounting.pld.PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(dp_accounting.GaussianDpEvent(counts))
    accountant.compose(dp_accounting.GaussianDpEvent(sums._steps[2]), 40)
    spent = accountant.get_epsilon(0.89 * promise.delta)
    assert spent == pytest.approx(2.0, rel=1e-3)
    assert epsilon_of([plan.cost], promise.delta) == pytest.approx(2.0, rel=1e-2)


def test_gradients_that_are_no_numbers_add_nothing():
    def broken(events: Histories):
        into, out = np.ones((len(events), 2)), np.ones((len(events), 2))
        out[0] = np.inf
        return [(into, out)]

    people = Histories.from_lists([[0], [1], []], ITEMS)
    found, one = gradient_steps(people, broken, 0.5, 1.0)
    assert np.allclose(found[0] / one, 0.5, atol=1e-4)  # the gradient of one person, of norm 2


def test_without_noise_it_learns():
    people = bounded(log(people=300).histories(), 20)
    model = MultVAE(**MultVAE.private_defaults)
    model.item_counts = people.counts()
    sums = Sums(people, 1e-3, MultVAE.private_shares, draw=quiet)
    sums.counts()
    model.fit_private(sums, Run())
    order = people.counts().argsort()[::-1]
    near = model.score(people[:2])
    assert near.shape == (2, people.n_items)
    taste = [set(people.row(person).tolist()) for person in range(2)]  # of two tastes
    for person in range(2):
        own, other = (np.mean([near[person, item] for item in taste[n]]) for n in (person, 1 - person))
        assert own > other + 1, order


def test_descent_takes_the_steps_it_is_told():
    told = []

    class Counting:
        def gradients(self, of, clip, steps):
            told.append((clip, steps, [one[1].shape for one in of(Histories.from_lists([[0]], ITEMS))]))
            return [np.ones_like(one) for one in WEIGHTS.values()], 1.0

    found = descend(
        Counting(), WEIGHTS, lambda weights, events, step: layers(events, step), clip=0.3, rate=0.1, steps=5
    )
    assert told == [(0.3, 5, [(1, 3), (1, 2), (1, ITEMS)])] * 5
    assert all((found[name] < one).all() for name, one in WEIGHTS.items())


def test_a_private_network_is_saved_and_answers(tmp_path):
    made = fit_private(log(people=600), "mult-vae:epochs=20", Promise(8.0, 1e-6), compare=True)
    assert made.fitted_on["private"]["compared"]["gain"] > 0
    assert "gradients 85%" in made.fitted_on["private"]["mechanism"]
    made.save(tmp_path / "m")
    again = pc.load(tmp_path / "m")
    best = [one.item for one in again.recommend(["i0", "i1"], k=3).items]
    assert set(best) <= {f"i{n}" for n in range(12)}
    model = fitting(made)(log(people=200).histories())  # as an audit fits it again
    assert model.score(Histories.from_lists([[0]], model.n_items)).shape == (1, model.n_items)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("mult-vae:beta=0.2", "takes no beta"),
        ("mult-vae:decoder=layer", "takes no decoder"),
        ("mult-vae:batch=100", "takes no batch"),
        ("mult-vae:clip=none", "needs clip"),
    ],
)
def test_what_steps_cannot_keep_is_refused_before_anything_is_charged(model, said):
    with pytest.raises(ParameterError, match=said):
        plan_private(log(), model, Promise(4.0, 1e-6), public=False)
