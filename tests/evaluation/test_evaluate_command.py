from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.data.datasets import movielens_small_path
from tests.evaluation.small_logs import a_market


@pytest.fixture
def market(tmp_path: Path) -> Path:
    log = a_market()
    assert log.times is not None
    rows = zip(log.users.tolist(), log.items.tolist(), log.times.tolist(), strict=True)
    lines = [f"u{user},i{item},{1_500_000_000 + time},{item % 3}" for user, item, time in rows]
    file = tmp_path / "market.csv"
    file.write_text("user,item,timestamp,third\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_json_alone_on_standard_output(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["evaluate", str(market), "-m", "popular", "-m", "random", "--json", "-k", "5", "--metrics", "ndcg,gini"]
    assert main(asked) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert [model["name"] for model in document["models"]] == ["popular", "random"]
    assert list(document["models"][0]["metrics"]) == ["ndcg@5", "gini@5"]
    assert "split" in said.err, "why this split was chosen"


def test_a_table_for_people(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(market), "-m", "popular", "--split", "time:.7"]) == 0
    out = capsys.readouterr().out
    assert "seen items are not answers" in out and "new people only" in out and "★" in out


def test_a_column_is_named_in_the_split(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(market), "-m", "popular", "--split", "column:third", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["split"]["name"] == "column, 3 folds"
    clash = ["evaluate", str(market), "-m", "popular", "--split", "column:third", "--columns", "split=item"]
    assert main(clash) == 2
    assert "--columns" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [
        ["-m", "popular", "--split", "leave-first"],
        ["-m", "popularity"],
        ["-m", "popular", "--metrics", "ndgc"],
        ["-m", "popular", "--candidates", "nowhere.csv"],
        ["-m", "@nowhere.json"],
        ["-m", "popular", "-k", "0"],
    ],
)
def test_bad_input_exits_with_two(market: Path, more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(market), *more]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "Traceback" not in said.err and said.err


def test_tune_writes_a_file_that_evaluate_reads(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "popular.json"
    asked = ["tune", str(market), "-m", "popular", "--split", "leave-last", "--trials", "3", "-o", str(file)]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert "trial 2:" in said.err and f"@{file}" in said.out
    assert main([*asked, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["trials"] == 3 and "earlier trials" in said.err
    assert json.loads(file.read_text())["command"].startswith(shlex.join(["penchant", *asked]))
    assert main(["evaluate", str(market), "-m", f"@{file}", "--split", "leave-last", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["label"] == f"@{file}"


def test_a_file_that_is_no_search_is_named_without_internals(market: Path, capsys) -> None:
    other = market.with_name("other.csv")
    other.write_text("user,item\n")
    assert main(["tune", str(market), "-m", "popular", "-o", str(other)]) == 2
    assert capsys.readouterr().err == f"penchant: {other}: exists but is not a parameter file. Name another file.\n"


def test_a_search_never_writes_over_the_log(market: Path, capsys) -> None:
    before = market.read_bytes()
    assert main(["tune", str(market), "-m", "popular", "-o", str(market)]) == 2
    assert "is an input" in capsys.readouterr().err
    assert market.read_bytes() == before


def test_tune_takes_candidates_and_repeats(market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = tmp_path / "lists.csv"
    lists.write_text("user,item\n" + "".join(f"u{u},i{i}\n" for u in range(300) for i in range(5)))
    asked = ["tune", str(market), "-m", "popular", "--split", "leave-last", "--trials", "1", "--json"]
    assert main([*asked, "--candidates", str(lists), "--repeat", "-o", str(tmp_path / "few.json")]) == 0
    assert "sampled" in json.loads(capsys.readouterr().out)["split"]


def test_candidates_that_are_not_known_are_said_once(market: Path, tmp_path: Path, capsys) -> None:
    lists = tmp_path / "lists.csv"
    rows = [f"u{u},i{i}\n" for u in range(300) for i in range(5)] + [f"u{u},gone{u}\n" for u in range(300)]
    lists.write_text("user,item\n" + "".join(rows))
    more = ["--split", "leave-last", "--candidates", str(lists)]
    for command in (["evaluate"], ["tune", "--trials", "1", "-o", str(tmp_path / "few.json")]):
        for form in ([], ["--json"]):
            assert main([command[0], str(market), "-m", "popular", *command[1:], *more, *form]) == 0
            err = capsys.readouterr().err
            assert err.count(f"{lists}: 300 of 1,800 rows ignored: unknown items, such as 'gone0'") == 1
    found = pc.evaluate(pc.read_interactions(market), "popular", split="leave-last", candidates=lists)
    assert sum("300 of 1,800 rows ignored" in line for line in found.notes) == 1


def test_a_model_that_refuses_is_named_and_the_others_are_compared(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["evaluate", str(market), "-m", "bias", "-m", "popular", "--split", "leave-last"]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert "– bias: " in said.out and "rating" in said.out
    assert main([*asked, "--json"]) == 0
    said = capsys.readouterr()
    assert "rating" in json.loads(said.out)["models"][0]["error"] and "bias: " in said.err


def test_metrics_that_no_model_has_are_bad_input(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["evaluate", str(movielens_small_path()), "--split", "random:2", "--metrics", "rmse"]
    assert main([*asked, "-m", "popular"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "popular: predicts no ratings" in said.err
    assert main([*asked[:-1], "rmse,hit", "-m", "popular"]) == 0
    assert capsys.readouterr().err.count("popular: predicts no ratings") == 1


def test_films_and_their_ratings(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["evaluate", str(movielens_small_path()), "--positive", "value>=3.5", "--split", "leave-last"]
    assert main([*asked, "-m", "popular", "-m", "random", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["split"]["cases"] == 670
    best = {model["name"]: model["best"] for model in document["models"]}
    assert best == {"popular": True, "random": False}
