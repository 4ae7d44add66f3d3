"""A model told of a change is the model fitted on what the histories have become."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.data.interactions import Interactions
from penchant.data.read import read_interactions
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import DataError, FormatError, ParameterError
from penchant.models import registry
from penchant.models.ease import EASE
from penchant.models.item_knn import ItemKNN
from penchant.models.kinds.pair_sums import PairModel
from penchant.models.kinds.updatable import Updatable
from penchant.models.parts.weights import Weights
from penchant.models.popular import Popular
from penchant.recommender.folder.load import verify
from penchant.recommender.recommender import Recommender, load, save
from penchant.training.fit import fit
from tests.models.planted import planted

ITEMS = 7
Rows = list[list[int]]
rows_of = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=6), max_size=5)


def log(rows: Rows, weight: Callable[[int], float] | None = None) -> Histories:
    """Histories, their events weighed by item or not at all."""
    if weight is None:
        return Histories.from_lists(rows, ITEMS)
    values = [[weight(item) for item in row] for row in rows]
    return Histories.from_lists(rows, ITEMS, values=values, values_are="weight")


def matrix(w: Weights) -> np.ndarray:
    if w.dense is not None:
        return w.dense
    out = np.zeros((len(w.indptr) - 1,) * 2)
    for row in range(len(out)):
        span = slice(w.indptr[row], w.indptr[row + 1])
        assert (np.diff(w.indices[span]) > 0).all()
        out[row, w.indices[span]] = w.data[span]
    return out


def said(model: Updatable) -> np.ndarray:
    return model.scores if isinstance(model, Popular) else matrix(model.weights)


def check(name: str, params: dict[str, Any], first: Rows, steps: list[tuple[Rows, list[int]]], weighted: bool) -> None:
    """Go through the steps, (what is added, which of those that are there leave), and compare after each."""
    weigh = (lambda item: 0.5 + item % 3) if weighted else None
    model = registry.create(name, params)
    assert isinstance(model, Updatable)
    model.fit(log(first, weigh), updatable=True)
    there = list(first)
    for added, leaving in steps:
        removed = [there.pop(n % len(there)) for n in leaving if there]
        there += added
        if not any(there):
            with pytest.raises(DataError, match="no event would be left"):
                model.update(log(added, weigh), log(removed, weigh))
            return
        model.update(log(added, weigh), log(removed, weigh))
        fresh = registry.create(name, params).fit(log(there, weigh))
        one, two = said(model), said(fresh)
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6 * np.abs(two).max(initial=0))
        np.testing.assert_array_equal(model.item_counts, fresh.item_counts)


steps_of = st.lists(st.tuples(rows_of, st.lists(st.integers(0, 99), max_size=4)), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(rows_of.filter(any), steps_of, st.booleans())
def test_popular(first: Rows, steps: list[tuple[Rows, list[int]]], weighted: bool) -> None:
    check("popular", {}, first, steps, weighted)


@example(
    [[0, 3], [0, 1, 2, 4]],
    [([[4]], [])],
    False,
    "conditional",
    0.7,
    (3, 1, 2.0, 4),
    "sum",  # equal but for rounding
)
@settings(max_examples=150, deadline=None)
@given(
    rows_of.filter(any),
    steps_of,
    st.booleans(),
    st.sampled_from(["cosine", "asymmetric-cosine", "tf-idf", "jaccard", "dice", "conditional", "lift"]),
    st.sampled_from([0.0, 0.7]),
    st.sampled_from([(None, 1, 0.0, None), (3, 1, 2.0, 4), (None, 2, 1.0, None)]),
    st.sampled_from(["sum", "normalised"]),
)
def test_item_knn(
    first: Rows,
    steps: list[tuple[Rows, list[int]]],
    weighted: bool,
    similarity: str,
    exponent: float,
    rest: tuple[int | None, int, float, int | None],
    aggregation: str,
) -> None:
    neighbours, overlap, shrink, longest = rest
    params = {
        "similarity": similarity, "user_exponent": exponent, "history_exponent": 0.6, "candidate_exponent": 0.3,
        "neighbours": neighbours, "min_overlap": overlap, "shrink": shrink, "max_history": longest,
        "aggregation": aggregation,
    }  # fmt: skip
    check("item-knn", params, first, steps, weighted)


@settings(max_examples=100, deadline=None)
@given(
    rows_of.filter(any),
    steps_of,
    st.booleans(),
    st.sampled_from([None, 2]),
    st.sampled_from([0.0, 0.4]),
    st.sampled_from([(None, 0.0), (2, 1.5)]),
)
def test_transitions(
    first: Rows,
    steps: list[tuple[Rows, list[int]]],
    weighted: bool,
    reach: int | None,
    backward: float,
    rest: tuple[int | None, float],
) -> None:
    params = {"reach": reach, "backward": backward, "neighbours": rest[0], "shrink": rest[1], "user_exponent": 0.3}
    check("transitions", params, first, steps, weighted)


@settings(max_examples=50, deadline=None)
@given(rows_of.filter(any), steps_of, st.booleans(), st.sampled_from([None, 2]))
def test_graph_filter_without_frequencies(
    first: Rows, steps: list[tuple[Rows, list[int]]], weighted: bool, neighbours: int | None
) -> None:
    params = {"rank": 0, "sharpen": 0.0, "low_pass": 0.0, "order": 1, "neighbours": neighbours}
    check("graph-filter", params, first, steps, weighted)


@settings(max_examples=50, deadline=None)
@given(rows_of.filter(any), steps_of, st.booleans(), st.sampled_from(["sum", "normalised"]))
def test_rp3beta(first: Rows, steps: list[tuple[Rows, list[int]]], weighted: bool, aggregation: str) -> None:
    check("rp3beta", {"alpha": 0.7, "beta": 0.4, "aggregation": aggregation}, first, steps, weighted)


@settings(max_examples=40, deadline=None)
@given(rows_of.filter(any), steps_of, st.booleans(), st.sampled_from([0.0, 0.4]))
@example([[0, 1, 1, 2, 2]], [([[1, 1]], [0]), ([[2, 2]], [0])], True, 0.0)  # what was nearly all of an item goes
def test_ease_on_few_items(first: Rows, steps: list[tuple[Rows, list[int]]], weighted: bool, dropout: float) -> None:
    weigh = (lambda item: 0.5 + item % 3) if weighted else None
    model = EASE(reg=2.0, dropout=dropout).fit(log(first, weigh), updatable=True)
    there = list(first)
    for added, leaving in steps:
        removed = [there.pop(n % len(there)) for n in leaving if there]
        there += added
        if not any(there):
            return
        model.update(log(added, weigh), log(removed, weigh))
        fresh = EASE(reg=2.0, dropout=dropout).fit(log(there, weigh))
        np.testing.assert_allclose(said(model), said(fresh), atol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_ease_after_two_hundred_updates(dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    train = planted("ranking").train
    start, pool = np.arange(200), np.arange(200, 311)
    model = EASE(reg=20.0, dropout=dropout).fit(train[start], updatable=True)
    rng, there, solves = np.random.default_rng(0), list(start), []
    solved = EASE._solved
    monkeypatch.setattr(EASE, "_solved", lambda *args: solves.append(1) or solved(*args))
    for n in range(200):
        if n % 2:
            model.update(removed=train[np.array([there.pop(int(rng.integers(len(there))))])])
        else:
            there.append(int(rng.choice(pool)))
            model.update(added=train[np.array(there[-1:])])
    assert len(solves) in ({200 // 65} if dropout == 0 else range(1, 201))
    fresh = EASE(reg=20.0, dropout=dropout).fit(train[np.array(there)])
    assert np.abs(said(model) - said(fresh)).max() <= 1e-3 * np.abs(said(fresh)).max()


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_only_rows_near_the_change_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand little worlds of three items: a change in one does not touch the others."""
    worlds = Histories.from_lists([[3 * n, 3 * n + 1, 3 * n + 2] for n in range(1000)] * 2, 3000)
    model = ItemKNN(neighbours=None).fit(worlds, updatable=True)
    from penchant.models.kinds import pair_sums as pairs

    asked = []
    rows = pairs._rows
    monkeypatch.setattr(
        pairs, "_rows", lambda sums, formula, of, *rest: asked.append(of) or rows(sums, formula, of, *rest)
    )
    before = model.weights
    model.update(added=Histories.from_lists([[30, 31]], 3000))
    np.testing.assert_array_equal(asked[0], [30, 31])
    same = np.flatnonzero(before.data == model.weights.data)
    assert len(before.data) - len(same) <= 6


