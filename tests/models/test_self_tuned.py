"""Hyper-parameters that a model finds by itself: the sample, its gains against a naive twin, and who uses them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import ParameterError
from penchant.models.kinds import self_tuned
from penchant.models.kinds.base import Model
from penchant.models.parts import held_back
from penchant.models.parts.held_back import HeldBack, choose_value

ESTIMATING = [pc.EASE(), pc.SparseEASE(neighbours=9, rank=4), pc.PureSVD(), pc.ALS(factors=6, epochs=4)]


def groups(rows: int = 400, size: int = 20, of: int = 6, events: int = 7, seed: int = 0) -> Histories:
    """Every history stays among the items of one group, and nothing else is to be learned."""
    rng = np.random.default_rng(seed)
    lists = [(rng.integers(of) * size + rng.permutation(size)[:events]).tolist() for _ in range(rows)]
    return Histories.from_lists(lists, of * size)


def test_one_event_of_each_is_held_back_and_the_newest_where_there_is_an_order() -> None:
    log = groups()
    for ordered in (True, False):
        held = HeldBack.of(replace(log, ordered=ordered), Run())
        assert held is not None
        assert len(held.rows) == len(held.train) == len(log)
        assert len(held.train.items) == len(log.items) - len(held.rows)
        rows = {tuple(held.train.row(r).tolist()): item for r, item in zip(held.rows, held.items, strict=True)}
        last = sum(tuple(log.row(r)[:-1].tolist()) in rows for r in range(len(log)))
        assert all(rows.get(tuple(log.row(r)[:-1].tolist()), -1) == log.row(r)[-1] for r in range(20)) == ordered
        assert (last == len(log)) == ordered


def test_the_sample_is_bounded_and_follows_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_back, "EVENTS", 2_100)
    monkeypatch.setattr(held_back, "ITEMS", 50)
    monkeypatch.setattr(held_back, "CASES", 210)
    one, same, other = (HeldBack.of(groups(rows=900, of=5), Run(seed=seed)) for seed in (0, 0, 1))
    assert one is not None and same is not None and other is not None
    assert len(one.train) == 300
    assert one.train.n_items == 50
    assert len(one.rows) == 210
    assert not np.isin(one.items + 50 * one.rows, one.train.items + 50 * one.train.rows).any()
    np.testing.assert_array_equal(one.items, same.items)
    np.testing.assert_array_equal(one.train.items, same.train.items)
    assert not np.array_equal(one.train.items, other.train.items)
    assert HeldBack.of(groups(rows=199), Run()) is None


@pytest.mark.parametrize("at_once", [2**22, 1_000])
def test_gains_are_those_of_the_naive_twin(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_tuned, "SCORES", at_once)
    held = HeldBack.of(groups(), Run())
    assert held is not None
    model = pc.EASE(reg=5.0, half_life=None)
    gains = self_tuned.gains(model, held, Run())
    for n in range(0, len(held.rows), 7):
        given = held.train[held.rows[n : n + 1]]
        score = model.score(given)[0]
        score[given.items] = -np.inf
        ahead = sum(score[i] >= score[held.items[n]] for i in range(len(score)) if i != held.items[n])
        assert gains[n] == pytest.approx(1 / math.log2(ahead + 2) if ahead < 10 else 0.0)


def test_the_usual_stands_unless_another_is_clearly_better() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1_000, 3))
    assert choose_value(noise * [0.1, 0, 0.1] + [0.501, 0.5, 0.501], 1) == 1  # within the error
    assert choose_value(noise * [0.01, 0, 0.01] + [0.4, 0.5, 0.6], 1) == 2
    assert choose_value(noise * [0.01, 0, 0.01] + [0.6, 0.5, 0.4], 1) == 0
    assert choose_value(noise * [0.0001, 0.0001, 0] + [0.6, 0.601, 0.5], 2) == 1  # the nearest of those as good


def test_directions_are_as_many_as_there_are_groups_to_tell() -> None:
    model = pc.PureSVD(half_life=None).fit(groups())
    assert model.value("factors") == 8  # the least that holds six groups; more of them are noise
    assert model.weights.left is not None and model.weights.left.shape[1] == 8


@pytest.mark.parametrize("model", ESTIMATING)
def test_the_model_is_the_one_of_what_was_found(model: Model, tmp_path: Path) -> None:
    log = groups()
    model.fit(log)
    named = {name: model.number_types()[name](model.value(name)) for name in model.estimated}  # type: ignore[attr-defined]
    assert any(all(f"{name} {value:.4g}" in note for name, value in named.items()) for note in model.notes)
    given = replace(model, **named).fit(log)
    assert given.found is None
    np.testing.assert_array_equal(model.score(log[:20]), given.score(log[:20]))
    again = replace(model).fit(log, run=Run(threads=1))
    np.testing.assert_array_equal(model.found, again.found)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", ESTIMATING)
def test_few_histories_tell_nothing(model: Model) -> None:
    few = replace(model).fit(groups(rows=150))
    usual = {name: one.default for name, one in model.estimated.items()}  # type: ignore[attr-defined]
    found = {name: pytest.approx(few.value(name)) for name in usual}
    assert few.settings_for(usual, groups(rows=150)) == found
    assert any("fewer than 200 histories" in note for note in few.notes)


def test_where_updates_are_exact_the_usual_stands_and_is_told() -> None:
    model = pc.EASE().fit(groups(), updatable=True)
    assert model.value("reg") == pc.EASE.estimated["reg"].default == 60
    assert sum("updates are not exact" in note for note in model.notes) == 2  # reg, and the half-life
    model.update(added=groups(rows=3, seed=1))
    lists = [log.row(r).tolist() for log in (groups(), groups(rows=3, seed=1)) for r in range(len(log))]
    fresh = pc.EASE(reg=60.0, half_life=None).fit(Histories.from_lists(lists, groups().n_items))
    np.testing.assert_allclose(model.weights.dense, fresh.weights.dense, atol=1e-4)


def test_what_als_finds_does_not_depend_on_the_size_of_the_log() -> None:
    model = pc.ALS()
    settings = {"reg": 2.0, "unobserved": 0.1}
    for log in (groups(rows=300), groups(rows=3_000, of=30)):
        reg = model.settings_for(settings, log)["reg"]
        rows = reg * (log.lengths + 0.1 * log.n_items) ** model.reg_exponent
        items = reg * (log.counts() + 0.1 * len(log)) ** model.reg_exponent
        assert np.sqrt(rows.mean() * items.mean()) == pytest.approx(2.0)
    assert pc.ALS(reg=0.3).settings_for({"reg": 0.3, "unobserved": 0.1}, groups())["reg"] == 0.3


@pytest.mark.parametrize("reg", [0.0, -0.5, -2.0])
def test_auto_alone_is_taken_beside_the_bounds(reg: float) -> None:
    with pytest.raises(ParameterError, match="reg must be > 0 or auto, got"):
        pc.EASE(reg=reg)


@pytest.mark.parametrize("model", ESTIMATING, ids=lambda model: model.name)
def test_trials_run_beside_each_other_on_one_thread_each(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    from threadpoolctl import threadpool_info

    seen: list[tuple[int, set[int]]] = []
    gains = self_tuned.gains

    def watched(trial: Model, held: HeldBack, run: Run) -> np.ndarray:
        found = gains(trial, held, run)
        ours = [one for one in threadpool_info() if Path(one["filepath"]).parent.name in {"numpy.libs", "scipy.libs"}]
        seen.append((run.threads, {one["num_threads"] for one in ours}))
        return found

    monkeypatch.setattr(self_tuned, "gains", watched)
    fitted = [replace(model).fit(groups(), run=Run(threads=threads)) for threads in (1, 3)]
    assert len(seen) >= 2 * 3 and all(one == (1, {1}) for one in seen)
    np.testing.assert_array_equal(*(one.found for one in fitted))  # type: ignore[attr-defined]  # they estimate
    assert fitted[0].notes == fitted[1].notes
