"""Opinions of texts in the values of events: the same in a log, in a list of events, and after saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.data.opinions import kept_opinion, opinions_of, parse_opinion, rated, scale_of, weighted
from penchant.data.recipe import Recipe
from penchant.errors import DataError, ParameterError
from penchant.text.learned_opinion import LearnedOpiner

LOVED, HATED = "I love it, great, excellent", "awful, terrible, I hate it"
NAN = np.nan


def floats(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


def test_each_use_makes_of_ratings_what_it_says() -> None:
    ratings, said = floats(5, 5, 1, 3, NAN, 4), floats(-0.5, 0.5, 1, 1, -1, NAN)
    assert rated("replace", (1, 5), ratings, said).tolist() == [2, 4, 5, 5, 1, 4]
    assert rated("blend", (1, 5), ratings, said).tolist() == [3.5, 4.5, 3, 4, 1, 4]
    assert rated("weight", (1, 5), ratings, said).tolist() == [4, 5, 3, 3, 1, 4]  # a text that agrees changes nothing


def test_each_use_makes_of_weights_what_it_says() -> None:
    weights, said = floats(1, 2, 1, -1, -1, 3), floats(0.5, -0.5, -0.125, -0.5, 0.5, NAN)
    assert weighted("replace", weights, said).tolist() == [0.5, -0.5, -0.125, -0.5, 0.5, 3]
    assert weighted("blend", weights, said).tolist() == [0.75, 0.75, 0.4375, -0.75, -0.25, 3]
    assert weighted("weight", weights, said).tolist() == [1.5, -1, 0.875, -1.5, -0.5, 3]


def test_scales_and_options_are_read() -> None:
    assert scale_of(1, 5) == (1, 5) and scale_of(0.5, 4) == (0, 10) and scale_of(3, 3) is None
    assert scale_of(-3, 700) == (-3, 700)
    assert parse_opinion("blend:opinion/") == ("blend", "opinion/") and parse_opinion("weight") == ("weight", None)
    assert parse_opinion(None) == (None, None)
    for wrong in ("", "mean", "blend:", ":x"):
        with pytest.raises(ParameterError, match="an opinion is used as"):
            parse_opinion(wrong)
    assert [kept_opinion(one) for one in ({"comment": {"opinion": -0.5}}, '{"opinion": 1}')] == [-0.5, 1]
    assert all(
        np.isnan(kept_opinion(one)) for one in (None, "x", 3, {}, {"comment": {"opinion": True}}, '{"opinion": 7}')
    )
    assert np.isnan(opinions_of(["", "  ", None], None)).all()
    with pytest.raises(ParameterError, match="used as"):
        Recipe(opinion="mean")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="a scale is two"):
        Recipe(scale=(5, 1))
    recipe = Recipe(opinion="blend", scale=(1, 5), values_are="rating")
    assert Recipe.from_json(recipe.to_json()) == recipe


def reviews(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame({"user": ["u", "u", "v", "v"], "item": ["a", "b", "a", "c"], **columns}, strict=False)


def test_a_review_without_stars_counts_and_one_that_complains_counts_less() -> None:
    table = reviews(rating=[5, None, 1, 4], review=[HATED, LOVED, None, ""])
    log = pc.read_interactions(table, text="review", opinion="weight", values="rating")
    assert log.values is not None and log.recipe.scale == (1, 5)
    praised, blamed = (float(opinions_of([text], None)[0]) for text in (LOVED, HATED))
    assert log.values == pytest.approx([3 + 2 * (1 + blamed), 3 + 2 * praised, 1, 4])
    assert log.liked is not None and log.liked.tolist() == [False, True, True, True]
    ruled = pc.read_interactions(table, text="review", opinion="weight", values="rating", positive="value>=4")
    assert ruled.liked is not None and ruled.liked.tolist() == [False, True, False, True]
    silent = reviews(rating=[5, 4, 1, None], review=[HATED] * 3 + [""])
    with pytest.raises(DataError, match="missing"):  # neither stars nor a text
        pc.read_interactions(silent, text="review", opinion="weight", values="rating", strict=True)


def test_texts_against_an_item_are_dislikes_where_there_are_no_values() -> None:
    log = pc.read_interactions(reviews(review=[HATED, LOVED, LOVED, None]), text="review", opinion="weight")
    assert log.values_are == "weight" and log.values is not None
    assert (log.values < 0).tolist() == [True, False, False, False] and log.values[1] > 1.5 and log.values[3] == 1
    assert log.histories().positives().lengths.tolist() == [1, 2]


def test_what_cannot_be_is_said() -> None:
    table = reviews(rating=[5, 4, 1, 4], review=[HATED, LOVED, None, ""])
    with pytest.raises(ParameterError, match='opinion="blend"'):
        pc.read_interactions(table, text="review")
    with pytest.raises(DataError, match="no event has a text"):
        pc.read_interactions(table, opinion="blend")
    with pytest.raises(DataError, match="no column"):
        pc.read_interactions(table, text="essay", opinion="blend")
    with pytest.raises(DataError, match="no scale"):
        pc.read_interactions(reviews(rating=[4] * 4, review=[LOVED] * 4), text="review", opinion="blend")
    with pytest.raises(DataError, match="this log has none"):
        pc.read_interactions(reviews(review=[LOVED] * 4), text="review", opinion="blend", opiner="learn")


def many() -> pl.DataFrame:
    """Forty people; bad items get five stars and a complaint in invented words, good ones five stars and praise."""
    rows = []
    for user in range(40):
        for item in ("good", "bad", "other", f"own{user % 4}"):
            stars = 1 if item == "other" else 5
            said = {"good": f"blim {user}", "bad": f"grok {user}", "other": f"grok {user} grok"}.get(
                item, f"blim blim {user}"
            )
            rows.append({"user": f"u{user}", "item": item, "rating": stars, "review": said})
    return pl.DataFrame(rows)


def test_opinions_are_learned_from_the_log_itself_out_of_fold() -> None:
    log = pc.read_interactions(many(), text="review", opinion="blend", opiner="learn")
    assert isinstance(log.opiner, LearnedOpiner) and log.values is not None
    mean = {name: float(log.values[log.items == log.vocab.index(name)].mean()) for name in ("good", "bad")}
    assert mean["bad"] < mean["good"] - 0.5
    assert any("learned from 160 texts" in line for line in log.report.notes)
    inside = 2 * log.opiner.score(many()["review"].to_list(), words=0).probability - 1
    assert not np.allclose(np.sort(log.values), np.sort((many()["rating"] + 3 + 2 * inside).to_numpy() / 2), atol=1e-3)


def test_an_event_means_the_same_in_a_log_in_a_list_and_after_saving(tmp_path: Path) -> None:
    told = pl.col.review.str.replace_all("blim", "great").str.replace_all("grok", "awful")
    table = many().with_columns(told, rating=pl.when(pl.col.user == "u7").then(None).otherwise(pl.col.rating))
    learned, _ = LearnedOpiner.learn(table["review"].to_list(), many()["rating"].to_numpy())
    for opiner in (None, learned):
        log = pc.read_interactions(table, text="review", opinion="blend", opiner=opiner, values="rating")
        rec = pc.fit(log, "bias")
        rec.save(tmp_path / "m", force=True)
        again = pc.load(tmp_path / "m")
        assert again.recipe.opinion == "blend" and (again.opiner is None) == (opiner is None)
        own = table.filter(user="u7").select("item", text="review").to_dicts()
        of_log, _ = again.translation.of_user(log, "u7")
        of_list, _ = again.histories(own)
        assert of_list.values == pytest.approx(of_log.values) and of_list.items.tolist() == of_log.items.tolist()


def test_a_comment_in_a_list_of_events_is_read_as_in_the_service() -> None:
    rec = pc.fit(pc.read_interactions(many().drop("rating", "review")), "item-knn")
    found = rec.recommend(["own1", {"item": "good", "text": HATED}], 5)
    assert "good" not in found.ids
    given, _ = rec.histories(["own1", {"item": "good", "text": HATED}])
    assert given.values is not None and given.values.tolist() == [1, -1]
    with pytest.raises(ParameterError, match="a text is text"):
        rec.recommend([{"item": "good", "text": 3}])


def test_the_command_line_fits_and_recommends_with_opinions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "reviews.csv"
    many().write_csv(log)
    args = ["fit", str(log), "-m", "item-knn", "--text", "review", "--opinion"]
    assert main([*args, "weight:learn", "-o", str(tmp_path / "m")]) == 0
    assert "160 events have a text" in capsys.readouterr().err
    assert pc.load(tmp_path / "m").opiner is not None
    asked = ["recommend", str(tmp_path / "m"), "--user", "u1", "--log", str(log), "--text", "review", "--json"]
    assert main(asked) == 0
    assert main([*args, "mean", "-o", str(tmp_path / "n")]) == 2
    assert "an opinion is used as" in capsys.readouterr().err
    assert main(["prepare", str(log), "--text", "review", "--opinion", "blend", "-o", str(tmp_path / "p")]) == 2