def test_rows_move_and_shrink_without_loss() -> None:
    rng = np.random.default_rng(1)
    rows = [[int(i) for i in rng.choice(60, size=rng.integers(1, 9), replace=False)] for _ in range(150)]
    cosine = {"user_exponent": 0.0, "history_exponent": 0.5, "candidate_exponent": 0.5, "shrink": 0.0}  # rounds alike
    model = ItemKNN(neighbours=5, **cosine).fit(Histories.from_lists(rows[:10], 60), updatable=True)
    for n in range(10, 150, 7):
        model.update(added=Histories.from_lists(rows[n : n + 7], 60))
    fresh = ItemKNN(neighbours=5, **cosine).fit(Histories.from_lists(rows, 60), updatable=True)
    np.testing.assert_allclose(matrix(model.weights), matrix(fresh.weights), rtol=1e-6)
    model.update(removed=Histories.from_lists(rows[:140], 60))
    fresh.fit(Histories.from_lists(rows[140:], 60), updatable=True)
    np.testing.assert_allclose(matrix(model.weights), matrix(fresh.weights), rtol=1e-6)
    assert model.statistics is not None
    assert model.statistics.used <= len(model.statistics.items)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    train = planted("sequence").train
    one = ItemKNN(neighbours=6).fit(train[:200], updatable=True, run=Run(threads=1)).update(train[200:]).weights
    monkeypatch.setattr("penchant.models.kinds.pair_sums.PAIRS_A_BLOCK", 100)
    monkeypatch.setattr("penchant.models.kinds.pair_sums.ROWS_A_BLOCK", 3)
    run = Run(threads=threads)
    two = ItemKNN(neighbours=6).fit(train[:200], updatable=True, run=run).update(train[200:], run=run).weights
    np.testing.assert_array_equal(one.data, two.data)
    np.testing.assert_array_equal(one.indices, two.indices)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("popular", {"half_life_days": 3.0}, "newest"),
        ("item-knn", {"similarity": "bm25"}, "bm25"),
        ("item-knn", {"similarity": "pearson"}, "pearson"),
        ("graph-filter", {}, "rank 0"),
    ],
)
def test_what_cannot_be_exact_is_not_offered(name: str, params: dict[str, Any], says: str) -> None:
    model = registry.create(name, params)
    assert isinstance(model, Updatable)
    with pytest.raises(ParameterError, match=says):
        model.fit(log([[0, 1]], lambda item: 1.0), updatable=True)


