"""Moods that nobody states: found on a planted log of sessions, calibrated, and no more sure than the log allows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from penchant.core.histories import Histories
from penchant.data.read import read_interactions
from penchant.errors import DataError, FormatError, ParameterError
from penchant.ranking.moods import FIRM, PAUSE, Moods, judged, latest, macro_f1, profiles, sessions_until
from penchant.ranking.ranked import Ranked
from penchant.recommender.recommender import load
from penchant.training.fit import fit
from tests.ranking.test_ranked import FEW

MOODS, ITEMS, DAY = 4, 40, 86_400
PACES = (20, 60, 300, 900)  # seconds between events, by mood
SKIPS = (0.05, 0.4, 0.1, 0.25)


def planted(people: int = 150, sessions: int = 6, seed: int = 0, told: float = 0.5) -> tuple[Histories, np.ndarray]:
    """Each mood has its own ten items, three times of four, its pace and its skips; and the mood of every event."""
    rng = np.random.default_rng(seed)
    items, times, liked, moods, stated, indptr = [], [], [], [], [], [0]
    for person in range(people):
        for number in range(sessions):
            mood = int(rng.integers(MOODS))
            says, now = rng.random() < told, DAY * (20_000 + number) + int(rng.integers(DAY // 2)) + person
            for _ in range(6):
                own = rng.random() < 0.75
                items.append(10 * mood + int(rng.integers(10)) if own else int(rng.integers(ITEMS)))
                now += 1 + int(rng.exponential(PACES[mood])) % (PAUSE - 1)
                times.append(now)
                liked.append(rng.random() >= SKIPS[mood])
                moods.append(mood)
                stated.append(mood if says else -1)
        indptr.append(len(items))
    log = Histories(
        np.array(indptr), np.array(items), ITEMS, times=np.array(times), liked=np.array(liked),
        context=np.array(stated)[:, None],
    )  # fmt: skip
    return log, np.array(moods)


@pytest.fixture(scope="module")
def moods() -> Moods:
    return Moods.fit(planted()[0], 0)


def test_moods_of_a_planted_log_are_found_and_calibrated(moods: Moods) -> None:
    log, truth = planted(seed=1)
    ends = np.flatnonzero(np.arange(len(log.items)) % 6 == 5)
    found = judged(moods.infer(sessions_until(log, ends)), truth[ends])
    assert found["macro_f1"] >= 0.8 and found["calibration_error"] <= 0.05
    assert found["majority_macro_f1"] < 0.2
    own = moods.judged  # what it says of itself, over sessions that have hardly begun, too
    assert 0.6 < own["macro_f1"] <= found["macro_f1"] and own["calibration_error"] <= 0.05


def test_where_there_is_nothing_to_find_it_is_not_sure() -> None:
    log, _ = planted()
    assert log.context is not None
    noise = np.repeat(np.random.default_rng(0).integers(0, MOODS, len(log.items) // 6), 6)
    blind = Moods.fit(replace(log, context=noise[:, None].astype(np.int32)), 0)
    assert blind.judged["macro_f1"] < 0.35 and blind.judged["calibration_error"] <= 0.05
    filled, shares = blind.fill(planted(seed=1)[0])
    assert filled.asked is not None and (filled.asked >= 0).mean() < 0.1 and shares.max() < 0.7


def test_a_profile_is_shrunken_to_the_mean_of_the_item() -> None:
    log = Histories.from_lists([[0, 0, 0, 1], [1, 2, 2, 2]], 4)
    log = replace(log, context=np.array([0, 0, 1, 1, 0, 1, 1, -1], np.int32)[:, None])
    found = profiles(log, 0, 2)
    share = np.array([4, 5]) / 9
    np.testing.assert_allclose(found[0], np.log((np.array([2, 1]) + FIRM * share) / (3 + FIRM) / share))
    np.testing.assert_allclose(found[3], 0, atol=1e-12)  # nobody chose it


def test_a_session_ends_with_a_pause_and_never_looks_ahead() -> None:
    times = [[0, 60, 60 + PAUSE, 61 + 2 * PAUSE, 100 + 2 * PAUSE]]
    log = Histories.from_lists([[0, 1, 2, 3, 4]], 5, times=times)
    found = sessions_until(log, np.arange(5))
    assert [found.row(r).tolist() for r in range(5)] == [[0], [0, 1], [0, 1, 2], [3], [3, 4]]
    assert latest(log).row(0).tolist() == [3, 4]
    late = replace(log, now=np.array([101 + 3 * PAUSE]))
    assert latest(late).row(0).tolist() == []
    assert sessions_until(replace(log, times=None, ordered=False), np.array([2])).row(0).tolist() == [2]


def test_only_silent_requests_are_filled(moods: Moods) -> None:
    log, truth = planted(people=20, seed=2)
    asked = np.full((20, 1), -1, np.int32)
    asked[:5] = 3
    filled, shares = moods.fill(replace(log, asked=asked))
    assert filled.asked is not None and (filled.asked[:5, 0] == 3).all()
    sure = shares.max(axis=1) >= 0.5
    last = truth[log.indptr[1:] - 1]
    assert sure[5:].any() and (filled.asked[5:][sure[5:], 0] == shares.argmax(axis=1)[5:][sure[5:]]).all()
    assert (filled.asked[5:, 0] == last[5:]).mean() > 0.6
    assert (filled.asked[5:][~sure[5:], 0] == -1).all()
    nobody, _ = moods.fill(log[:1].without_events())
    assert nobody.asked is not None and nobody.asked[0, 0] == -1


def test_what_is_read_back_fits_or_is_refused(moods: Moods) -> None:
    again = Moods.of(moods.to_json(), moods.arrays(), ITEMS)
    log = planted(people=10, seed=3)[0]
    np.testing.assert_array_equal(again.infer(log), moods.infer(log))
    for stated, arrays, n in (
        (moods.to_json() | {"column": -1}, moods.arrays(), ITEMS),
        (moods.to_json() | {"temperature": 0.0}, moods.arrays(), ITEMS),
        (moods.to_json(), moods.arrays() | {"weights": moods.weights[1:]}, ITEMS),
        (moods.to_json(), moods.arrays(), ITEMS + 1),
        (moods.to_json() | {"judged": {"macro_f1": "good"}}, moods.arrays(), ITEMS),
    ):
        with pytest.raises(FormatError):
            Moods.of(stated, arrays, n)
    with pytest.raises(DataError, match="two values"):
        Moods.fit(replace(log, context=np.zeros((len(log.items), 1), np.int32)), 0)


def test_macro_f1_is_that_of_a_loop() -> None:
    said, true = np.array([0, 0, 1, 2, 2, 1]), np.array([0, 1, 1, 2, 0, 0])
    each = []
    for value in (0, 1, 2):
        hit = sum(a == b == value for a, b in zip(said, true, strict=True))
        each.append(2 * hit / (sum(said == value) + sum(true == value)))
    assert macro_f1(said, true) == pytest.approx(np.mean(each))


def test_a_silent_request_is_answered_as_its_session_sounds(tmp_path: Path) -> None:
    log = read_interactions(feelings(), context="mood")
    assert fit(log, Ranked(**FEW)).moods is None  # unless asked for
    made = fit(log, Ranked(**FEW), infer="mood")
    assert made.fitted_on["inferred"]["macro_f1"] > made.fitted_on["inferred"]["majority_macro_f1"] + 0.2
    made.save(tmp_path / "model")
    for one in (made, load(tmp_path / "model")):
        for mood, items in (("happy", ["i01", "i02", "i03", "i04"]), ("sad", ["i16", "i17", "i18", "i19"])):
            session = [{"item": item, "time": DAY * 20_000 + n} for n, item in enumerate(items)]
            silent, said, strange = (
                one.recommend(session, 8, context=context) for context in (None, {"mood": mood}, {"mood": "hangry"})
            )
            assert silent.ids == said.ids == strange.ids
    with pytest.raises(ParameterError, match="mood"):
        fit(log, Ranked(**FEW), infer="weather")
    with pytest.raises(ParameterError, match="uses contexts"):
        fit(log, "popular", infer="mood")
    (tmp_path / "model" / "moods.safetensors").write_bytes(b"x" * 50)
    with pytest.raises(FormatError):
        load(tmp_path / "model")


def test_what_was_written_tells_a_mood_and_reasons_say_what_is_inferred(tmp_path: Path) -> None:
    made = fit(read_interactions(feelings(), context="mood"), Ranked(**FEW), infer="mood")
    at = DAY * 20_000
    happy: list[dict[str, Any]] = [{"item": f"i0{n}", "time": at + n} for n in range(1, 5)]
    sad = [*happy[:3], {**happy[3], "text": "I feel so sad and lonely"}]

    def words(answer: Any) -> str:
        return " ".join(reason.words for one in answer for reason in one.why.reasons)

    read = made.recommend(sad, 8, why=True)
    assert read.ids == made.recommend(sad, 8, context={"mood": "sad"}).ids
    assert "mood = sad (inferred from what was written)" in words(read)
    assert "mood = happy (inferred from the session)" in words(made.recommend(happy, 8, why=True))
    stated = words(made.recommend(sad, 8, why=True, context={"mood": "happy"}))
    assert "mood = happy" in stated and "inferred" not in stated
    late = made.recommend(sad, 8, now=at + PAUSE + 60, why=True)
    assert "mood =" not in words(late)  # another session
    made.moods = None  # nobody asked for moods
    assert "mood =" not in words(made.recommend(sad, 8, why=True))


def feelings() -> pl.DataFrame:
    """Sessions of four events in one mood; whoever is sad takes the second half of the items."""
    rng = np.random.default_rng(0)
    told = []
    for person in range(120):
        for session in range(4):
            sad = bool(rng.integers(2))
            for n in range(4):
                item = int(rng.integers(15)) + 15 * sad
                time = DAY * (17_000 + session) + person * 31 + n * 60
                mood = "sad" if sad else "happy"
                told.append({"user": f"u{person}", "item": f"i{item:02}", "time": time, "mood": mood})
    return pl.DataFrame(told)
