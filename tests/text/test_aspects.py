"""Aspects: what reviews praise and blame, of items and of people, as attributes, filters and reasons."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.data.liked_for import BLAMED_FOR, LIKED_FOR, aspects_of
from penchant.errors import ParameterError
from penchant.text.aspects import Aspects

PRAISE = ["the {} is great", "I love the {}", "excellent {}", "its {} is wonderful, everyone says so"]
BLAME = ["the {} is terrible", "but the {} was awful", "a bad {}, sadly"]


def review(dice: random.Random, praised: str, blamed: str) -> str:
    return f"{dice.choice(PRAISE).format(praised)}. {dice.choice(BLAME).format(blamed)}"


def world() -> pl.DataFrame:
    """The sofa is praised for comfort and blamed for price, the stool the other way round; the lamp is only bought."""
    dice = random.Random(0)
    told = []
    for user in range(30):
        told += [
            {"user": f"u{user}", "item": "sofa", "review": review(dice, "comfort", "price")},
            {"user": f"u{user}", "item": "stool", "review": review(dice, "price", "comfort")},
            {"user": f"u{user}", "item": "lamp", "review": None},
        ]
    return pl.DataFrame(told)


def test_the_clauses_of_a_text_are_for_and_against_their_own_aspects() -> None:
    texts = world()["review"].to_list()
    found = Aspects.learn(texts)
    assert {*found.names[:2]} == {"comfort", "price"}
    said = found.find("The comfort is superb, but the PRICE is terrible.")
    assert said["comfort"] > 0.2 and said["price"] < -0.2
    assert found.find("a comfort") == {} and found.find("") == {}


def test_chinese_aspects_need_no_segmenter() -> None:
    said = ["味道不错，价格太贵了", "味道很好，服务很差", "价格太贵", "味道好，价格有点贵", "服务太差"] * 2
    found = Aspects.learn(said)
    assert {*found.names} == {"味道", "价格", "服务"}
    opinion = found.find("味道很好，但是价格太贵")
    assert opinion["味道"] > 0 > opinion["价格"]


def test_a_longer_phrase_takes_the_place_of_its_parts_and_plurals_of_one_word_are_one() -> None:
    texts = [f"the battery life is great {n}" for n in range(5)] + ["great straps", "the strap is bad"] * 3
    assert {*Aspects.learn(texts).names} == {"battery life", "strap"}
    assert Aspects.learn(texts).find("good straps")["strap"] > 0


def test_names_are_whole_words_and_the_longest_at_their_place() -> None:
    found = Aspects(("battery life", "battery", "gift-card", "味道", "味道里", "usb 3", ""))
    assert {*found.find("good battery, life")} == {"battery"} and {*found.find("good battery / life")} == {
        "battery life"
    }
    assert {*found.find("good batteryx, good gift-cards")} == {"gift-card"} and found.find("a good gift") == {}
    assert {*found.find("味道里很好")} == {"味道里"} and {*found.find("good usb 3")} == set()
    assert found.find("battery " + "awful " * 3000)["battery"] == pytest.approx(-1)  # no number is too large


def test_items_are_liked_and_blamed_for_what_their_reviews_say(tmp_path: Path) -> None:
    log = pc.read_interactions(world(), text="review", aspects=True)
    assert log.values is None and log.aspects is not None  # opinions do not count unless asked for
    assert log.aspects.of_person(3) == {"comfort": 2, "price": 2}
    rec = pc.fit(log, "item-knn")
    assert rec.catalog is not None
    liked, blamed = (rec.catalog.attributes[name] for name in (LIKED_FOR, BLAMED_FOR))
    told = dict(zip(log.vocab.ids, zip(liked, blamed, strict=True), strict=True))
    assert told == {"sofa": (["comfort"], ["price"]), "stool": (["price"], ["comfort"]), "lamp": (None, None)}
    rec.save(tmp_path / "m")
    again = pc.load(tmp_path / "m")
    found = aspects_of(again.catalog)
    assert found is not None and {*found.names} == {"comfort", "price"}


def test_rows_marked_as_test_say_nothing_and_dropped_people_are_not_counted() -> None:
    table = world().with_columns(split=pl.when(pl.col.item == "sofa").then(pl.lit("test")).otherwise(pl.lit("train")))
    log = pc.read_interactions(table, text="review", aspects=True)
    assert log.aspects is not None
    means = log.aspects.of_items(log.n_items)
    assert means[log.vocab.index("sofa")].tolist() == [0] * means.shape[1]
    some = log.where(log.users >= 28)
    assert some.aspects is not None and some.aspects.of_person(1) == {"comfort": 1, "price": 1}
    with pytest.raises(ParameterError, match="aspects are those of texts"):
        pc.read_interactions(world(), aspects=True)


def test_why_says_what_a_person_wrote_and_what_others_liked() -> None:
    rec = pc.fit(pc.read_interactions(world(), text="review", aspects=True), "item-knn")
    history = ["lamp", {"item": "stool", "text": "the comfort is terrible, too hard"}]
    (sofa,) = [one for one in rec.recommend(history, 3, why=True).items if one.item == "sofa"]
    assert sofa.why is not None
    assert [reason.words for reason in sofa.why.reasons] == ["people who cared about comfort liked it"]
    (part,) = [part for part in sofa.why.parts if part.item == "stool"]
    assert part.said and "terrible" in part.said and "you wrote" in part.label
    assert sofa.why.to_json()["parts"][sofa.why.parts.index(part)]["said"] == part.said
    plain = rec.recommend(["lamp", "stool"], 3, why=True).items[0]
    assert (
        plain.why is not None and plain.why.reasons == [] and all("said" not in p for p in plain.why.to_json()["parts"])
    )


def test_the_command_line_finds_aspects(tmp_path: Path) -> None:
    world().write_csv(tmp_path / "log.csv")
    args = ["fit", str(tmp_path / "log.csv"), "-m", "item-knn", "-o", str(tmp_path / "m"), "--aspects"]
    assert main([*args, "--text", "review"]) == 0
    catalog = pc.load(tmp_path / "m").catalog
    assert catalog is not None and ["comfort"] in catalog.attributes[LIKED_FOR]
    assert main([*args, "--force"]) == 2  # of which texts?


ODD = [
    "the comfort is great " * 50_000,
    "\x00\x01 comfort \x02",
    "😡😡 comfort 👍",
    "<b>comfort</b> &lt;",
    "comfort 很 плохо",
]


@pytest.mark.parametrize("text", [*ODD, 3], ids=range(6))
def test_any_text_is_read_within_bounds(text: object) -> None:
    found = Aspects(("comfort", "价格")).find(text)
    assert {*found} <= {"comfort"} and all(-1 <= opinion <= 1 for opinion in found.values())
    assert len(Aspects.learn([text] * 4).names) <= 100
