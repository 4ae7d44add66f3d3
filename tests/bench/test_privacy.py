"""The bench of privacy: what is drawn and starred, and that the search starts from what the package does."""

from __future__ import annotations

import numpy as np
from bench.privacy import _cell, curves, interval
from bench.privacy_search import shrunk, weights

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models.ease import EASE
from penchant.privacy.mechanism.sums import Sums


def test_a_star_needs_the_whole_interval_above_popular():
    releases = [0.20, 0.21, 0.22, 0.21, 0.21]
    assert _cell({"releases": releases, "over_popular": [0.001, 0.01]}) == "0.210 ± 0.007*"
    assert _cell({"releases": releases, "over_popular": [-0.001, 0.01]}) == "0.210 ± 0.007"
    assert (_cell({"releases": [0.3]}), _cell(None)) == ("0.300", "-")
    low, high = interval(np.random.default_rng(0).normal(0.05, 0.1, 400))
    assert 0.03 < low < 0.05 < high < 0.07


def test_every_release_is_drawn():
    points = {str(epsilon): {"releases": [0.1, 0.2]} for epsilon in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)}
    drawn = curves("set", {name: {"points": points | {"inf": {"releases": [0.3]}}} for name in ("ease", "als")})
    assert drawn.count("<circle") == 2 * (6 * 2 + 1)
    assert drawn.count("<polyline") == 2


def test_the_search_starts_from_what_the_package_does():
    rng = np.random.default_rng(0)
    people = Histories.from_lists([np.unique(rng.geometric(0.2, 8) % 30).tolist() for _ in range(400)], 30)

    def sums() -> Sums:
        noise = np.random.default_rng(1)
        return Sums(people, 1.0, EASE.private_shares, draw=lambda n: np.rint(4096 * noise.normal(size=n)).astype(int))

    model, own = EASE(dropout=0.0), sums()
    model.item_counts = np.ones(30, np.int64)
    own.counts()
    model.fit_private(own, Run())
    again = sums()
    counts = again.counts()[0]
    found = weights(*again.gram(), np.maximum(counts, 1.0), "spike", 0.0, 0.5)
    x = np.zeros((len(people), 30))
    x[people.rows, people.items] = 1
    scores = model.score(people)
    assert np.allclose(x @ found, scores, atol=1e-3 * float(np.abs(scores).max()))
    values = [shrunk(again_gram(), 0.1, how)[0] for how in ("spike", "frobenius")]
    assert (values[1] < values[0]).all()


def again_gram() -> np.ndarray:
    """A matrix of rank two, far above noise of 0.1."""
    vectors = np.linalg.qr(np.random.default_rng(2).normal(size=(20, 2)))[0]
    return vectors @ np.diag([40.0, 20.0]) @ vectors.T
