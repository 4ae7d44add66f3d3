"""Promises and their composition."""

from __future__ import annotations

import math
from importlib.metadata import metadata

import dp_accounting
import pytest
from dp_accounting.pld import PLDAccountant

from penchant.errors import FormatError, ParameterError
from penchant.privacy.accounting import Cost, Promise, epsilon_of, multiplier_for


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epsilon=0,delta=1e-6", "epsilon must be above 0"),
        ("epsilon=-1,delta=1e-6", "epsilon must be above 0"),
        ("epsilon=101,delta=1e-6", "at most 100"),
        ("epsilon=nan,delta=1e-6", "finite"),
        ("epsilon=2,delta=0", "delta must be above 0"),
        ("epsilon=2,delta=1e-5", "below 1 / population"),
        ("epsilon=2,delta=1e-6,population=1000000", "below 1 / population"),
        ("epsilon=2,delta=1e-6,population=99", "too small to hide"),
        ("epsilon=2,delta=1e-6,max_history=0", "max_history must be at least 1"),
        ("epsilon=2,delta=1e-6,name= ", "the name of a population"),
        ("epsilon=2", "needs delta"),
        ("epsilon=2,delta=1e-6,epsilon=3", "each once"),
        ("epsilon=2,delta=1e-6,noise=3", "not 'noise=3'"),
        ("epsilon=two,delta=1e-6", "must be a number"),
    ],
)
def test_a_promise_that_means_nothing_is_refused(text, said):
    with pytest.raises(ParameterError, match=said):
        Promise.parse(text)


def test_a_promise_is_read_as_written():
    assert Promise.parse("epsilon=2, delta=1e-6") == Promise(2.0, 1e-6, 100_000, "people", 500)
    assert Promise.parse("epsilon=.5,delta=1e-6,population=2e4,name=shop,max_history=1") == Promise(
        0.5, 1e-6, 20_000, "shop", 1
    )


def test_the_total_agrees_with_the_library_called_by_itself():
    costs = [Cost(1.5 + n / 10, 1e-9) for n in range(48)] + [Cost(1.1, 0.0, 0.05, 40), Cost(2.0, 0.0, 0.01, 100)]
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    for cost in costs[:48]:
        accountant.compose(dp_accounting.GaussianDpEvent(cost.multiplier))
    for cost in costs[48:]:
        event = dp_accounting.PoissonSampledDpEvent(cost.sampling, dp_accounting.GaussianDpEvent(cost.multiplier))
        accountant.compose(event, cost.steps)
    assert epsilon_of(costs, 1e-6) == pytest.approx(accountant.get_epsilon(1e-6 - 48e-9), rel=1e-3)


def test_one_release_costs_what_it_promises():
    for epsilon in (0.5, 8.0):
        assert epsilon_of([Cost(multiplier_for(epsilon, 1e-6))], 1e-6) == pytest.approx(epsilon, rel=1e-3)
    assert epsilon_of([], 1e-6) == 0
    assert epsilon_of([Cost(1.0, 1e-6)], 1e-6) == math.inf


@pytest.mark.parametrize("wrong", [{}, {"multiplier": "x"}, {"multiplier": 0, "chance": 0, "sampling": 1, "steps": 1}])
def test_a_mechanism_that_does_not_exist_is_refused(wrong):
    with pytest.raises(FormatError, match="the ledger holds a"):
        Cost.from_json(wrong)


@pytest.mark.parametrize("library", ["opendp", "dp-accounting", "cryptography"])
def test_the_libraries_of_the_extra_are_under_the_licences_that_the_page_names(library):
    held = metadata(library)
    stated = held.get("License-Expression") or held.get("License")
    assert stated.replace(" ", "-") in {"MIT", "Apache-2.0", "Apache-2.0-OR-BSD-3-Clause"}
