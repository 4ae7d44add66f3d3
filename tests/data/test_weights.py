"""Quantities are not weights unless asked; weights of a person and item are summed, then shaped and capped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from penchant import Recipe, load, read_interactions
from penchant.cli.main import main
from penchant.core.curve import Curve
from penchant.core.histories import Histories
from penchant.errors import DataError, ParameterError

GROCERIES = "user,item,Menge\n" + "".join(f"u{n % 7},i{n % 5},{1 + n % 3}\n" for n in range(70)) + "u1,fuel,32623\n"


@pytest.mark.parametrize(
    "name", ["quantity", "Amount", "Menge", "数量", "price", "Total", "Stückzahl", "cantidad", "UnitPrice"]
)
def test_a_quantity_is_no_value_unless_asked(name):
    frame = pl.DataFrame({"user": ["u", "v"], "item": ["a", "b"], name: [2, 3]})
    log = read_interactions(frame)
    assert (log.values_are, log.values) == ("none", None)
    assert f"{name!r} counts only if asked for" in log.report.values_why
    for asked in ({"columns": {"value": name}}, {"values": "weight"}):
        log = read_interactions(frame, **asked)
        assert log.values_are == "weight"
        assert log.values.tolist() == [2, 3]


def test_quantities_that_are_asked_for_count_as_capped_logarithms(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text(GROCERIES)
    log = read_interactions(path, values="weight")
    assert (log.recipe.weight, log.recipe.cap) == ("log", 32623)
    assert log.histories().distinct().weights().max() == pytest.approx(np.log1p(32623))
    assert "log(1 + w), capped at 32,623, the 99.9th percentile" in log.report.values_why
    raw = read_interactions(path, values="weight", weight="raw")
    assert (raw.recipe.weight, raw.histories().curve) == ("raw", None)
    binary = read_interactions(path, values="weight", weight="binary").histories()
    assert set(binary.distinct().weights().tolist()) == {1}
    assert main(["inspect", str(path), "--values", "weight", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"]["weight"] == "log"


def test_weights_are_logarithms_only_if_few_are_far_above_the_others():
    def shape(counts):
        frame = pl.DataFrame(
            {"user": [f"u{n}" for n in range(len(counts))], "item": ["a"] * len(counts), "plays": counts}
        )
        return read_interactions(frame).recipe.weight

    assert shape([1, 2, 3, 200]) == "raw"
    assert shape([1, 2, 3, 251]) == "log"  # over 100 times the median of 2.5


def test_rows_written_apart_count_as_rows_summed():
    apart = pl.DataFrame({"user": ["u"] * 4 + ["v"], "item": ["a", "b", "a", "a", "b"], "plays": [1, 5, 2, 4, 1000]})
    summed = apart.group_by("user", "item", maintain_order=True).sum()
    for weight in ("raw", "log", "binary"):
        one, other = (read_interactions(frame, weight=weight) for frame in (apart, summed))
        assert one.recipe == other.recipe
        x, y = one.histories(), other.histories()
        assert sorted(x.distinct().weights()) == pytest.approx(sorted(y.weights()), rel=1e-6)
        for row in range(2):
            totals = [np.bincount(h.row(row), h.weights()[h.indptr[row] : h.indptr[row + 1]], 2) for h in (x, y)]
            assert totals[0] == pytest.approx(totals[1], rel=1e-6)


def test_a_curve_keeps_likes_and_dislikes_apart():
    given = Histories.from_lists([[0, 0, 0, 1]], 2, values=[[3, 4, -7, -2]], values_are="weight")
    shaped = Histories(given.indptr, given.items, 2, given.values, "weight", curve=Curve("log", 5.0))
    assert shaped.weights().tolist() == pytest.approx([np.log(6) * 3 / 7, np.log(6) * 4 / 7, -np.log(6), -np.log(3)])
    assert shaped.positives().distinct().weights().tolist() == pytest.approx([np.log(6)])
    for wrong in (("cubic", None), ("log", 0.0), ("log", np.inf)):
        with pytest.raises(ParameterError):
            Curve(*wrong)


def test_serving_counts_weights_as_training_did(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text(GROCERIES)
    assert main(["fit", str(path), "--values", "weight", "-m", "item-knn", "-o", str(tmp_path / "model")]) == 0
    recommender = load(tmp_path / "model")
    learned = replace(read_interactions(path, values="weight").recipe, weight_range=(-32623, 32623))
    assert recommender.recipe == learned
    given, _ = recommender.histories([("i0", 3), ("fuel", 10**6), ("i0", 4)])
    assert given.weights().tolist() == pytest.approx([np.log(8) * 3 / 7, np.log1p(32623), np.log(8) * 4 / 7], rel=1e-6)
    log = read_interactions(path, values="weight", weight="raw")
    assert recommender.translation.of_user(log, "u1")[0].curve == recommender.recipe.curve
    assert recommender.translation.of_log(log)[0].curve == recommender.recipe.curve
    capsys.readouterr()
    assert main(["recommend", str(tmp_path / "model"), "--user", "u1", "--log", str(path), "--json"]) == 0
    typed = json.loads(capsys.readouterr().out)["items"]
    events = [(path_item, value) for user, path_item, value in rows(path) if user == "u1"]
    served = recommender.recommend(events, 10)
    assert [entry["score"] for entry in typed] == pytest.approx([entry.score for entry in served], rel=1e-5)


def rows(path):
    return [(u, i, float(q)) for u, i, q in (line.split(",") for line in path.read_text().splitlines()[1:])]


def test_recipes_round_trip_and_old_ones_load():
    recipe = Recipe({"buy": 1, "back": -1}, None, "weight", 500, "log", 9.0, ("Back ",), "oldest")
    assert recipe.cancels == ("back",)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    old = {"kinds": {}, "positive": None, "values_are": "weight", "max_history": 500}
    assert Recipe.from_json(old).to_json() == old


@pytest.mark.parametrize("value", ["1e10", "-1000000001", "1e18", "1e300"])
def test_a_value_out_of_bounds_is_a_bad_row(tmp_path, value):
    path = tmp_path / "log.csv"
    path.write_text(f"user,item,plays\nu,a,1\nu,b,{value}\nv,a,1e9\n")
    log = read_interactions(path)
    assert log.values.tolist() == [1, 1e9]
    (row,) = log.report.rejected
    assert (row.line, row.value) == (3, value)
    assert "outside -1,000,000,000 to 1,000,000,000" in row.reason


def test_extreme_weights_are_a_finding(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text(
        "user,item,plays\n" + "".join(f"u{n},i{n % 9},{1 + n % 3}\n" for n in range(2_000)) + "u1,i1,9000000\n"
    )
    assert main(["inspect", str(path), "--json"]) == 0
    found = [f for f in json.loads(capsys.readouterr().out)["findings"] if f["check"] == "extreme weights"]
    assert len(found) == 1
    assert found[0]["severity"] == "note"  # they count as logarithms
    assert "over 99% of all weight" in found[0]["what"]
    assert found[0]["line"] == 2_002
    assert main(["inspect", str(path), "--weight", "raw", "--json"]) == 0
    found = [f for f in json.loads(capsys.readouterr().out)["findings"] if f["check"] == "extreme weights"]
    assert found[0]["severity"] == "warning"
    assert "--weight log" in found[0]["fix"]


def test_nothing_but_known_shapes():
    with pytest.raises(ParameterError, match="raw"):
        read_interactions(pl.DataFrame({"user": ["u"], "item": ["a"]}), weight="cubic")
    with pytest.raises(DataError, match="needs a column of values"):
        read_interactions(pl.DataFrame({"user": ["u"], "item": ["a"], "quantity": [3]}), positive="value>=2")
