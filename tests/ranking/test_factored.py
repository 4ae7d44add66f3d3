"""Factorisation machines: exact gradients, what contexts and ids teach them, reasons that add up, and no torch."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.data.read import read_interactions
from penchant.errors import FormatError, MissingExtraError, ParameterError
from penchant.kernels.machine import gradients, of_fields, step, sums
from penchant.ranking.deepfm import DeepFM
from penchant.ranking.deepfm_rating import DeepFMRating
from penchant.ranking.encoding import Encoding, Rows, drawn
from penchant.ranking.factored import Factored
from penchant.ranking.fm import FM
from penchant.ranking.fm_rating import FMRating
from penchant.recommender.recommender import Recommender, load
from penchant.training.fit import fit
from tests.ranking.test_ranked import moody, sad_share

FEW: dict[str, Any] = {"members": ["item-knn", "popular"], "factors": 4, "epochs": 6}
J, D = 9, 3


def rows() -> Rows:
    """Two requests with two and three pairs; fields 0 and 1 are of pairs, 2 and 3 of requests, and one is empty."""
    request = ([0, 3, 4], [5, 6, 8, 7], [2, 2, 3, 2], [0.5, -1.0, 2.0, 1.0])
    pair = ([0, 2, 5, 6, 8, 10], [0, 3, 1, 3, 4, 2, 0, 4, 1, 3], [0, 1, 0, 1, 1, 0, 0, 1, 0, 1],
            [1.0, 0.7, 1.0, 0.5, 0.5, 1.0, 1.0, -0.3, 1.0, 1.2])  # fmt: skip
    kinds = (np.int64, np.int32, np.int32, np.float32)
    parts = [tuple(np.array(a, dtype=k) for a, k in zip(one, kinds, strict=True)) for one in (request, pair)]
    return Rows(np.array([0, 2, 5]), *parts)  # type: ignore[arg-type]


def naive(linear: np.ndarray, vectors: np.ndarray, part: Rows) -> np.ndarray:
    """The scores, field by field and pair of fields by pair of fields."""
    out = []
    for group in range(len(part.starts) - 1):
        for at in range(part.starts[group], part.starts[group + 1]):
            fields: dict[int, np.ndarray] = {}
            total = 0.0
            for (indptr, feature, field, value), row in ((part.request, group), (part.pair, at)):
                for entry in range(indptr[row], indptr[row + 1]):
                    x = float(value[entry])
                    total += x * linear[feature[entry]]
                    fields[field[entry]] = fields.get(field[entry], np.zeros(D)) + x * vectors[feature[entry]]
            each = list(fields.values())
            total += sum(each[a] @ each[b] for a in range(len(each)) for b in range(a))
            out.append(total)
    return np.array(out)


def loss_of(linear: np.ndarray, vectors: np.ndarray, part: Rows, target: np.ndarray, softmax: bool) -> float:
    scores = naive(linear, vectors, part)
    if not softmax:
        return float(((scores - target) ** 2).sum() / 2)
    total = 0.0
    for lo, hi in zip(part.starts[:-1], part.starts[1:], strict=True):
        total -= float(target[lo:hi] @ (scores[lo:hi] - np.log(np.exp(scores[lo:hi]).sum())))
    return total


@pytest.mark.parametrize("softmax", [True, False])
def test_gradients_are_exact(softmax: bool) -> None:
    rng, part = np.random.default_rng(0), rows()
    linear, vectors = rng.normal(size=J).astype(np.float32), rng.normal(size=(J, D)).astype(np.float32)
    target = np.array([1, 0, 0, 0, 1], np.float32) if softmax else rng.normal(size=5).astype(np.float32)
    out = np.zeros(5)
    sums(0, 2, *part.arrays(), linear, vectors, out)
    np.testing.assert_allclose(out, naive(linear, vectors, part), rtol=1e-5)
    d_linear, d_vectors = np.zeros(J), np.zeros((J, D))
    found = gradients(
        *(np.arange(2), *part.arrays(), target, softmax, linear, vectors, d_linear, d_vectors)  # type: ignore[arg-type]
    )
    exact = linear.astype(np.float64), vectors.astype(np.float64)
    assert found == pytest.approx(loss_of(*exact, part, target, softmax), rel=1e-6)
    for array, gradient in zip(exact, (d_linear, d_vectors), strict=True):
        for place in np.ndindex(array.shape):
            kept, both = array[place], []
            for by in (1e-5, -1e-5):
                array[place] = kept + by
                both.append(loss_of(*exact, part, target, softmax))
            array[place] = kept
            assert gradient[place] == pytest.approx((both[0] - both[1]) / 2e-5, abs=2e-6)


def test_the_vectors_of_fields_are_sums_and_a_step_goes_downhill() -> None:
    rng, part = np.random.default_rng(1), rows()
    linear, vectors = rng.normal(size=J).astype(np.float32), rng.normal(size=(J, D)).astype(np.float32)
    out = np.zeros((5, 4, D), np.float32)
    of_fields(0, 5, *part.pair, vectors, out)
    np.testing.assert_allclose(out[1, 1], 0.5 * vectors[3] + 0.5 * vectors[4], rtol=1e-6)
    assert not out[:, 2:].any() and not out[2, 1].any()
    target = np.array([1, 0, 0, 0, 1], np.float32)
    totals = np.zeros(J), np.zeros((J, D))
    before, untouched = loss_of(linear, vectors, part, target, True), vectors.copy()
    for _ in range(20):
        d = np.zeros(J), np.zeros((J, D))
        gradients(*(np.arange(2), *part.arrays(), target, True, linear, vectors, *d))  # type: ignore[arg-type]
        step(linear, vectors, *d, *totals, 0.05, 0.0, 0.5)
        assert not d[0].any() and not d[1].any()
    assert loss_of(linear, vectors, part, target, True) < before / 2
    one = Rows(part.starts[:2], tuple(a[:2] if n == 0 else a for n, a in enumerate(part.request)), part.pair)  # type: ignore[arg-type]
    only = untouched.copy()
    d = np.zeros(J), np.zeros((J, D))
    gradients(*(np.arange(1), *one.arrays(), target, True, linear, only, *d))  # type: ignore[arg-type]
    step(linear, only, *d, *totals, 0.05, 0.1, 0.5)
    np.testing.assert_array_equal(only[[2, 7]], untouched[[2, 7]])  # of the other request


def test_bins_hold_equal_shares_and_missing_is_a_bin_of_its_own() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(4000, 2)).astype(np.float32)
    table[:400, 0] = np.nan
    encoding = Encoding.fit([table[:1000], table[1000:]], 2, 8)
    assert np.diff(encoding.starts).tolist() == [7, 7]
    known = table[400:, 0]
    shares = np.bincount(np.searchsorted(encoding.edges[:7], known), minlength=8) / len(known)
    np.testing.assert_allclose(shares, 1 / 8, atol=0.002)
    assert encoding.centre[0] == pytest.approx(known.mean(), abs=1e-4)
    with pytest.raises(FormatError):
        dataclasses.replace(encoding, spread=np.zeros(2, np.float32)).check(2)
    with pytest.raises(FormatError):
        encoding.check(3)


def test_every_answer_stays_among_those_drawn() -> None:
    starts, rng = np.array([0, 100, 103]), np.random.default_rng(0)
    target = np.zeros(103, np.float32)
    target[[99, 101]] = 1
    kept = drawn(starts, target, 10, rng)
    assert {99, 100, 101, 102} <= set(kept.tolist()) and len(kept) == 14 and (np.diff(kept) > 0).all()


@pytest.fixture(scope="module", params=[FM, DeepFM])
def recommender(request: pytest.FixtureRequest) -> Recommender:
    return fit(read_interactions(moody(), context="mood,noise"), request.param(**FEW))


def test_a_mood_turns_the_list_and_an_unknown_one_is_none_to_the_bit(recommender: Recommender) -> None:
    history = ["i01", "i20", "i07", "i22"]
    sad = recommender.recommend(history, 8, context={"mood": "sad"})
    happy = recommender.recommend(history, 8, context={"mood": "happy"})
    assert sad_share(sad.ids) >= 0.9 and sad_share(happy.ids) <= 0.1
    none, strange = (recommender.recommend(history, 8, context=said) for said in (None, {"mood": "hangry"}))
    assert [(one.item, one.score) for one in none] == [(one.item, one.score) for one in strange]


def test_reasons_add_up(recommender: Recommender) -> None:
    answer = recommender.recommend(["i01", "i20", "i07"], 5, context={"mood": "sad"}, why=True)
    for one in answer:
        assert one.why is not None
        total = one.why.base + sum(reason.contribution for reason in one.why.reasons)
        assert total == pytest.approx(one.score, abs=1e-4)
    assert any("mood = sad" in reason.words for one in answer for reason in one.why.reasons[:4])  # type: ignore[union-attr]


def test_what_is_saved_answers_alike_and_other_features_are_refused(recommender: Recommender, tmp_path: Path) -> None:
    recommender.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for said in (None, {"mood": "sad"}):
        one, two = (r.recommend(["i01", "i20"], 8, context=said) for r in (recommender, again))
        assert [(x.item, x.score) for x in one] == [(x.item, x.score) for x in two]
    model = again.model
    assert isinstance(model, Factored)
    for name, wrong in (
        ("names", np.frombuffer(model.names.tobytes().replace(b"history.times", b"history.often"), np.uint8)),
        ("names", np.array([255, 254], np.uint8)),
        ("linear", model.linear[:-1]),
        ("encoding", dataclasses.replace(model.encoding, centre=model.encoding.centre[1:])),
    ):
        right = getattr(model, name)
        setattr(model, name, wrong)
        with pytest.raises(FormatError):
            model.check_loaded()
        setattr(model, name, right)
    model.check_loaded()
    if isinstance(model, DeepFM):
        model.first = model.first[:-1]
        with pytest.raises(FormatError):
            model.check_loaded()


def test_a_saved_network_answers_without_torch(tmp_path: Path) -> None:
    made = fit(read_interactions(moody(60), context="mood"), DeepFM(**FEW | {"epochs": 1}))
    made.save(tmp_path / "model")
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import penchant as pc\n"
        f"rec = pc.load({str(tmp_path / 'model')!r})\n"
        "print(rec.recommend(['i01', 'i20'], 5, context={'mood': 'sad'}).ids)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(made.recommend(["i01", "i20"], 5, context={"mood": "sad"}).ids)


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"penchant\[neural\]"):
        fit(read_interactions(moody(60), context="mood"), DeepFM(**FEW))


@pytest.mark.parametrize("kind", [FMRating, DeepFMRating])
def test_a_context_helps_ratings(kind: type[FMRating | DeepFMRating]) -> None:
    rng = np.random.default_rng(0)
    users, each, items = 120, 20, 30
    item = rng.integers(0, items, users * each).astype(np.int32)
    mood = rng.integers(0, 2, users * each).astype(np.int32)
    value = np.clip(3 + np.where((item % 2 == 0) == (mood == 1), 1.2, -1.2) + 0.3 * rng.normal(size=len(item)), 1, 5)
    log = Histories(
        np.arange(users + 1) * each, item, items, value.astype(np.float32), "rating", context=mood[:, None],
        ordered=False,
    )  # fmt: skip
    held = log[100:]
    last = np.arange(len(held.items)) % each == each - 1
    given, asked = held.where(~last), held.where(last)
    errors = []
    for context in (True, False):
        train = log[:100] if context else dataclasses.replace(log[:100], context=None)
        model = kind(members=["bias"], epochs=12).fit(train, run=Run(threads=1))
        said = model.predict(dataclasses.replace(given, asked=asked.context if context else None), asked)
        errors.append(float(np.sqrt(np.mean((said - asked.values) ** 2))))
    assert errors[0] < 0.6
    assert errors[1] > 0.9


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("factors", 0), ("factors", 257), ("epochs", 0), ("rate", 0.0), ("rate", 2.5), ("reg", -0.1), ("bins", 1),
     ("bins", 257), ("hidden", 1), ("hidden", 1025), ("dropout", -0.1), ("dropout", 0.95)],
)  # fmt: skip
def test_settings_have_bounds(name: str, wrong: float) -> None:
    with pytest.raises(ParameterError, match=name):
        DeepFM(**{name: wrong})
