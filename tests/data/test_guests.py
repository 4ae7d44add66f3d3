"""A row belongs to its user, or to its session where no user is given; user 7 and session 7 are two people."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from penchant import Popular, fit, read_interactions
from penchant.cli.main import main
from penchant.errors import InputError, ParameterError

ROWS = "visitor,basket_id,item\n7,1,a\n,7,b\n7,2,c\n  ,7,a\n8,7,a\n,,z\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(ROWS)
    return path


def people(log):
    return [
        (user, log.is_guest(row), [log.vocab.ids[i] for i in log.histories().row(row)])
        for row, user in enumerate(log.user_ids)
    ]


COLUMNS = {"user": "visitor", "session": "basket_id"}


def test_guests_follow_the_users_and_are_other_people(path):
    log = read_interactions(path, columns=COLUMNS)
    assert people(log) == [("7", False, ["a", "c"]), ("8", False, ["a"]), ("7", True, ["b", "a"])]
    assert log.history_of("7").items.tolist() == log.vocab.encode(["a", "c"]).tolist()
    assert log.history_of("7", guest=True).items.tolist() == log.vocab.encode(["b", "a"]).tolist()
    assert [(row.line, row.reason) for row in log.report.rejected] == [(7, "the id is missing")]
    with pytest.raises(InputError, match="no session '8'"):
        log.history_of("8", guest=True)
    kept = log.where(np.array([False, False, True, True, True]))
    assert people(kept) == [("8", False, ["a"]), ("7", True, ["b", "a"])]


def test_missing_users_of_typed_tables_are_guests():
    frame = pl.DataFrame({"user_id": [7, None], "session_id": [7, 7], "item": ["a", "b"]})
    assert people(read_interactions(frame)) == [("7", False, ["a"]), ("7", True, ["b"])]
    floats = frame.with_columns(pl.col("user_id").cast(pl.Float64).fill_null(float("nan")))
    assert people(read_interactions(floats)) == [("7", False, ["a"]), ("7", True, ["b"])]


def test_by_overrides(path, capsys):
    assert people(read_interactions(path, columns=COLUMNS, by="user")) == [
        ("7", False, ["a", "c"]),
        ("8", False, ["a"]),
    ]
    sessions = read_interactions(path, columns=COLUMNS, by="session")
    assert (sessions.user_ids, sessions.sessions) == (["1", "7", "2"], True)
    assert read_interactions(path, columns=COLUMNS, by="basket").user_ids == ["1", "7", "2"]
    baskets = {"user": "visitor", "basket": "basket_id"}
    assert read_interactions(path, columns=baskets, by="basket").user_ids == ["1", "7", "2"]
    assert main(["inspect", str(path), "--columns", "user=visitor,session=basket_id", "--by", "session"]) == 0
    assert "sessions" in capsys.readouterr().out
    with pytest.raises(ParameterError, match="basket"):
        read_interactions(path, by="person")


def test_lists_name_guests_by_their_session(path, tmp_path):
    log = read_interactions(path, columns=COLUMNS)
    recommender = fit(log, Popular())
    answers = [answer.to_json() for answer in recommender.recommend_all(log, 1)]
    assert [(answer["user"], answer.get("session")) for answer in answers] == [("7", None), ("8", None), (None, "7")]
    recommender.write_all(log, tmp_path / "lists.parquet", 1)
    written = pl.read_parquet(tmp_path / "lists.parquet").select("user", "session").rows()
    assert sorted(written, key=str) == sorted([("7", None), ("8", None), (None, "7")], key=str)
    plain = read_interactions(path, columns=COLUMNS, by="user")
    recommender.write_all(plain, tmp_path / "plain.parquet", 1)
    assert "session" not in pl.read_parquet(tmp_path / "plain.parquet").columns


def test_a_session_on_the_command_line(path, tmp_path, capsys):
    columns = ["--columns", "user=visitor,session=basket_id"]
    model = str(tmp_path / "model")
    assert main(["fit", str(path), *columns, "-m", "popular", "-o", model]) == 0
    for option, known in (("--user", {"a", "c"}), ("--session", {"a", "b"})):
        capsys.readouterr()
        assert main(["recommend", model, option, "7", "--log", str(path), *columns, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert {entry["item"] for entry in document["items"]} == {"a", "b", "c"} - known
        assert (document["user"], document.get("session")) == (("7", None) if option == "--user" else (None, "7"))
    assert main(["recommend", model, "--session", "8", "--log", str(path), *columns]) == 2
    assert "has no session '8'" in capsys.readouterr().err


def test_files_with_users_and_files_with_sessions_are_one_log():
    one, other = (pl.DataFrame({role: ["7"], "item": ["a"]}) for role in ("user", "session"))
    assert people(read_interactions([one, other])) == [("7", False, ["a"]), ("7", True, ["a"])]
    assert people(read_interactions([other, one])) == [("7", False, ["a"]), ("7", True, ["a"])]
