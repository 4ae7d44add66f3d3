"""Vectors of item texts in a recommender: learned, chosen, saved, searched, extended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.errors import FormatError, ParameterError
from penchant.ranking.features import declared
from penchant.ranking.statistics import Statistics
from penchant.recommender.recommender import Recommender

KINDS = ["黑啤酒 瓶装啤酒 听装啤酒 精酿啤酒", "纯牛奶 低脂牛奶 鲜牛奶 燕麦牛奶", "白面包 黑麦面包 全麦面包 吐司面包"]
TITLES = [title for kind in KINDS for title in kind.split()]
TABLE = pl.DataFrame({"item": [f"g{n}" for n in range(12)], "title": TITLES})
NEW = TABLE.vstack(pl.DataFrame({"item": ["new"], "title": ["无醇啤酒"]}))


def baskets() -> pl.DataFrame:
    """Each person buys three things of one kind."""
    told = [{"user": f"u{u}", "item": f"g{4 * (u % 3) + (u // 3 + n) % 4}"} for u in range(60) for n in range(3)]
    return pl.DataFrame(told)


@pytest.fixture
def rec() -> Recommender:
    log = pc.read_interactions(baskets())
    return pc.fit(log, "content-knn", catalog=pc.Catalog.read(TABLE, log.vocab), text="learned")


def test_near_titles_are_similar_and_found(rec: Recommender) -> None:
    assert {*rec.similar("g1", 3).ids} == {"g0", "g2", "g3"}
    assert {*rec.search("牛奶", 4).ids} == {"g4", "g5", "g6", "g7"}
    assert rec.search("好喝的啤酒", 1).ids[0] in {"g0", "g1", "g2", "g3"}  # no title has all of it
    assert rec.search("汽车", 5).ids == []
    with pytest.raises(ParameterError, match="is a text"):
        rec.search(3)  # type: ignore[arg-type]


def test_search_follows_taste_only_with_a_history(rec: Recommender) -> None:
    plain, mine = rec.search("黑", 2), rec.search("黑", 2, history=["g9", "g10"])
    assert {*plain.ids} == {*mine.ids} == {"g0", "g9"} or {*plain.ids} == {"g0", "g9"}
    assert rec.search("黑", 2, history=["g10"]).ids[0] == "g9"
    assert rec.search("黑", 2, history=["g1"]).ids[0] == "g0"


def test_the_weight_of_a_need_is_chosen_on_held_out_items_and_stated(rec: Recommender, tmp_path: Path) -> None:
    chosen = rec.fitted_on["need"]
    assert chosen["weight"] in (0.3, 0.5, 0.7, 0.9) and chosen["histories"] > 10
    assert chosen["ndcg@10"][f"{chosen['weight']:g}"] == max(chosen["ndcg@10"].values())
    rec.save(tmp_path / "m")
    again = pc.load(tmp_path / "m")
    for item in again.recommend(["g1"], 5, need="牛奶", why=True).items:
        assert item.why is not None and {reason.name for reason in item.why.reasons} == {"need", "taste"}
        assert sum(reason.contribution for reason in item.why.reasons) == pytest.approx(item.score, abs=1e-6)
        assert any(f"牛奶 ({chosen['weight']:.0%}" in reason.words for reason in item.why.reasons)
    again.fitted_on["need"] = {"weight": 0.0}
    assert again.recommend(["g1"], 3, need="牛奶").ids == again.recommend(["g1"], 3).ids  # taste alone
    again.fitted_on["need"] = {"weight": 7}  # no weight: the usual one
    assert {*again.recommend(["g1"], 3, need="牛奶").ids} <= {"g4", "g5", "g6", "g7"}


def test_two_needs_of_one_history_are_two_lists(rec: Recommender) -> None:
    history = ["g1", "g5"]
    milk, bread = rec.recommend(history, 3, need="喝牛奶"), rec.recommend(history, 3, need="吃面包")
    assert {*milk.ids} == {"g4", "g6", "g7"} and {*bread.ids} <= {"g8", "g9", "g10", "g11"}
    assert "g5" in rec.recommend(history, 4, need="牛奶", repeat=True).ids
    assert "g4" not in rec.recommend(history, 3, need="牛奶", exclude=["g4"]).ids
    assert rec.recommend(["g1", "g2"], 2, need="9999").ids == rec.recommend(["g1", "g2"], 2).ids  # it says nothing
    with pytest.raises(ParameterError, match="a need is a text"):
        rec.recommend(history, need=3)  # type: ignore[arg-type]


def test_a_saved_folder_gives_a_new_title_its_vector(rec: Recommender, tmp_path: Path) -> None:
    rec.save(tmp_path / "model")
    assert pc.verify(tmp_path / "model")["files"]["text.safetensors"] > 0
    loaded = pc.load(tmp_path / "model")
    assert loaded.search("牛奶", 4).ids == rec.search("牛奶", 4).ids
    loaded.extend(NEW)
    assert "new" in loaded.recommend(["g0", "g1", "g2"], 3).ids
    assert "new" not in loaded.recommend(["g4", "g5", "g6"], 3).ids
    damaged = bytearray((tmp_path / "model/text.safetensors").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "model/text.safetensors").write_bytes(damaged)
    with pytest.raises(FormatError, match="has changed"):
        pc.load(tmp_path / "model")


def test_the_best_way_is_chosen_on_held_out_items() -> None:
    log = pc.read_interactions(baskets())
    found = pc.fit(log, "popular", catalog=pc.Catalog.read(TABLE, log.vocab), text="choose")
    assert found.text is not None and found.text.name == "learned"  # the wheel knows little Chinese


def test_a_function_is_given_again_at_load(tmp_path: Path) -> None:
    def letters(texts: list[str]) -> np.ndarray:
        return np.array([[text.count(letter) for letter in "啤奶包"] for text in texts], dtype=np.float32)

    log = pc.read_interactions(baskets())
    rec = pc.fit(log, "content-knn", catalog=pc.Catalog.read(TABLE, log.vocab), text=letters)
    rec.save(tmp_path / "model")
    assert pc.load(tmp_path / "model", encoder=letters).search("包子", 1).ids
    assert pc.load(tmp_path / "model").search("包子", 1).ids == []  # the folder holds no code


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        (None, "learned", "stand in a catalogue"),
        (TABLE.with_columns(vector=pl.Series([[1.0, 2.0]] * 12)), "learned", "vectors of its own"),
        (TABLE, "magic", "not 'magic'"),
    ],
)
def test_refusals(table: pl.DataFrame | None, text: str, message: str) -> None:
    log = pc.read_interactions(baskets())
    catalog = None if table is None else pc.Catalog.read(table, log.vocab)
    with pytest.raises(ParameterError, match=message):
        pc.fit(log, "popular", catalog=catalog, text=text)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baskets().write_csv(tmp_path / "log.csv")
    TABLE.write_csv(tmp_path / "items.csv")
    files = [str(tmp_path / "log.csv"), "--items", str(tmp_path / "items.csv"), "-o", str(tmp_path / "model")]
    assert main(["fit", *files, "-m", "content-knn", "--item-text", "learned"]) == 0
    assert main(["search", str(tmp_path / "model"), "牛奶", "-k", "2"]) == 0
    assert "牛奶" in capsys.readouterr().out
    assert main(["search", str(tmp_path / "model"), "汽车", "--json"]) == 0
    assert "nothing was found" in capsys.readouterr().err
    asked = ["recommend", str(tmp_path / "model"), "--history", "g1", "-k", "2"]
    assert main([*asked, "--need", "喝牛奶", "--why"]) == 0
    said = capsys.readouterr().out
    assert "牛奶" in said and "what was asked for: 喝牛奶" in said
    everyone = ["--all", "--log", files[0], "-o", str(tmp_path / "lists.csv")]
    assert main(["recommend", str(tmp_path / "model"), *everyone, "--need", "x"]) == 2
    assert "--need" in capsys.readouterr().err


@pytest.mark.parametrize(
    "model", ["sasrec:attributes=true,factors=16,epochs=30,window=4,layers=1", "two-tower:epochs=30"]
)
def test_neural_models_use_the_texts_and_take_a_new_title(model: str, tmp_path: Path) -> None:
    log = pc.read_interactions(baskets())
    rec = pc.fit(log, model, catalog=pc.Catalog.read(TABLE, log.vocab), text="learned")
    rec.save(tmp_path / "model")
    loaded = pc.load(tmp_path / "model")
    loaded.extend(NEW)
    place = {history[0]: loaded.recommend(history, 12, repeat=True).ids.index("new") for history in (["g0"], ["g5"])}
    assert place["g0"] < place["g5"]  # a beer, by its title alone


def test_second_stages_see_how_near_texts_are() -> None:
    log = pc.read_interactions(baskets())
    catalog = pc.Catalog.read(TABLE, log.vocab)
    for way, expected in ((None, False), ("learned", True)):
        told = pc.fit(log, "popular", catalog=catalog, text=way).catalog
        assert told is not None
        statistics, names = Statistics.fit(log.histories(), told.features())
        assert ("vector.similarity" in [one.name for one in declared(statistics, 1, names)]) is expected