def test_what_cannot_be_is_refused() -> None:
    model = ItemKNN().fit(log([[0, 1], [1, 2]]))
    with pytest.raises(ParameterError, match="updatable=True"):
        model.update(log([[0]]))
    model.fit(log([[0, 1], [1, 2]]), updatable=True)
    before = matrix(model.weights).copy()
    with pytest.raises(DataError, match="item index 3"):
        model.update(removed=log([[3]]))
    with pytest.raises(DataError, match="items"):
        model.update(Histories.from_lists([[0]], ITEMS + 1))
    np.testing.assert_array_equal(matrix(model.weights), before)
    ratings = Histories.from_lists([[0, 1]], ITEMS, values=[[1.0, 5.0]], values_are="rating")
    with pytest.raises(ParameterError, match="ratings"):
        ItemKNN().fit(ratings, updatable=True)


def test_nothing_changes_nothing() -> None:
    train = planted("ranking").train
    model = ItemKNN().fit(train, updatable=True)
    before = matrix(model.weights).copy()
    np.testing.assert_array_equal(matrix(model.update().weights), before)


def test_damaged_sums_are_refused() -> None:
    model = ItemKNN().fit(log([[0, 1], [1, 2]]), updatable=True)
    assert isinstance(model, PairModel)
    assert model.statistics is not None
    model.statistics.check(ITEMS)
    model.statistics.items[0] = ITEMS
    with pytest.raises(FormatError, match="pairs"):
        model.statistics.check(ITEMS)


