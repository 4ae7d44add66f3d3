"""Outcomes by exposure: the vectorised rule against a plain one, and Wilson's interval against tables."""

from __future__ import annotations

import random

import pytest

from penchant.data.recipe import Recipe
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.exposures import Exposure, Exposures
from penchant.store.results import DAY, Counts, results, wilson

START = 1_790_035_200  # midnight
RECIPE = Recipe({"view": 1.0, "Purchase": 3.0, "nothing": 0.0})
HOUR = 3600


def filled(store: EventStore, shown: list[Exposure], happened: list[NewEvent]) -> None:
    exposures = Exposures(store)
    store.writer.do_now(lambda connection: exposures.write(connection, shown))
    store.writer.do_now(lambda connection: store.append_within(connection, [Batch(happened)]))


def exposure(person: str, name: str, time: int, items: list[str], *, start: int = 0, placement: str = "default",
             model: str = "m", fallback: bool = False) -> Exposure:  # fmt: skip
    return Exposure(person, name, start, START + time, placement, model, fallback, items, [1.0] * len(items))


def event(person: str, item: str, time: int, kind: str | None = "view", named: str | None = None) -> NewEvent:
    return NewEvent(person, item, kind, None, START + time, None, None, recommendation=named)


def counted(store: EventStore, days: int = 1, window: int = 24 * HOUR) -> tuple[Counts, dict[str, dict[str, Counts]]]:
    found = results(
        store.database, START, START + days * DAY, attribution=window, recipe=RECIPE, purchases=["purchase "]
    )
    return found.total, {name: dict(rows) for name, rows in found.groups.items()}


def test_by_hand(store: EventStore) -> None:
    filled(
        store,
        [
            exposure("u:a", "r_1", 0, ["x", "y"]),
            exposure("u:a", "r_1", 5, ["z"], start=2),  # its second page
            exposure("u:a", "r_2", 100, ["x", "w"], placement="home"),
            exposure("u:b", "r_3", 200, ["x"], model="n", fallback=True),
            exposure("s:a", "r_4", 300, ["x"]),
        ],
        [
            event("u:a", "x", 50),  # of r_1
            event("u:a", "x", 60, "purchase"),  # too, and counts once
            event("u:a", "x", 150),  # of r_2, the last one
            event("u:a", "y", 150, named="r_1"),
            event("u:a", "z", 4),  # before it was shown
            event("u:a", "w", 160, "impression"),
            event("u:b", "x", 250, "dislike"),
            event("u:b", "x", 250, "nothing"),
            event("s:a", "y", 350),  # never shown to the session
        ],
    )
    total, groups = counted(store)
    assert total == Counts(lists=4, fallback=1, shown=7, seen=1, clicked=3, bought=1, items=4)
    assert groups["placement"]["home"] == Counts(1, 0, 2, 1, 1, 0, 2)
    assert groups["placement"]["default"] == Counts(3, 1, 5, 0, 2, 1, 3)
    assert groups["model"] == {"m": Counts(3, 0, 6, 1, 3, 1, 4), "n": Counts(1, 1, 1, 0, 0, 0, 1)}
    assert groups["day"] == {"2026-09-22": total}


def test_a_list_is_named_before_the_last_one(store: EventStore) -> None:
    lists = [exposure("u:a", "r_1", 0, ["x"], placement="one"), exposure("u:a", "r_2", 10, ["x"], placement="two")]
    filled(store, lists, [event("u:a", "x", 20, named="r_1"), event("u:a", "x", 30, named="r_nobody")])
    _, groups = counted(store)
    assert (groups["placement"]["one"].clicked, groups["placement"]["two"].clicked) == (1, 1)


@pytest.mark.parametrize(("late", "clicked"), [(24 * HOUR, 1), (24 * HOUR + 1, 0)])
def test_the_window(store: EventStore, late: int, clicked: int) -> None:
    filled(store, [exposure("u:a", "r_1", 80_000, ["x"])], [event("u:a", "x", 80_000 + late)])
    assert counted(store)[0].clicked == clicked


def test_the_time_is_that_of_the_exposure(store: EventStore) -> None:
    lists = [exposure("u:a", f"r_{n}", time, ["x"]) for n, time in enumerate((-1, 0, DAY - 1, DAY))]
    filled(store, lists, [event("u:a", "x", DAY - 1)])
    total, groups = counted(store)
    assert (total.lists, total.clicked) == (2, 1)
    assert list(groups["day"]) == ["2026-09-22"]
    assert list(counted(store, days=2)[1]["day"]) == ["2026-09-22", "2026-09-23"]


def test_nothing(store: EventStore) -> None:
    total, groups = counted(store)
    assert total == Counts(0, 0, 0, 0, 0, 0, 0)
    assert groups == {"placement": {}, "model": {}, "day": {}}
    assert total.to_json(10)["click_through"] is None
    filled(store, [exposure("u:a", "r_1", 5, ["x"])], [])
    assert counted(store)[0] == Counts(1, 0, 1, 0, 0, 0, 1)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_plain_rule(store: EventStore, seed: int) -> None:
    dice = random.Random(seed)
    people, items = [f"u:{n}" for n in range(6)], [f"i{n}" for n in range(8)]
    shown = [
        exposure(
            dice.choice(people), f"r_{n}", dice.randrange(5000), dice.sample(items, 3), placement=dice.choice("pq")
        )
        for n in range(120)
    ]
    names = [one.id for one in shown]
    happened = [
        event(dice.choice(people), dice.choice(items), dice.randrange(5500), dice.choice(["view", "purchase", None]),
              dice.choice([None, dice.choice(names)]))
        for _ in range(300)
    ]  # fmt: skip
    filled(store, shown, happened)
    window, hits = 900, set[tuple[str, str]]()
    for one in happened:
        own = [each for each in shown if each.person == one.person and one.item in each.items]
        found = [each for each in own if each.id == one.recommendation]
        if not found:
            before = [each for each in own if 0 <= one.time - each.time <= window]
            latest = max((each.time for each in before), default=None)
            found = [each for each in before if each.time == latest][-1:]
        hits |= {(each.id, one.item) for each in found}
    assert counted(store, window=window)[0].clicked == len(hits) > 50


def test_wilson() -> None:
    assert wilson(0, 0) is None
    for hits, of, low, high in ((10, 100, 0.05523, 0.17437), (0, 100, 0.0, 0.03699), (5, 5, 0.56552, 1.0)):
        share = wilson(hits, of)
        assert share is not None
        assert share["mean"] == hits / of
        assert share["low"] == pytest.approx(low, abs=2e-5)
        assert share["high"] == pytest.approx(high, abs=2e-5)
