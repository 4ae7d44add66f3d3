"""What is known of a person turns lists, before the first event too; and no person is kept in the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from penchant.cli.main import main
from penchant.core.run import Run
from penchant.data.read import read_interactions
from penchant.ranking.features import declared
from penchant.ranking.questions import also_new, questions
from penchant.ranking.ranked import Ranked
from penchant.ranking.statistics import Names, Statistics
from penchant.recommender.recommender import Recommender, load
from penchant.training.fit import fit

DAY = 86_400
PEOPLE = 120


def visits(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """People of the north mostly take the first half of the items, those of the south the second."""
    rng = np.random.default_rng(seed)
    told = []
    for person in range(PEOPLE):
        for n in range(8):
            item = int(rng.integers(10)) + 10 * (person % 2) if rng.random() < 0.9 else int(rng.integers(20))
            time = DAY * 17_000 + person * 31 + n * DAY + int(rng.integers(DAY))
            told.append({"user": f"u{person}", "item": f"i{item:02}", "time": time})
    users = {"user": [f"u{n}" for n in range(PEOPLE)], "region": ["north", "south"] * (PEOPLE // 2)}
    return pl.DataFrame(told), pl.DataFrame({**users, "age": [20 + n % 50 for n in range(PEOPLE)]})


def few() -> Ranked:
    return Ranked(members=["item-knn", "popular"], trees=30, leaves=8, min_rows=5)


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    events, users = visits()
    return fit(read_interactions(events, users=users), few(), run=Run(threads=1))


def south(ids: list[Any]) -> float:
    return float(np.mean([int(str(item)[1:]) >= 10 for item in ids]))


def test_somebody_new_gets_the_list_of_their_region(recommender: Recommender) -> None:
    for region, low, high in (("north", 0, 0.2), ("South", 0.8, 1)):
        found = recommender.recommend([], 8, context={"region": region, "age": 31}, why=True)
        assert low <= south(found.ids) <= high
        assert not found.fallback
        assert found.strange == []
        assert any(f"region = {region.lower()}" in one.words for item in found for one in item.why.reasons)  # type: ignore[union-attr]
    plain, odd = (recommender.recommend([], 8, context=one) for one in (None, {"region": "west", "age": "old"}))
    assert plain.ids == odd.ids
    assert set(odd.strange) == {"region=west", "age=old"}


def test_the_folder_keeps_no_person(recommender: Recommender, tmp_path: Path) -> None:
    recommender.save(tmp_path / "model")
    for file in (tmp_path / "model").rglob("*"):
        assert file.is_dir() or b"u11" not in file.read_bytes()
    again = load(tmp_path / "model")
    said = {"region": "south", "age": 44}
    one, two = (found.recommend(["i01"], 8, context=said) for found in (recommender, again))
    assert [(x.item, x.score) for x in one] == [(x.item, x.score) for x in two]


def test_an_attribute_of_a_person_has_no_features_of_what_its_events_state(recommender: Recommender) -> None:
    statistics = recommender.model.statistics  # type: ignore[attr-defined]
    names = [one.name for one in declared(statistics, 2, Names([], []))]
    assert "context.0.item" in names
    assert "context.0.own" not in names
    assert "context.2.own" in names  # the hour
    assert isinstance(statistics, Statistics)


def test_every_fifth_question_is_also_that_of_somebody_new() -> None:
    events, users = visits()
    train = read_interactions(events, users=users).histories()
    (asked,) = questions(train, folds=4, each=2, rng=np.random.default_rng(0))
    found = also_new(asked)
    n = len(asked.answers)
    assert len(found.answers) == n + n // 5
    assert (found.given.lengths[n:] == 0).all()
    assert (found.given.lengths[:n] == asked.given.lengths).all()
    assert found.given.asked is not None
    assert asked.given.asked is not None
    np.testing.assert_array_equal(found.given.asked[n:], asked.given.asked[4::5])
    np.testing.assert_array_equal(found.answers[n:], asked.answers[4::5])
    assert not found.repeated[n:].any()
    assert found.given.now is not None
    np.testing.assert_array_equal(found.given.now[n:], found.given.now[4:n:5])


def test_shuffled_attributes_say_nothing() -> None:
    events, users = visits()
    mixed = users.with_columns(region=pl.col("region").shuffle(seed=3))
    found = fit(read_interactions(events, users=mixed), few(), run=Run(threads=1))
    lists = [set(found.recommend([], 8, context={"region": region}).ids) for region in ("north", "south")]
    assert 0.2 <= np.mean([south(list(ids)) for ids in lists]) <= 0.8
    assert abs(south(list(lists[0])) - south(list(lists[1]))) <= 0.5


def test_the_command_line_takes_a_table_of_users(
    recommender: Recommender, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events, users = visits()
    for name, table in (("log", events), ("users", users)):
        table.write_csv(tmp_path / f"{name}.csv")
    log, people, model = (str(tmp_path / name) for name in ("log.csv", "users.csv", "model"))
    recommender.save(model)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["recommend", model, "-k", "5", *arguments])
        return status, *capsys.readouterr()

    assert "i1" in run("--user", "u1", "--users", people)[1]
    with_log = run("--user", "u1", "--users", people, "--log", log, "--why")
    assert with_log[0] == 0
    assert "region = south" in with_log[1]
    assert (
        run("--user", "u1", "--users", people, "--log", log, "--json")[1]
        != run("--user", "u1", "--log", log, "--json")[1]
    )
    for arguments, words in (
        (("--user", "nobody", "--users", people), "the user table has no user 'nobody'"),
        (("--user", "u1", "--users", "store"), "name it with --store"),
        (("--user", "u1"), "need --log LOG"),
    ):
        status, _, said = run(*arguments)
        assert status != 0
        assert words in said
    out = str(tmp_path / "lists.csv")
    assert run("--all", "--log", log, "--users", people, "-o", out)[0] == 0
    frame = pl.read_csv(out)
    assert south(frame.filter(pl.col("user") == "u1")["item"].to_list()) >= 0.6
