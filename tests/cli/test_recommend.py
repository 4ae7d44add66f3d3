"""Answers on the command line: for a typed history, for a user, for everybody; items like one; reasons."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import penchant as pc
from penchant.errors import AmbiguousItemError, UnknownItemError


def test_a_typed_history_gets_titles_and_reasons(run, shop: Path) -> None:
    said = run("recommend", shop / "model", "--history", "dune messiah", "--history", "b2", "-k", 3, "--why")
    assert said.code == 0
    assert said.err == ""
    assert "because of" in said.out
    assert "Dune Messiah" in said.out


def test_the_json_is_that_of_the_library(run, shop: Path) -> None:
    asked = ["--history", "Emma", "--history", "b8", "-k", 4, "--exclude", "villette", "--why", "--json"]
    said = run("recommend", shop / "model", *asked)
    document = json.loads(said.out)
    rec = pc.load(shop / "model")
    assert document == rec.recommend(["b7", "b8"], 4, exclude=["b11"], why=True).to_json()
    assert said.out.count("\n") == 1
    assert "b11" not in [entry["item"] for entry in document["items"]]
    again = json.loads(run("recommend", shop / "model", "--history", "b7", "--repeat", "-k", 99, "--json").out)
    assert "b7" in [entry["item"] for entry in again["items"]]
    assert len(again["items"]) == 12  # k above the catalogue gives all


def test_several_titles_are_listed_with_exit_code_2(run, shop: Path) -> None:
    said = run("recommend", shop / "model", "--history", "er", "-k", 3)
    assert said.code == 2
    assert said.out == ""
    listed = said.err.splitlines()[1:]
    assert [line.split(maxsplit=1) for line in listed] == [
        [item_id, title] for item_id, title in pc.load(shop / "model").catalog.find("er")
    ]
    assert len(listed) > 1


def test_an_exact_title_wins_over_longer_ones_and_articles_may_stand_in_front(run, shop: Path) -> None:
    one = json.loads(run("explain", shop / "model", "--history", "b1", "--item", "Dune", "--json").out)
    assert one["item"] == "b0"
    one = json.loads(run("explain", shop / "model", "--history", "b1", "--item", "the neuromancer", "--json").out)
    assert one["item"] == "b5"


def test_titles_are_shown_as_they_are(run, shop: Path, tmp_path: Path) -> None:
    titles = [f'b{n},"[bold]Book {n} :smile:"' for n in range(12)]
    (tmp_path / "items.csv").write_text("\n".join(["item,title", *titles]) + "\n")
    assert (
        run("fit", shop / "log.csv", "--items", tmp_path / "items.csv", "-m", "popular", "-o", tmp_path / "m").code == 0
    )
    for said in (run("recommend", tmp_path / "m", "--history", "b1"), run("similar", tmp_path / "m", "b1")):
        assert "[bold]Book" in said.out
        assert ":smile:" in said.out


@pytest.mark.parametrize(("text", "near"), [("Dune Heretics", "Dune Messiah"), ("Middlemarsh", "Middlemarch")])
def test_an_unknown_title_names_those_like_it(run, shop: Path, text: str, near: str) -> None:
    said = run("similar", shop / "model", text)
    assert said.code == 2
    assert text in said.err
    assert near in said.err


def test_one_user_of_a_log(run, shop: Path) -> None:
    said = run("recommend", shop / "model", "--user", "u3", "--log", shop / "log.csv", "-k", 2, "--json")
    document = json.loads(said.out)
    log = pc.read_interactions(shop / "log.csv")
    expected = next(answer for answer in pc.load(shop / "model").recommend_all(log, 2) if answer.user == "u3")
    assert document == expected.to_json()
    assert run("recommend", shop / "model", "--user", "nobody", "--log", shop / "log.csv").code == 2


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_everybody_into_a_file(run, shop: Path, tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"lists.{ending}"
    said = run("recommend", shop / "model", "--all", "--log", shop / "log.csv", "-o", output, "-k", 3, "--json")
    assert json.loads(said.out) == {"file": str(output), "users": 50, "k": 3}
    expected = list(pc.load(shop / "model").recommend_all(pc.read_interactions(shop / "log.csv"), 3))
    if ending == "jsonl":
        assert [json.loads(line) for line in output.read_text().splitlines()] == [a.to_json() for a in expected]
    else:
        assert pl.read_parquet(output)["item"].to_list() == [item for answer in expected for item in answer.ids]
    text = run("recommend", shop / "model", "--all", "--log", shop / "log.csv", "-o", output, "--force")
    assert "50 users" in text.out.replace("\n", " ")


def test_test_rows_of_a_log_are_no_history_and_it_says_so(run, shop: Path, tmp_path: Path) -> None:
    """The list for a log with a column of parts is that of its other rows alone."""
    rows = [f"u{n},b{item}" for n in range(3) for item in (1, 2, 3)]
    plain, parted = tmp_path / "plain.csv", tmp_path / "parted.csv"
    plain.write_text("\n".join(["user,item", *rows]))
    held = [f"u{n},b5,test" for n in range(3)]
    parted.write_text("\n".join(["user,item,split", *(f"{row},train" for row in rows), *held]))
    for ask in (["--user", "u1"], ["--all", "-o", tmp_path / "lists.jsonl"]):
        said = run("recommend", shop / "model", *ask, "--log", parted, "--json")
        assert said.code == 0 and "3 rows with split=test were left out" in said.err.replace("\n", " ")
        answer = (tmp_path / "lists.jsonl").read_text() if "--all" in ask else said.out
        clean = run("recommend", shop / "model", *ask, "--log", plain, "--json")
        assert answer == ((tmp_path / "lists.jsonl").read_text() if "--all" in ask else clean.out)
        assert "left out" not in clean.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--history", "b1", "--user", "u1"],
        ["--user", "u1"],
        ["--history", "b1", "--log", "log.csv"],
        ["--all", "--log", "log.csv"],
        ["--user", "u1", "--log", "log.csv", "-o", "x.parquet"],
        ["--all", "--log", "log.csv", "-o", "x.parquet", "--why"],
        ["--history", "b1", "-k", "0"],
        ["--history", "b1", "-k", "-3"],
        ["--history", "nothing at all"],
        ["--history", "b1", "--exclude", "zzz"],
        ["--all", "--log", "no such log.csv", "-o", "x.parquet"],
        ["--all", "--log", "log.csv", "-o", "x.txt"],
    ],
)
def test_what_makes_no_sense_is_bad_input(
    run, shop: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(shop)
    said = run("recommend", "model", *arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("penchant: ")


def test_similar_items(run, shop: Path) -> None:
    said = run("similar", shop / "model", "b2", "--json", "-k", 3)
    document = json.loads(said.out)
    assert document == pc.load(shop / "model").similar("b2", 3).to_json()
    assert "Similar to Hyperion" in run("similar", shop / "model", "b2").out
    assert run("similar", shop / "model", "b2", "-k", 0).code == 2


def test_explain_draws_what_each_event_gave(run, shop: Path) -> None:
    said = run("explain", shop / "model", "--history", "Emma", "--history", "Persuasion", "--item", "Villette")
    assert said.code == 0
    assert "Villette: score" in said.out
    assert "█" in said.out
    bare = run("explain", shop / "model", "--item", "Villette")
    assert "Nothing in this history" in bare.out
    document = json.loads(run("explain", shop / "model", "--history", "b7", "--item", "b11", "--json").out)
    assert document["score"] == pytest.approx(sum(p["contribution"] for p in document["why"]["parts"]))


def test_an_item_of_the_history_is_explained_as_one(run, shop: Path) -> None:
    asked = ["explain", shop / "model", "--history", "Emma", "--item", "b7"]
    said = run(*asked)
    assert "\nEmma is already in the history, so it would not be recommended.\n" in said.out
    assert "\nNothing in this history counts for or against it.\n" in said.out  # in one line, without a table
    assert "contributes" not in said.out
    said = run(*asked, "--json")
    assert "Emma is already in the history" in said.err
    assert json.loads(said.out)["item"] == "b7"
    assert "in the history already" not in run("explain", shop / "model", "--history", "Emma", "--item", "b8").out


def test_where_nothing_is_left_a_sentence_stands_for_the_table(run, shop: Path) -> None:
    everything = [word for n in range(12) for word in ("--history", f"b{n}")]
    said = run("recommend", shop / "model", *everything)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Nothing is left to recommend: every item is in the history")
    assert "score" not in said.out
    said = run("recommend", shop / "model", *everything, "--json")
    assert json.loads(said.out)["items"] == []
    assert "Nothing is left to recommend" in said.err


def test_a_sentence_is_as_wide_as_the_page_however_narrow_the_table(run, shop: Path, tmp_path: Path) -> None:
    assert run("fit", shop / "log.csv", "-m", "item-knn", "-o", tmp_path / "bare").code == 0
    log = tmp_path / "other.csv"
    log.write_text("user,item\nu1,strange\n")
    said = run("recommend", tmp_path / "bare", "--user", "u1", "--log", log, "-k", 2)
    assert "\nThere is no known positive event in this history: this is the popularity list.\n" in said.out
    assert "\nNot in the catalogue, left out: strange\n" in said.out


def test_kinds_and_positives_are_read_as_they_were_learned(run, tmp_path: Path) -> None:
    lines = ["user,item,event"]
    lines += [f"u{u},i{(u + n) % 6},{('view', 'buy', 'hate')[n]}" for u in range(30) for n in range(3)]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    fitted = run("fit", tmp_path / "log.csv", "--kind", "buy=3,hate=-1", "-m", "item-knn", "-o", tmp_path / "m")
    assert fitted.code == 0, fitted.err
    recipe = pc.load(tmp_path / "m").recipe
    assert dict(recipe.kinds) == {"buy": 3.0, "hate": -1.0}
    said = run(
        "recommend", tmp_path / "m", "--user", "u0", "--log", tmp_path / "log.csv", "--repeat", "-k", 9, "--json"
    )
    document = json.loads(said.out)
    items = [entry["item"] for entry in document["items"]]
    assert "i2" not in items  # hated
    assert {"i0", "i1"} <= set(items)


def test_without_titles_only_ids_are_known(run, shop: Path, tmp_path: Path) -> None:
    assert run("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "bare").code == 0
    assert run("recommend", tmp_path / "bare", "--history", "b1").code == 0
    said = run("recommend", tmp_path / "bare", "--history", "Dune")
    assert said.code == 2
    assert "no titles to search" in said.err


def test_the_errors_of_the_library_are_those_of_the_command_line(shop: Path) -> None:
    rec = pc.load(shop / "model")
    with pytest.raises(AmbiguousItemError) as several:
        rec.catalog.resolve("er")
    assert several.value.matches == rec.catalog.find("er")
    with pytest.raises(UnknownItemError):
        rec.catalog.resolve("nothing at all")


def test_items_seen_too_often_are_left_out(run, shop: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    lines = ["user,item,kind,timestamp", "ann,b0,view,1000", *(f"ann,b1,impression,{n}" for n in (1001, 1002))]
    log.write_text("\n".join(lines) + "\n")
    asked = ["recommend", shop / "model", "--user", "ann", "--log", log, "-k", 12, "--json"]

    def ids(*more: object) -> set[str]:
        return {entry["item"] for entry in json.loads(run(*asked, *more).out)["items"]}

    assert "b1" in ids() & ids("--most-impressions", 3) & ids("--most-impressions", 0)
    assert "b1" not in ids("--most-impressions", 2)
    out = tmp_path / "lists.csv"
    said = run("recommend", shop / "model", "--all", "--log", log, "-k", 12, "-o", out, "--most-impressions", 2)
    assert said.code == 0 and "b1" not in pl.read_csv(out)["item"]
    for wrong, why in (
        (["--history", "b0"], "needs the impressions of a log"),
        ([*asked[2:6], "--repeat"], "--repeat"),
    ):
        said = run("recommend", shop / "model", *wrong, "--most-impressions", 2)
        assert said.code == 2 and why in said.err
    assert run(*asked, "--most-impressions", -1).code == 2