# -- what is kept of it -----------------------------------------------------------------------------------------------

SAVED = {
    "popular": {},
    "item-knn": {"neighbours": 6},
    "transitions": {},
    "rp3beta": {},
    "graph-filter": {"rank": 0, "sharpen": 0.0, "low_pass": 0.0},
    "ease": {"reg": 20.0},
}


@pytest.mark.parametrize("name", SAVED)
def test_statistics_are_saved_beside_the_model_and_loaded_only_when_asked_for(name: str, tmp_path: Path) -> None:
    train = planted("ranking").train
    model = registry.create(name, SAVED[name])
    assert isinstance(model, Updatable)
    model.fit(train[:300], updatable=True)
    vocab = Vocab([f"item {n}" for n in range(train.n_items)])
    save(Recommender(vocab, model, Recipe()), tmp_path / "saved")
    assert (tmp_path / "saved" / "statistics.safetensors").exists()
    assert "statistics.safetensors" in verify(tmp_path / "saved")["files"]
    served = load(tmp_path / "saved").model
    assert isinstance(served, Updatable)
    assert served.statistics is None
    loaded = load(tmp_path / "saved", statistics=True).model
    assert isinstance(loaded, Updatable)
    np.testing.assert_array_equal(said(loaded.update(train[300:])), said(model.update(train[300:])))


def test_a_folder_without_statistics_says_so(tmp_path: Path) -> None:
    train = planted("ranking").train
    vocab = Vocab([f"item {n}" for n in range(train.n_items)])
    save(Recommender(vocab, Popular().fit(train), Recipe()), tmp_path / "saved")
    assert not (tmp_path / "saved" / "statistics.safetensors").exists()
    with pytest.raises(FormatError, match="updatable=True"):
        load(tmp_path / "saved", statistics=True)


def test_statistics_of_another_model_are_refused(tmp_path: Path) -> None:
    train = planted("ranking").train
    vocab = Vocab([f"item {n}" for n in range(train.n_items)])
    for name in ("popular", "item-knn"):
        model = registry.create(name)
        assert isinstance(model, Updatable)
        save(Recommender(vocab, model.fit(train, updatable=True), Recipe()), tmp_path / name)
    mine, other = (tmp_path / name / "statistics.safetensors" for name in ("popular", "item-knn"))
    mine.write_bytes(other.read_bytes())
    path = tmp_path / "popular" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][mine.name] = json.loads((tmp_path / "item-knn" / "manifest.json").read_text())["files"][mine.name]
    del manifest["sha256"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(FormatError, match="statistics"):
        load(tmp_path / "popular", statistics=True)


def test_fit_keeps_statistics_of_a_log_and_refuses_models_without() -> None:
    events = small_log()
    rec = fit(events, "item-knn:neighbours=5", updatable=True)
    assert isinstance(rec.model, Updatable)
    assert rec.model.statistics is not None
    with pytest.raises(ParameterError, match="no exact update"):
        fit(events, "random", updatable=True)


def small_log() -> Interactions:
    return read_interactions(pl.DataFrame({"user": ["a", "a", "b", "b"], "item": ["x", "y", "y", "z"]}))
