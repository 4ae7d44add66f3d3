"""What every model promises, held against every model that is registered.

A new model needs nothing here: it is picked up from the registry. If its defaults are too slow or too strong for the
tiny planted logs, name smaller ones in ``small.py``; a hyper-parameter that acts only beside others says so by
``when``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.rank import rank
from penchant.core.run import Run
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import DataError, NotFittedError
from penchant.models import registry
from penchant.models.kinds.base import Model
from penchant.models.kinds.linear import LinearModel
from penchant.models.kinds.rating import RatingModel
from penchant.models.popular import Popular
from penchant.recommender.fallback import rank_or_popular
from penchant.recommender.recommender import Recommender, load, save
from tests.models.fitting import (
    arrays,
    assert_same_scores,
    assert_untouched,
    data,
    exactly,
    fitted,
    hit_rate,
    item_mean_rmse,
    learned,
    make,
    rmse,
    snapshot,
    usable,
)
from tests.models.planted import CASES, DAY, ITEMS, USERS, Planted


@pytest.fixture(params=usable(), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(name: str) -> Model:
    return fitted(name)


@pytest.fixture(scope="module")
def part(model: Model) -> Planted:
    return data(model.task)


def answers(model: Model, part: Planted) -> list[np.ndarray]:
    """Everything a model says: its scores, and its predictions where it has a scale."""
    said = [model.score(part.given)]
    if isinstance(model, RatingModel) and part.truth.values is not None:
        said.append(model.predict(part.given, part.truth)[None, :])
    return said


def probe(part: Planted) -> Histories:
    """An empty history, one with repeats, one longer than any window, and a few ordinary ones."""
    rows = [[], [3, 3, 7, 3], [int(i) for i in np.arange(3 * ITEMS) * 7 % ITEMS]]
    rows += [[int(i) for i in part.given.row(r)] for r in range(6)]
    rng = np.random.default_rng(3)
    values = None
    if part.given.values is not None:
        values = [[float(v) for v in rng.integers(2, 11, len(row)) / 2] for row in rows]
    times = [[DAY * (2000 + n) for n in range(len(row))] for row in rows]
    return Histories.from_lists(rows, ITEMS, values=values, values_are=part.given.values_are, times=times)


# -- what it declares -------------------------------------------------------------------------------------------------


def test_is_declared_in_one_place(name: str) -> None:
    cls = registry.model_class(name)
    assert cls.name == name
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")  # dataclass writes one if nobody did
    assert cls.task in ("ranking", "rating", "sequence")
    for parameter in cls.hyper_parameters():
        assert parameter.metadata["hyper"]["help"], parameter.name
    assert registry.create(name, make(name).params()).params() == make(name).params()


def test_before_fit_it_says_so(name: str) -> None:
    with pytest.raises(NotFittedError, match="fit"):
        make(name).score(Histories.from_lists([[0]], ITEMS))


# -- what it learns ---------------------------------------------------------------------------------------------------


def test_scores_have_shape_and_type_and_are_never_nan(model: Model, part: Planted) -> None:
    scores = model.score(part.given)
    assert scores.shape == (CASES, ITEMS)
    assert scores.dtype == np.float32
    assert not np.isnan(scores).any()
    assert not (scores == np.inf).any()


def test_finds_what_was_planted(model: Model, part: Planted) -> None:
    if model.task == "rating":
        return
    popular = hit_rate(Popular().fit(part.train), part)
    assert popular < 0.25
    if model.learns:
        assert hit_rate(model, part) > popular + 0.35, "not meant to beat popularity? Then set learns = False"
    else:
        assert hit_rate(model, part) < popular + 0.1


def test_does_not_find_what_is_not_there(name: str, model: Model) -> None:
    if model.task == "rating":
        return
    noise = data(model.task, 1.0)
    blind = fitted(name, noise=1.0)
    popular = hit_rate(Popular().fit(noise.train), noise)
    assert hit_rate(blind, noise) < popular + 3 * np.sqrt(popular * (1 - popular) / CASES)


def test_predicts_what_can_be_predicted_and_no_more(name: str, model: Model) -> None:
    if not isinstance(model, RatingModel):
        assert model.task != "rating"
        return
    part, noise = data("rating"), data("rating", 1.0)
    seeing, blind = fitted(name, on="rating"), fitted(name, on="rating", noise=1.0)
    assert rmse(seeing, part) < (0.75 if model.learns else 1.02) * item_mean_rmse(part)
    assert 0.97 < rmse(blind, noise) / item_mean_rmse(noise) < 1.3
    said = seeing.predict(part.given, part.truth)
    assert said.shape == part.truth.items.shape
    assert said.dtype == np.float32
    assert part.train.values is not None
    assert part.train.values.min() <= said.min() <= said.max() <= part.train.values.max()
    assert np.isfinite(seeing.predict(part.given[:2].where(np.zeros(24, bool)), part.truth[:2])).all()


def test_a_rating_beyond_the_scale_counts_as_its_end(model: Model, part: Planted) -> None:
    if not isinstance(model, RatingModel) or part.train.values is None:
        return
    low, high = float(part.train.values.min()), float(part.train.values.max())
    items = Histories.from_lists([list(range(ITEMS))] * 2, ITEMS)

    def rating(*values: float) -> Histories:
        rated = [[value, low, high] for value in values]
        return Histories.from_lists([[1, 2, 3]] * 2, ITEMS, values=rated, values_are="rating")

    hostile, plain = rating(1e9, -1e9), rating(high, low)
    np.testing.assert_array_equal(model.score(hostile), model.score(plain))
    assert len(np.unique(model.score(hostile)[0])) > ITEMS // 2  # clipped scores would tie
    said = model.predict(hostile, items)
    np.testing.assert_array_equal(said, model.predict(plain, items))
    assert low <= said.min() <= said.max() <= high


def test_ranks_by_taste_when_ratings_are_what_it_learns_from(model: Model, part: Planted) -> None:
    """Of two held-out items that one person rated at least two apart, the better must come first."""
    if part.truth.values is None:
        assert model.task != "rating"
        return
    scores, right, pairs = model.score(part.given), 0, 0
    for r in range(CASES):
        items, values = part.truth.row(r), part.truth.values[part.truth.indptr[r] : part.truth.indptr[r + 1]]
        better = values[:, None] >= values[None, :] + 2
        right += int((better & (scores[r][items][:, None] > scores[r][items][None, :])).sum())
        pairs += int(better.sum())
    assert pairs > 100
    assert right / pairs > (0.85 if model.learns else 0.5)


def test_every_hyper_parameter_changes_what_it_says(name: str, part: Planted) -> None:
    for parameter in registry.model_class(name).hyper_parameters():
        meta = parameter.metadata["hyper"]
        setting = meta.get("when") or {}
        first = getattr(make(name, **setting), parameter.name)
        others = [value for value in (meta["other"], parameter.default, *(meta["choices"] or ())) if value is not None]
        others += [not first] if isinstance(parameter.default, bool) else []
        others = [value for value in [*others, *([None] if meta["optional"] else [])] if value != first]
        assert others, f"{name}.{parameter.name} declares no other value"
        second = others[0]
        changed = False
        for on in ["", "rating" if issubclass(registry.model_class(name), RatingModel) else "weight", "again"]:
            if changed:
                break
            asked = data(on) if on else part
            one = answers(fitted(name, on=on, **setting), asked)
            two = answers(fitted(name, on=on, **setting | {parameter.name: second}), asked)
            changed = not all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        assert changed, f"{name}: {parameter.name} {first!r} → {second!r} changes nothing (setting {setting})"


# -- what a history is ------------------------------------------------------------------------------------------------


def test_a_batch_is_its_rows_one_by_one_in_any_order(model: Model, part: Planted) -> None:
    given = part.given[:40]
    batch = model.score(given)
    single = np.concatenate([model.score(given[r : r + 1]) for r in range(len(given))])
    assert_same_scores(model, batch, single)
    order = np.random.default_rng(0).permutation(len(given))
    assert_same_scores(model, batch[order], model.score(given[order]))


def test_lists_do_not_depend_on_the_batch(model: Model, part: Planted) -> None:
    given = part.given[:40]
    batch = rank(model, given, 7, threads=2)
    for r in range(len(given)):
        single = rank(model, given[r : r + 1], 7)
        if exactly(model):
            np.testing.assert_array_equal(batch.items[r], single.items[0])
        np.testing.assert_allclose(batch.scores[r], single.scores[0], rtol=1e-4, atol=1e-6)
        assert not np.isin(batch.items[r], given.row(r)).any()


def test_odd_histories_are_answered(model: Model, part: Planted) -> None:
    odd = probe(part)
    scores = model.score(odd)
    assert scores.shape == (len(odd), ITEMS)
    assert not np.isnan(scores).any()
    assert np.isfinite(scores[0]).all()  # the empty history
    assert_same_scores(model, scores, np.concatenate([model.score(odd[r : r + 1]) for r in range(len(odd))]))
    assert model.score(odd[:0]).shape == (0, ITEMS)


def test_a_window_is_the_newest_events(name: str, model: Model, part: Planted) -> None:
    if "window" not in model.params() or not isinstance(model, LinearModel):
        assert not isinstance(model, LinearModel)
        return
    narrow = fitted(name, window=3)
    odd = probe(part)
    if model.task != "sequence":
        odd = odd.distinct()
    np.testing.assert_array_equal(narrow.score(odd), narrow.score(odd.newest(3)))


def test_permuted_items_permute_scores(name: str, model: Model, part: Planted) -> None:
    to = np.random.default_rng(1).permutation(ITEMS)

    def moved(histories: Histories) -> Histories:
        return dataclasses.replace(histories, items=to[histories.items])

    source = part.features
    rows = [source.indices[source.indptr[i] : source.indptr[i + 1]] for i in np.argsort(to)]
    data_rows = [source.data[source.indptr[i] : source.indptr[i + 1]] for i in np.argsort(to)]
    features = dataclasses.replace(
        source,
        indptr=np.concatenate([[0], np.cumsum([len(row) for row in rows])]),
        indices=np.concatenate(rows),
        data=np.concatenate(data_rows),
        vectors=source.vectors[np.argsort(to)],
    )
    other = make(name).fit(moved(part.train), run=Run(threads=1), features=features)
    reseeded = fitted(name, seed=1)
    if all(np.array_equal(a, b) for a, b in zip(answers(model, part), answers(reseeded, part), strict=True)):
        given = part.given[:60]
        one, two = model.score(given), other.score(moved(given))[:, to]
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-4 * float(np.ptp(one[np.isfinite(one)])))
    elif model.learns:
        there = Planted(moved(part.train), moved(part.given), moved(part.truth), features)
        if isinstance(other, RatingModel) and isinstance(model, RatingModel) and model.task == "rating":
            assert rmse(other, there) == pytest.approx(rmse(model, part), rel=0.05)
        else:
            assert hit_rate(other, there) == pytest.approx(hit_rate(model, part), abs=0.05)


def test_without_a_positive_event_the_list_is_that_of_popularity(model: Model, part: Planted) -> None:
    """The recommender decides that, not the model."""
    recommender = Recommender(Vocab([f"item {n}" for n in range(ITEMS)]), model)
    popular = [f"item {n}" for n in np.lexsort((np.arange(ITEMS), -model.item_counts))]
    empty = recommender.recommend(part.given[:1].without_events(), 9)
    assert empty.fallback and empty.ids == popular[:9] and {entry.score for entry in empty} == {0}
    unknown = recommender.recommend(["nothing that was learned"], 9, exclude=popular[:2])
    assert unknown.fallback and unknown.ids == popular[2:11] and unknown.unknown == ["nothing that was learned"]
    known = recommender.recommend(part.given[:1], 9)
    assert not known.fallback
    both = rank_or_popular(model, part.given.where(part.given.rows != 1)[:3], 9)
    assert both.fallback.tolist() == [False, True, False]
    assert [f"item {n}" for n in both.items[1]] == popular[:9]
    assert [f"item {n}" for n in both.items[0]] == known.ids


def test_nothing_given_is_changed(name: str, model: Model, part: Planted) -> None:
    odd = probe(part)
    before, learned_before = snapshot(odd), {key: value.copy() for key, value in learned(model).items()}
    model.score(odd)
    rank(model, odd, 3, repeat=True)
    model.similar(4)
    model.explain(odd[3:4], 5)
    assert_untouched(before, odd)
    for key, value in learned(model).items():
        np.testing.assert_array_equal(value, learned_before[key], err_msg=key)
    train = snapshot(part.train)
    make(name).fit(part.train, run=Run(threads=1), features=part.features)
    assert_untouched(train, part.train)


# -- the same again ---------------------------------------------------------------------------------------------------


def assert_same_arrays(one: Model, two: Model, *, exact: bool = True) -> None:
    """Two fitted models hold the same arrays."""
    left, right = learned(one), learned(two)
    assert left.keys() == right.keys()
    for key in left:
        if exact or left[key].dtype.kind != "f":
            np.testing.assert_array_equal(left[key], right[key], err_msg=key)
        else:
            scale = float(np.abs(left[key]).max(initial=0))
            np.testing.assert_allclose(left[key], right[key], rtol=0, atol=1e-5 * scale, err_msg=key)


def test_same_seed_same_arrays_and_fit_twice_is_fit_once(name: str, model: Model, part: Planted) -> None:
    again = make(name).fit(data(model.task, 1.0).train, run=Run(seed=9, threads=1), features=part.features)
    again.fit(part.train, run=Run(threads=1), features=part.features)
    assert_same_arrays(model, again)
    assert again.notes == model.notes


def test_threads_change_nothing(name: str, model: Model, part: Planted) -> None:
    many = fitted(name, threads=4)
    if exactly(model):
        assert_same_arrays(model, many)
        np.testing.assert_array_equal(model.score(part.given), many.score(part.given))
        one, four = rank(model, part.given, 5, threads=1), rank(many, part.given, 5, threads=4)
        np.testing.assert_array_equal(one.items, four.items)
        np.testing.assert_array_equal(one.scores, four.scores)
    else:
        assert_same_scores(model, model.score(part.given), many.score(part.given))


# -- what it keeps and what it refuses --------------------------------------------------------------------------------


def test_no_array_grows_with_the_people(name: str, model: Model) -> None:
    if model.remembers_users:
        return
    fewer = fitted(name, users=USERS - 14)
    small = learned(fewer)
    for key, array in learned(model).items():
        there = small[key].shape if key in small else ()
        for axis, size in enumerate(array.shape):
            grew = size in (USERS, USERS + 1) and axis < len(there) and there[axis] in (USERS - 14, USERS - 13)
            assert not grew, f"{name}.{key} has shape {array.shape} for {USERS} training histories"


def test_learned_values_are_arrays_that_can_be_written(model: Model) -> None:
    for field_name in model.learned_fields():
        value = getattr(model, field_name)
        assert value is None or arrays(value), f"{field_name} is {type(value).__name__}: neither arrays nor None"
    for key, array in learned(model).items():
        assert array.dtype.kind in "fiub", key
        assert array.dtype.kind != "f" or not np.isnan(array).any(), key


def test_what_is_saved_is_what_is_loaded(model: Model, part: Planted, tmp_path: Path) -> None:
    save(Recommender(Vocab([f"item {n}" for n in range(ITEMS)]), model, Recipe()), tmp_path / "saved")
    loaded = load(tmp_path / "saved").model
    assert type(loaded) is type(model)
    assert loaded.params() == model.params()
    assert_same_arrays(model, loaded)
    for mine, theirs in zip(answers(model, part), answers(loaded, part), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    one, two = rank(model, part.given, 5), rank(loaded, part.given, 5)
    np.testing.assert_array_equal(one.items, two.items)


def test_refuses_what_it_cannot_use(name: str, model: Model, part: Planted) -> None:
    with pytest.raises(DataError, match="finite"):
        Histories.from_lists([[1, 2]], ITEMS, values=[[1.0, float("nan")]], values_are="rating")
    with pytest.raises(DataError, match="items"):
        model.score(Histories.from_lists([[0]], ITEMS + 1))
    with pytest.raises(DataError, match="nothing to learn from"):
        make(name).fit(Histories.from_lists([[], []], ITEMS), features=part.features)
    if model.needs_features:
        with pytest.raises(DataError, match="catalogue"):
            make(name).fit(part.train)


@pytest.mark.parametrize("rows", [[[0]], [[4, 4, 4]], [[7], [7], [7]], [[0, 1, 2]] * 4, [[], [5, 6], []]])
def test_learns_from_almost_nothing(name: str, part: Planted, rows: list[list[int]]) -> None:
    values = None if part.train.values is None else [[3.0 + n % 3 for n in range(len(row))] for row in rows]
    tiny = Histories.from_lists(rows, ITEMS, values=values, values_are=part.train.values_are)
    model = make(name).fit(tiny, run=Run(threads=1), features=part.features)
    scores = model.score(probe(part))
    assert not np.isnan(scores).any()
    assert not (scores == np.inf).any()


def test_explains_itself(model: Model, part: Planted) -> None:
    given = part.given[3:4]
    item = int(part.truth.row(3)[0])
    told = model.explain(given, item)
    assert told.parts.shape == given.items.shape
    assert told.score == pytest.approx(float(model.score(given)[0, item]), rel=1e-4, abs=1e-6)
    if told.method == "exact":
        said = sum(one.contribution for one in told.features)
        assert told.base + told.parts.sum() + said == pytest.approx(told.score, rel=1e-4, abs=1e-6)
    assert model.explain(part.given[:1].newest(1).where(np.zeros(1, bool)), item).parts.shape == (0,)


def test_similar_items_are_scored(model: Model) -> None:
    near = model.similar(4)
    assert near.shape == (ITEMS,)
    assert not np.isnan(near).any()
