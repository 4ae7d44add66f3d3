"""Not again after so many impressions: a list, a user of a log, a whole log, and the service agree."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from penchant.data.interactions import Interactions
from penchant.data.read import read_interactions
from penchant.errors import ParameterError
from penchant.models.popular import Popular
from penchant.recommender.recommender import Recommender
from penchant.serve.answers.history import history_of
from penchant.serve.answers.models import ServedModel
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.store.events import StoredEvent
from penchant.training.fit import fit

EVENTS = [  # of ann: c was shown three times since it was viewed, d twice, e once after a view
    ("ann", "a", "view", 10), ("ann", "d", "impression", 11), ("ann", "c", "impression", 12), ("ann", "c", "view", 13),
    ("ann", "c", "impression", 14), ("ann", "c", "impression", 15), ("ann", "c", "impression", 16),
    ("ann", "d", "impression", 17), ("ann", "new", "impression", 17), ("ann", "e", "impression", 18),
    ("ann", "b", "view", 30), ("bob", "a", "view", 1), ("bob", "d", "view", 2), ("bob", "e", "view", 3),
    ("bob", "f", "view", 4), ("bob", "b", "impression", 9),
]  # fmt: skip


def table(events: list[tuple[str, str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(events, schema=["user", "item", "kind", "time"], orient="row")


@pytest.fixture(scope="module")
def log() -> Interactions:
    return read_interactions(table([event for event in EVENTS if event[1] != "new"]))


@pytest.fixture(scope="module")
def popular(log: Interactions) -> Recommender:
    return fit(log, Popular())


def of(person: str) -> list[dict[str, object]]:
    return [{"item": item, "kind": kind, "time": time} for who, item, kind, time in EVENTS if who == person]


def test_reading_keeps_impressions_apart(log: Interactions) -> None:
    assert len(log) == 7 and log.n_users == 2
    assert log.shown is not None
    assert [[log.vocab.ids[item] for item in log.shown[r : r + 1].items] for r in (0, 1)] == [
        ["d", "c", "c", "c", "c", "d", "e"], ["b"]
    ]  # fmt: skip
    assert log.shown.times is not None and log.shown.times.tolist() == [11, 12, 14, 15, 16, 17, 18, 9]
    some = log.where(log.times < 14)  # what was shown after the newest event that is left goes with it
    assert some.shown is not None and some.shown.times is not None and some.shown.times.tolist() == [11, 12]
    weighed = read_interactions(table(EVENTS), kinds={"impression": 0.5})
    assert weighed.shown is None and len(weighed) == len(EVENTS)


@pytest.mark.parametrize(("most", "left"), [(0, "def"), (1, "f"), (2, "ef"), (3, "def")])
def test_every_way_leaves_out_the_same(
    popular: Recommender, log: Interactions, tmp_path: Path, most: int, left: str
) -> None:
    def ids(answer: object) -> str:
        return "".join(sorted(entry.item for entry in answer))  # type: ignore[attr-defined]

    assert ids(popular.recommend(of("ann"), 9, most_impressions=most)) == left
    given, _ = popular.translation.of_user(log, "ann")
    assert ids(popular.recommend(given, 9, most_impressions=most)) == left
    everyone = {answer.user: answer for answer in popular.recommend_all(log, 9, most_impressions=most)}
    assert ids(everyone["ann"]) == left
    assert ids(everyone["bob"]) == ("bc" if most == 0 or most > 1 else "c")
    popular.write_all(log, tmp_path / "lists.csv", 9, most_impressions=most)
    written = pl.read_csv(tmp_path / "lists.csv").filter(pl.col("user") == "ann")
    assert "".join(sorted(written["item"])) == left
    served = ServedModel("m", popular, LiveCatalogue(popular))
    stored = [StoredEvent(item, kind, None, time, n) for n, (who, item, kind, time) in enumerate(EVENTS)]
    stored = [row for row, event in zip(stored, EVENTS, strict=True) if event[0] == "ann"]
    stored.sort(key=lambda row: row.time)
    seen = history_of(served, stored[::-1], 40, recent=50, dislike_days=1.0, most_impressions=most)
    assert {popular.vocab.ids[at] for at in seen.tired} - {"c"} == set("def") - set(left)


def test_repeat_has_no_such_limit_and_a_wrong_number_is_refused(popular: Recommender, log: Interactions) -> None:
    assert popular.recommend(of("ann"), 9, repeat=True, most_impressions=1).ids == popular.recommend(
        of("ann"), 9, repeat=True
    ).ids  # fmt: skip
    with pytest.raises(ParameterError, match="whole number from 0"):
        popular.recommend(of("ann"), 9, most_impressions=-1)
    with pytest.raises(ParameterError, match="whole number from 0"):
        list(popular.recommend_all(log, most_impressions=-1))
