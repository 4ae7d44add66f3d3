"""Who wants an item: those whose taste it is, without those who have it, and the lift that was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.data.read import read_interactions
from penchant.errors import ParameterError
from penchant.recommender.segments import estimate, segment, standing_out

PEOPLE, SHELF = 120, 8


@pytest.fixture(scope="module")
def log() -> pc.Interactions:
    """Half of the people like the items a0 to a7, the others b0 to b7; each has five of them in random order."""
    dice = np.random.default_rng(3)
    rows = [
        {"user": f"p{person}", "item": f"{'ab'[person % 2]}{n}", "time": 100 * person + at}
        for person in range(PEOPLE)
        for at, n in enumerate(dice.choice(SHELF, 5, replace=False).tolist())
    ]
    return read_interactions(pl.DataFrame(rows))


@pytest.fixture(scope="module")
def rec(log: pc.Interactions):
    return pc.fit(log, pc.ItemKNN())


def test_the_people_are_those_of_the_taste_who_do_not_have_it(rec, log):
    item = rec.index("a0")
    found = segment(rec, log, np.array([item]), 15)
    has = {log.user_ids[user] for user in log.users[log.items == log.vocab.index("a0")].tolist()}
    assert len(found.people) == 15
    assert all(int(person[1:]) % 2 == 0 for person in found.people)
    assert has.isdisjoint(found.people)
    assert found.scores == sorted(found.scores, reverse=True)
    everyone = segment(rec, log, np.array([item]), 10_000)
    assert len(everyone.people) == PEOPLE - len(has)


def test_the_lift_is_that_of_the_newest_events_that_were_held_out(rec, log):
    item = np.array([rec.index("a0")])
    given = rec.translation.of_log(log)[0]
    told = estimate(rec, given, item, 0.3)
    newest = given.items[given.indptr[1:] - 1]
    assert told.taken == int((newest == item[0]).sum()) == sum(newest == item[0])
    assert told.lift == pytest.approx(told.hits / told.chosen / (told.taken / told.people))
    assert told.low < told.lift < told.high
    assert told.lift > 1.3  # those of the taste take it about twice as often as everybody
    whole = estimate(rec, given, item, 1.0)
    assert whole is None or whole.lift == pytest.approx(1)


def test_too_few_events_give_no_estimate_and_bad_input_is_refused(rec, log):
    given = rec.translation.of_log(log)[0]
    some = given[:6]
    assert estimate(rec, some, np.array([rec.index("a0")]), 0.5) is None
    assert np.isneginf(standing_out(rec, given.without_events(), np.array([0]))).all()
    with pytest.raises(ParameterError):
        segment(rec, log, np.array([0]), 0)
    with pytest.raises(ParameterError, match="at least one item"):
        segment(rec, log, np.array([], np.int32), 5)


def test_the_command_writes_them(rec, log, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rec.save(tmp_path / "model")
    rows = [
        f"{log.user_ids[u]},{log.vocab.ids[i]},{t}" for u, i, t in zip(log.users, log.items, log.times, strict=True)
    ]
    (tmp_path / "log.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n")
    asked = ["segment", str(tmp_path / "model"), "--item", "a0", "-k", "7", "--log", str(tmp_path / "log.csv")]
    assert main([*asked, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["user"] for one in document["people"]] == segment(rec, log, np.array([rec.index("a0")]), 7).people
    assert main([*asked, "-o", str(tmp_path / "people.csv")]) == 0
    assert "7 people; lift" in capsys.readouterr().out
    assert pl.read_csv(tmp_path / "people.csv")["user"].to_list() == [one["user"] for one in document["people"]]
    assert main([*asked, "--where", "{}"]) == 2
    assert "--item, or a category with --where" in capsys.readouterr().err
