"""Lists by a placement from the library and the command line: every rule does what it says, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.errors import ParameterError
from penchant.placements.reading import read_placement
from penchant.recommender.recommender import Recommender
from penchant.training.fit import fit

DAY = 86_400
N = 24


@pytest.fixture(scope="module")
def log() -> pc.Interactions:
    """People of three tastes; the items of a taste share a genre, and every fourth item is new."""
    dice = np.random.default_rng(1)
    rows = []
    for person in range(60):
        liked = [n for n in range(N) if n % 3 == person % 3]
        chosen = [*dice.choice(liked, 4, replace=False).tolist(), int(dice.integers(N))]
        rows += [{"user": f"p{person}", "item": f"i{n}", "time": DAY * (100 + at)} for at, n in enumerate(chosen)]
    return read_interactions(pl.DataFrame(rows))


@pytest.fixture(scope="module")
def rec(log: pc.Interactions) -> Recommender:
    table = pl.DataFrame(
        {
            "item": [f"i{n}" for n in range(N)],
            "title": [f"Title {n}" for n in range(N)],
            "genre": ["abc"[n % 3] for n in range(N)],
            "new": [n % 4 == 0 for n in range(N)],
            "margin": [n / N for n in range(N)],
            "creator": [f"p{n % 5}" for n in range(N)],
            "url": [f"https://shop.example/{n}" for n in range(N)],
            "available": [n != 3 for n in range(N)],
        }
    )
    return fit(log, pc.ItemKNN(), catalog=Catalog.read(table, log.vocab))


HISTORY = ["i0", "i6"]


def asked(rec: Recommender, history=HISTORY, about=None, **rules):
    return rec.recommend(history, placement=read_placement("home", {"k": 6, **rules}), **(about or {}))


def value(rec: Recommender, item: str, name: str):
    return rec.catalog.attributes[name][rec.index(item)]


def test_without_rules_it_is_the_list_of_the_model(rec: Recommender):
    plain = rec.recommend(HISTORY, 6)
    placed = asked(rec)
    assert placed.ids == plain.ids
    assert [one.score for one in placed] == [one.score for one in plain]
    assert all(one.rules == () for one in placed)
    assert placed.loosened == []


def test_where_and_at_most_and_at_least_hold_and_are_told(rec: Recommender):
    told = asked(
        rec, where={"attribute": "margin", "from": 0.1}, at_most=[{"attribute": "genre", "items": 3}],
        at_least=[{"where": {"attribute": "new", "in": [True]}, "items": 3}],
    )  # fmt: skip
    genres = [value(rec, one, "genre") for one in told.ids]
    assert max(map(genres.count, genres)) == 3
    assert sum(bool(value(rec, one, "new")) for one in told.ids) >= 3
    assert min(value(rec, one, "margin") for one in told.ids) >= 0.1
    assert told.loosened == []
    assert any("at_most 3: genre" in one.rules for one in told)
    document = told.to_json()
    assert document["placement"] == "home"
    assert document["items"][0].keys() >= {"item", "score", "rules"}


def test_a_boost_lifts_its_items_and_says_so(rec: Recommender):
    told = asked(rec, boost=[{"where": {"attribute": "genre", "in": ["b"]}, "by": 10}])
    assert all(value(rec, one, "genre") == "b" for one in told.ids)
    assert all("boost +10: genre = b" in one.rules for one in told)


def test_a_pin_stands_where_it_should_until_its_moment(rec: Recommender):
    pin = [{"item": "i1", "position": 2, "until": "1970-06-01T00:00Z"}]
    assert asked(rec, pin=pin, about={"now": 0}).ids[1] == "i1"
    assert asked(rec, pin=pin, about={"now": 0})[1].rules[0] == "pin i1 at 2"
    late = asked(rec, pin=pin, about={"now": 200 * DAY})
    assert late.ids == asked(rec).ids
    assert late.loosened == []
    assert asked(rec, pin=pin, candidates=6, about={"now": 0}).ids[1] == "i1"  # it need not be a candidate
    gone = asked(rec, pin=[{"item": "i3", "position": 1}])
    assert "i3" not in gone.ids
    assert gone.loosened == ["pin i3 at 1: left out by unavailable: loosen it"]


def test_rules_that_cannot_be_kept_say_which_to_loosen(rec: Recommender):
    rules = {
        "where": {"attribute": "genre", "in": ["a"]},
        "at_least": [{"where": {"attribute": "genre", "in": ["b"]}, "items": 2}],
    }
    told = asked(rec, **rules)
    assert told.loosened == ["at_least 2: genre = b: only 0 of 2 could be met; loosen where"]
    few = asked(rec, at_most=[{"attribute": "genre", "items": 1}])
    assert len(few) == 3
    assert few.loosened == ["only 3 of 6 items: loosen at_most 1: genre"]


def test_what_was_bought_lately_and_what_is_ones_own_is_left_out(rec: Recommender):
    bought = [{"item": "i9", "kind": "purchase", "time": 100 * DAY}, {"item": "i6", "kind": "view", "time": 150 * DAY}]
    about = {"now": 160 * DAY}
    free = asked(rec, bought, about, k=24, repeat="allowed")
    assert {"i9", "i6"} <= set(free.ids)
    rule, brief = [{"kind": "purchase", "within": "90d"}], [{"kind": "purchase", "within": "10d"}]
    assert "i9" not in asked(rec, bought, about, k=24, repeat="allowed", exclude=rule).ids
    assert "i9" in asked(rec, bought, about, k=24, repeat="allowed", exclude=brief).ids
    again = asked(rec, bought, about, k=24, repeat="buy-again")
    assert "i9" in again.ids
    assert "i6" not in again.ids
    mine = asked(rec, about={"person": "p2"}, k=15, exclude=[{"own": "creator"}])
    assert "p2" not in {value(rec, one, "creator") for one in mine.ids}
    assert "p2" in {value(rec, one, "creator") for one in asked(rec, k=15).ids}


def test_impressions_without_a_click_tire(rec: Recommender):
    first = asked(rec, ["i0"]).ids[0]
    shown = [{"item": first, "kind": "impression", "time": DAY * n} for n in range(3)]
    click = [{"item": "i0", "kind": "view", "time": 0}]
    rule = [{"impressions": 3, "without": "click"}]
    assert first not in asked(rec, click + shown, exclude=rule).ids
    assert first in asked(rec, click + shown[:2], exclude=rule).ids


def test_nobody_and_a_new_person_get_the_fallback_under_the_same_rules(rec: Recommender):
    for history, whom in (([], "person"), ([], "nobody")):
        told = asked(rec, history, **{"for": whom}, at_most=[{"attribute": "genre", "items": 2}])
        assert told.fallback
        genres = [value(rec, one, "genre") for one in told.ids]
        assert sorted(genres) == list("aabbcc")
        assert all("fallback popular" in one.rules for one in told)


def test_a_product_page_shows_what_is_like_its_item(rec: Recommender):
    told = asked(rec, ["i0"], **{"for": "item"}, fallback=[])
    like = rec.similar("i0", 6)
    assert told.ids == like.ids
    with pytest.raises(ParameterError, match="is for an item"):
        asked(rec, HISTORY, **{"for": "item"})


@pytest.mark.parametrize("method", ["mmr", "dpp"])
def test_diversity_makes_items_differ(rec: Recommender, method: str):
    plain = [value(rec, one, "genre") for one in asked(rec, repeat="allowed").ids]
    about = {"weight": 0.9, "method": method, "over": "genre"}
    told = asked(rec, repeat="allowed", diversity=about)
    genres = [value(rec, one, "genre") for one in told.ids]
    assert len(set(genres[:3])) == 3
    assert len(set(genres)) > len(set(plain)) or len(set(plain)) == 3
    assert told.ids != asked(rec, repeat="allowed").ids


def test_calibration_follows_the_shares_of_the_history(rec: Recommender):
    half = ["i0", "i3", "i1", "i4"]  # two of genre a, two of genre b
    told = asked(rec, half, calibrate={"attribute": "genre", "weight": 0.95})
    genres = [value(rec, one, "genre") for one in told.ids]
    assert (genres.count("a"), genres.count("b"), genres.count("c")) == (3, 3, 0)


def test_exploration_keeps_the_rules_and_its_chances_are_true(rec: Recommender):
    rules = {"at_most": [{"attribute": "genre", "items": 2}], "pin": [{"item": "i1", "position": 2}]}
    one = read_placement("home", {"k": 3, **rules, "explore": {"method": "plackett-luce", "top": 4, "temperature": 1}})
    from penchant.recommender import placing

    first: dict[str, list[float]] = {}
    for seed in range(1500):
        told = placing.answer(rec, HISTORY, one, seed=seed)
        assert told.ids[1] == "i1"
        assert told.chances[1] == 1
        genres = [value(rec, item, "genre") for item in told.ids]
        assert max(map(genres.count, genres)) <= 2
        first.setdefault(told.ids[0], []).append(told.chances[0])
    assert len(first) == 4
    assert sum(chances[0] for chances in first.values()) == pytest.approx(1)
    for chances in first.values():
        assert len(set(chances)) == 1
        assert len(chances) / 1500 == pytest.approx(chances[0], abs=0.05)


def test_why_not_names_the_rank_the_rule_and_what_would_change_it(rec: Recommender):
    def why_not(item: str, **rules):
        return rec.why_not(HISTORY, item, read_placement("home", {"k": 6, **rules}))

    listed = asked(rec).ids
    assert why_not(listed[0])["would_need"] == "nothing: it is number 1"
    assert why_not("i3")["removed_by"] == "unavailable"
    seen = why_not("i0")
    assert seen["removed_by"] == "repeat"
    assert seen["would_need"].startswith('repeat = "allowed"')
    other = {"attribute": "genre", "in": ["b"]}
    found = why_not(listed[0], where=other)
    assert found["removed_by"] == "where"
    assert found["would_need"] == "no rule 'where': it would be number 1"
    second = next(one for one in listed[1:] if value(rec, one, "genre") == value(rec, listed[0], "genre"))
    limited = why_not(second, at_most=[{"attribute": "genre", "items": 1}])
    assert limited["rank"] > 1
    assert limited["removed_by"] == "at_most 1: genre"
    assert limited["would_need"] == f"no rule 'at_most 1: genre': it would be number {listed.index(second) + 1}"


@pytest.mark.parametrize("candidates", [10, 200])
def test_everybody_gets_what_each_would_get_alone(rec: Recommender, log: pc.Interactions, candidates: int):
    rules = {
        "at_most": [{"attribute": "genre", "items": 3}],
        "boost": [{"where": {"attribute": "new", "in": [True]}, "by": 0.4}],
        "at_least": [{"where": {"attribute": "margin", "to": 0.4}, "items": 2}], "pin": [{"item": "i1", "position": 3}],
        "exclude": [{"kind": "purchase", "within": "2d"}],
    }  # fmt: skip
    one = read_placement("home", {"k": 6, "candidates": candidates, **rules})
    now = int(log.times.max())
    for number, told in enumerate(rec.recommend_all(log, placement=one)):
        alone = rec.recommend(log.histories()[number : number + 1], placement=one, now=now)
        assert told.ids == alone.ids
        assert [item.rules for item in told] == [item.rules for item in alone]
        assert told.loosened == alone.loosened


def test_an_unknown_attribute_is_refused_by_name(rec: Recommender):
    with pytest.raises(ParameterError, match="no item has the attribute 'gnre'; did you mean 'genre'"):
        asked(rec, at_most=[{"attribute": "gnre", "items": 2}])
    with pytest.raises(ParameterError, match="no placement 'home'; there are none"):
        rec.recommend(HISTORY, placement="home")


def test_the_command_line_writes_a_mail(rec: Recommender, tmp_path: Path, capsys, monkeypatch):
    rec.save(tmp_path / "model")
    rows = [f"p{n},i{n % N},{DAY * (100 + n)}" for n in range(30)]
    (tmp_path / "log.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n")
    (tmp_path / "penchant.toml").write_text(
        '[placements.mail]\nk = 3\nat_most = [{attribute = "genre", items = 2}]\n'
        'exclude = [{kind = "purchase", within = "30d"}]\n'
    )
    monkeypatch.chdir(tmp_path)
    command = ["recommend", "model", "--placement", "mail", "--all", "--log", "log.csv", "-o", "mail.csv", "--why"]
    assert main(command) == 0
    table = pl.read_csv("mail.csv")
    assert table.columns == ["user", "rank", "item", "title", "url", "because", "score", "fallback"]
    assert table.group_by("user").len()["len"].to_list() == [3] * 30
    assert table["url"].str.starts_with("https://shop.example/").all()
    capsys.readouterr()
    assert main(["recommend", "model", "--placement", "mail", "--history", "i0", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["placement"] == "mail"
    assert len(document["items"]) == 3
    assert main(["recommend", "model", "--placement", "mial", "--history", "i0"]) == 2
    assert "did you mean 'mail'" in capsys.readouterr().err


def test_a_mail_that_explores_keeps_its_chances_and_is_drawn_once(rec: Recommender, tmp_path: Path, monkeypatch):
    from penchant.store.events import EventStore
    from penchant.store.exposures import Exposures

    rec.save(tmp_path / "model")
    (tmp_path / "log.csv").write_text("user,item,time\np1,i1,100\np1,i4,200\np2,i2,300\np2,i5,400\n")
    (tmp_path / "penchant.toml").write_text("[placements.mail]\nk = 3\nexplore = {top = 6, temperature = 1.0}\n")
    monkeypatch.chdir(tmp_path)
    url = "sqlite:///shown.db"
    written = []
    for name in ("one.csv", "two.csv"):
        command = [
            "recommend",
            "model",
            "--placement",
            "mail",
            "--all",
            "--log",
            "log.csv",
            "-o",
            name,
            "--expose",
            url,
        ]
        assert main(command) == 0
        written.append(Path(name).read_text())
    assert written[0] == written[1]
    store = EventStore(url)
    store.open()
    try:
        (kept,) = Exposures(store).of("u:p1")
    finally:
        store.close()
    assert kept.placement == "mail"
    assert len(kept.chances) == 3
    assert all(0 < chance < 1 for chance in kept.chances)
    assert kept.items == [row.split(",")[2] for row in written[0].splitlines() if row.startswith("p1,")]
