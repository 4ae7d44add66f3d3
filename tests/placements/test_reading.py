"""What a file of settings may say of placements, and how a mistake in it is named."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest

from penchant.errors import ParameterError
from penchant.placements.reading import check_names, from_table, named, read_placement

HOME = """
[placements.home]
k = 20
model = "active"
for = "person"
where = {available = true}
exclude = [{kind = "purchase", within = "30d"}, {impressions = 5, without = "click"}, {own = "creator"}]
at_most = [{attribute = "category", items = 2}]
at_least = [{where = {attribute = "new", in = [true]}, items = 2}]
boost = [{where = {attribute = "margin", from = 0.3}, by = 0.5}]
pin = [{item = "sku1", position = 1, until = "2026-12-24"}]
diversity = 0.2
calibrate = {attribute = "genre", weight = 0.3}
repeat = "buy-again"
explore = {method = "plackett-luce", top = 50, temperature = 0.05}
fallback = ["trending:7d", "popular"]
"""


def read(text: str) -> dict:
    return from_table(tomllib.loads(text)["placements"], "shop.toml", text)


def test_every_key_is_read_and_every_rule_has_a_name_in_words():
    home = read(HOME)["home"]
    assert (home.k, home.whom, home.repeat, home.fallback) == (20, "person", "buy-again", ("trending:7d", "popular"))
    assert home.attributes() == {"category", "new", "margin", "genre", "creator"}
    assert home.pin[0].until == datetime(2026, 12, 25, tzinfo=UTC).timestamp()  # a date counts to its end
    assert home.rules() == [
        "where", "exclude purchase within 30d", "exclude after 5 impressions without click", "exclude own creator",
        "at_most 2: category", "at_least 2: new = true", "boost +0.5: margin ≥ 0.3", "pin sku1 at 1",
        "diversity 0.2 (mmr)", "calibrate genre 0.3", "explore plackett-luce",
    ]  # fmt: skip
    for rule in home.rules():
        assert rule not in home.without(rule).rules()


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ("diversity = 0.2", "diversty = 0.2", 12, "no key 'diversty'; did you mean 'diversity'?"),
        ("items = 2}]\nat_least", "item = 2}]\nat_least", 8, "at_most: there is no 'item'; did you mean 'items'?"),
        ('until = "2026-12-24"', 'until = "2026-12-24T18:00"', 11, "pin.until names no zone"),
        ("k = 20", "k = 1", 9, "at_least: 2 items are more than k = 1"),
        ("k = 20", "k = 0", 3, "k is from 1 to 1000, not 0"),
        ("k = 20", "k = 1001", 3, "k is from 1 to 1000, not 1001"),
        ('repeat = "buy-again"', 'repeat = "buyagain"', 14, "did you mean 'buy-again'?"),
        ('for = "person"', 'for = "people"', 5, "did you mean 'person'?"),
        ("position = 1,", "position = 21,", 11, "position 21 of 'sku1' is beyond k = 20"),
        ("position = 1,", "position = 0,", 11, "pin.position is from 1 to 1000, not 0"),
        ("[true]", "[]", 9, "at_least.where.in is a list of 1 to 200 plain values"),
        ('within = "30d"', 'within = "30 days"', 7, "reads like 30min"),
        ("diversity = 0.2", "diversity = 0.8", 1, "weigh 1.1 together"),
        ("diversity = 0.2", "diversity = 1.5", 12, "diversity.weight is from 0 to 1, not 1.5"),
        ("top = 50", "top = 1", 15, "explore.top is from 2 to 10000, not 1"),
        ("temperature = 0.05", "temperature = 0", 15, "explore.temperature is above 0 to 100, not 0"),
        ('"trending:7d"', '"trending"', 16, "trending needs a span"),
        ('"popular"]', '"popluar"]', 16, "did you mean 'popular'?"),
        ("from = 0.3", 'from = "0.3"', 10, "a bound is a number"),
        ("{own = ", '{own = "a", kind = ', 7, "exclude 3 needs exactly one of kind, impressions, own and items"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(right: str, wrong: str, line: int, said: str):
    assert right in HOME
    with pytest.raises(ParameterError) as raised:
        read(HOME.replace(right, wrong, 1))
    assert said in str(raised.value)
    assert line == 1 or f"shop.toml, line {line}: [placements.home]" in str(raised.value)


def test_two_pins_on_one_position_are_refused():
    pins = [{"item": "a", "position": 2}, {"item": "b", "position": 2}]
    with pytest.raises(ParameterError, match="'a' and 'b' are both at position 2"):
        read_placement("home", {"pin": pins})


def test_an_unknown_placement_model_or_attribute_is_refused_by_name():
    home = read(HOME)["home"]
    with pytest.raises(ParameterError, match="no placement 'hom'; did you mean 'home'"):
        named({"home": home}, "hom")
    known = home.attributes()
    check_names(home, known, {"active"})
    with pytest.raises(ParameterError, match="no item has the attribute 'margin'; did you mean 'margins'"):
        check_names(home, known - {"margin"} | {"margins"}, {"active"})
    with pytest.raises(ParameterError, match="no model 'active'"):
        check_names(home, known, {"knn"})
