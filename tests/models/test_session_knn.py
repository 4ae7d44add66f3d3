"""Session neighbours against their formula, session by session."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models.session_knn import SessionKNN

DAY = 86_400


def halved(steps: float, half_life: float | None) -> float:
    return 2 ** (-steps / half_life) if half_life else 1.0


def by_the_formula(model: SessionKNN, log: list[tuple[list[int], int]], history: list[int], n: int) -> np.ndarray:
    """One history; sessions are (items, time of the end); items are distinct."""
    sessions = sorted((s for s in log if s[0]), key=lambda s: s[1])
    count = np.maximum(np.bincount([i for s, _ in sessions for i in s], minlength=n), 1)
    common = [number for number, (s, _) in enumerate(sessions) if set(s) & set(history)]
    common = common[-model.sample :] if model.sample else common
    similar = []
    for number in common:
        s, ended = sessions[number]
        ages = {item: age for age, item in enumerate(reversed(history)) if item in s}
        sim = sum(halved(age, model.half_life) * count[item] ** -model.history_exponent for item, age in ages.items())
        match = min(ages, key=lambda item: ages[item])
        sim *= len(s) ** -model.length_exponent * halved(ages[match], model.match_half_life)
        sim *= halved((NOW - ended) / DAY, model.recency_days)
        similar.append((np.float32(sim), number, s.index(match)))
    out = np.zeros(n)
    for sim, number, at in sorted(similar, reverse=True)[: model.neighbourhood]:
        for place, item in enumerate(sessions[number][0]):
            near = halved(abs(place - at), model.distance_half_life) * (model.backward if place < at else 1)
            out[item] += sim * near / count[item] ** model.candidate_exponent
    return out


NOW = 40 * DAY


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[list[int], int]]:
    rows = draw(st.lists(st.lists(st.integers(0, 6), max_size=5, unique=True), min_size=1, max_size=9).filter(any))
    days = draw(st.permutations(range(1, 1 + len(rows))))  # no two end together
    return [(row, DAY * day) for row, day in zip(rows, days, strict=True)]


def histories(rows: list[tuple[list[int], int]]) -> Histories:
    times = [[end - len(row) + 1 + n for n in range(len(row))] for row, end in rows]
    return Histories.from_lists([row for row, _ in rows], 7, times=times)


@settings(max_examples=80, deadline=None)
@given(
    logs(),
    st.lists(st.integers(0, 6), max_size=5, unique=True),
    st.sampled_from([None, 1.5]),
    st.sampled_from([None, 0.7]),
    st.sampled_from([None, 3]),
    st.sampled_from([2, 50]),
    st.sampled_from([0.0, 0.3]),
)
def test_equals_the_formula(
    log: list[tuple[list[int], int]],
    history: list[int],
    half: float | None,
    other: float | None,
    sample: int | None,
    k: int,
    backward: float,
) -> None:
    model = SessionKNN(
        half_life=half, distance_half_life=other, match_half_life=half, recency_days=other and 10 * other,
        sample=sample, neighbourhood=k, backward=backward, history_exponent=0.37, length_exponent=0.61,
        candidate_exponent=other or 0.0,
    ).fit(histories(log))  # fmt: skip
    told = model.score(histories([(history, NOW)]))[0]
    expected = by_the_formula(model, log, history, 7)
    np.testing.assert_allclose(told, expected, rtol=2e-4, atol=1e-7)


def test_sknn_is_the_plain_form() -> None:
    log = Histories.from_lists([[0, 1, 2], [2, 3], [4, 5]], 6)
    plain = {"half_life": None, "distance_half_life": None, "backward": 1.0, "history_exponent": 0.0}
    scores = SessionKNN(**plain).fit(log).score(Histories.from_lists([[2, 0]], 6))[0]
    first, second = 2 / np.sqrt(3), 1 / np.sqrt(2)
    np.testing.assert_allclose(scores, [first, first, first + second, second, 0, 0], rtol=1e-6)


def test_the_newest_sessions_are_compared_and_ties_go_to_the_newest() -> None:
    log = Histories.from_lists([[0, 1], [0, 2], [0, 3]], 4, times=[[5, 6], [9, 9], [7, 8]])
    one = SessionKNN(sample=1).fit(log).score(Histories.from_lists([[0]], 4))[0]
    np.testing.assert_array_equal(one > 0, [True, False, True, False])
    two = SessionKNN(neighbourhood=2).fit(log).score(Histories.from_lists([[0]], 4))[0]
    np.testing.assert_array_equal(two > 0, [True, False, True, True])


@pytest.mark.parametrize("sample", [None, 5])
def test_blocks_change_nothing(sample: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    rows = [[int(i) for i in rng.choice(20, 4, replace=False)] for _ in range(120)]
    model = SessionKNN(sample=sample, neighbourhood=4).fit(Histories.from_lists(rows[:60], 20), run=Run(threads=1))
    asked = Histories.from_lists(rows[60:], 20)
    one = model.score(asked)
    monkeypatch.setattr("penchant.models.session_knn.ROWS", 7)
    np.testing.assert_array_equal(one, model.score(asked))


def test_events_so_old_that_they_weigh_nothing_meet_a_session_once() -> None:
    """After some 150 half-lives a weight is zero in float32: the sum no longer tells whether a session was met."""
    many = 400
    log = [(list(range(many)), DAY), *(([item], DAY * (2 + item)) for item in range(many))]
    train = Histories.from_lists([row for row, _ in log], many)
    model = SessionKNN(half_life=2.0, sample=None, neighbourhood=1_000).fit(train)
    expected = by_the_formula(model, log, log[0][0], many)
    np.testing.assert_allclose(model.score(train[:1])[0], expected, rtol=2e-4, atol=1e-7)
