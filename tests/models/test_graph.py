"""Walks and filters on the graph of histories and items, against the matrices that their papers write down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.errors import ParameterError
from penchant.models.graph_filter import GraphFilter
from penchant.models.item_knn import ItemKNN
from penchant.models.parts.weights import Weights
from penchant.models.rp3beta import RP3beta
from tests.models.planted import planted


def operator(w: Weights) -> np.ndarray:
    """All parts as one dense matrix."""
    n = len(w.indptr) - 1
    out = np.zeros((n, n))
    out[np.repeat(np.arange(n), np.diff(w.indptr)), w.indices] = w.data
    return out if w.left is None else out + w.left.astype(np.float64) @ w.right


def matrix(log: Histories) -> np.ndarray:
    once = log.distinct()
    out = np.zeros((len(log), log.n_items))
    out[once.rows, once.items] = once.weights()
    return out


@st.composite
def logs(draw: st.DrawFn) -> Histories:
    n = draw(st.integers(2, 8))
    rows = draw(st.lists(st.lists(st.integers(0, n - 1), max_size=7), min_size=1, max_size=8).filter(any))
    log = Histories.from_lists(rows, n)
    if draw(st.booleans()):
        weights = draw(st.lists(st.integers(1, 4), min_size=len(log.items), max_size=len(log.items)))
        return Histories(log.indptr, log.items, n, np.array(weights, np.float32), "weight")
    return log


@settings(max_examples=60, deadline=None)
@given(logs(), st.floats(0.2, 1.5), st.floats(0, 1), st.booleans())
def test_rp3beta_is_the_product_of_its_steps(log: Histories, alpha: float, beta: float, normalised: bool) -> None:
    model = RP3beta(alpha=alpha, beta=beta, neighbours=None, aggregation="normalised" if normalised else "sum").fit(log)
    x = matrix(log)
    mass = x.sum(axis=0)
    to_people = np.divide(x, mass, out=np.zeros_like(x), where=mass > 0) ** alpha
    to_items = np.divide(x, x.sum(axis=1, keepdims=True), out=np.zeros_like(x), where=x > 0) ** alpha
    expected = (to_people * (x > 0)).T @ (to_items * (x > 0)) / np.where(mass > 0, mass, 1) ** beta
    np.fill_diagonal(expected, 0)
    if normalised:
        expected = expected / np.where(expected.sum(axis=1) > 0, expected.sum(axis=1), 1)[:, None]
    np.testing.assert_allclose(operator(model.weights), expected, rtol=2e-5, atol=1e-7)


def test_rp3beta_of_plain_events_is_a_neighbourhood_with_exponents() -> None:
    log = planted("ranking").train
    walk = RP3beta(alpha=0.7, beta=0.2, neighbours=9).fit(log).weights
    exponents = {"user_exponent": 0.7, "history_exponent": 0.7, "candidate_exponent": 0.2}
    near = ItemKNN(**exponents, shrink=0.0, aggregation="sum", neighbours=9).fit(log).weights
    np.testing.assert_allclose(operator(walk), operator(near), rtol=1e-5)


def filtered(model: GraphFilter, log: Histories) -> np.ndarray:
    """The filter by a full decomposition of the normalised graph."""
    r = matrix(log)
    count = np.maximum((r > 0).sum(axis=0), 1.0)
    length = np.maximum((r > 0).sum(axis=1), 1.0)
    r = r * (length ** (-model.user_exponent / 2))[:, None] * count**-model.item_exponent
    size, vectors = np.linalg.eigh(r.T @ r)
    top = size.max()
    share = np.clip(size / top, 0, 1)
    damped = np.exp(-model.sharpen * share)
    whole = (1 - (1 - share) ** model.order + model.low_pass) * damped * top
    leading = np.argsort(-share)[: model.rank]
    last = share[leading[-1]]
    slope = (1 - (1 - last) ** model.order) * np.exp(-model.sharpen * last) / last
    passed = slope * share * top
    passed[leading] = whole[leading]
    before, after = (count ** (model.item_exponent - e) for e in (model.history_exponent, model.candidate_exponent))
    return before[:, None] * ((vectors * passed) @ vectors.T) * after


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("sharpen", [0.0, 1.5])
def test_graph_filter_equals_a_full_decomposition(order: int, sharpen: float) -> None:
    log = planted("ranking").train
    model = GraphFilter(
        rank=6, order=order, sharpen=sharpen, low_pass=0.2, neighbours=None, item_exponent=0.3, candidate_exponent=0.45
    ).fit(log)
    told, expected = operator(model.weights), filtered(model, log)
    off = ~np.eye(len(told), dtype=bool)  # an item of the history is never its own neighbour in the sparse part
    np.testing.assert_allclose(told[off], expected[off], atol=2e-4 * np.abs(expected[off]).max())


def test_graph_filter_without_frequencies_is_linear() -> None:
    log = planted("ranking").train
    linear = GraphFilter(rank=0, sharpen=0.0, low_pass=0.0, neighbours=None).fit(log).weights
    assert linear.only_sparse
    model = GraphFilter(rank=1, sharpen=0.0, low_pass=0.0, order=1, neighbours=None).fit(log)
    np.testing.assert_allclose(operator(model.weights), operator(linear), rtol=1e-4, atol=1e-6)
    shaped = (
        GraphFilter(rank=0, sharpen=1.0, low_pass=0.1, neighbours=None).fit(log).weights
    )  # there is nothing to shape
    np.testing.assert_array_equal(operator(shaped), operator(linear))
    with pytest.raises(ParameterError, match="needs frequencies"):
        GraphFilter(rank=0, order=2)


def test_graph_filter_keeps_the_best_of_the_linear_part() -> None:
    log = planted("ranking").train
    every, few = (GraphFilter(rank=0, sharpen=0.0, low_pass=0.0, neighbours=k).fit(log).weights for k in (None, 4))
    for row, all_of_it in zip(operator(few), operator(every), strict=True):
        assert sorted(row)[-4:] == sorted(all_of_it)[-4:]
        assert (row > 0).sum() == min(4, (all_of_it > 0).sum())
