"""Refunds take earlier purchases of the same person and item back, and are never dislikes."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant import Popular, Recipe, fit, read_interactions
from penchant.data.refunds import net
from penchant.errors import DataError, ParameterError


def log(rows, **options):
    frame = pl.DataFrame(rows, schema=["user", "item", "Quantity", "time"], orient="row")
    return read_interactions(frame, **options)


def left(found):
    values = [None] * len(found) if found.values is None else found.values.tolist()
    users, items = (
        [names[i] for i in of] for names, of in ((found.user_ids, found.users), (found.vocab.ids, found.items))
    )
    return list(zip(users, items, values, found.times.tolist(), strict=True))


ROWS = [
    ("u", "a", 2, 10**9),
    ("u", "a", 3, 10**9 + 1),
    ("u", "a", -4, 10**9 + 2),
    ("v", "a", 1, 10**9),
    ("u", "b", 1, 10**9),
]


def test_a_negative_quantity_takes_the_newest_purchase_back():
    found = log(ROWS)
    assert left(found) == [("u", "a", None, 10**9), ("u", "b", None, 10**9), ("v", "a", None, 10**9)]
    (finding,) = [f for f in found.report.findings if f.check == "refunds"]
    assert "1 refund cancelled 1 purchase, and 0 refunds found no earlier purchase" in finding.what
    weighed = log(ROWS, values="weight")
    assert left(weighed)[0] == ("u", "a", 1, 10**9)
    oldest = log(ROWS, values="weight", refund="oldest")
    assert ("u", "a", 1, 10**9 + 1) in left(oldest)
    assert len(oldest) == len(weighed) == 3


def test_a_refund_reaches_no_later_purchase_and_no_other_person():
    rows = [("u", "a", -1, 10**9), ("u", "a", 1, 10**9 + 1), ("v", "a", 1, 10**9), ("w", "b", -2, 10**9)]
    found = log(rows)
    assert left(found) == [("u", "a", None, 10**9 + 1), ("v", "a", None, 10**9)]
    assert found.histories().negatives().lengths.sum() == 0
    (finding,) = [f for f in found.report.findings if f.check == "refunds"]
    assert "2 refunds found no earlier purchase" in finding.what
    assert (found.user_ids, found.n_users) == (["u", "v"], 2)


def test_a_declared_kind_takes_a_purchase_back_and_not_a_view():
    frame = pl.DataFrame(
        {
            "user": ["u"] * 5,
            "item": list("aaaab"),
            "event": ["view", "buy", "view", "Refund", "view"],
            "time": [1, 2, 3, 4, 5],
        }
    )
    found = read_interactions(frame, kinds="view=1,buy=5,refund=-1:cancels")
    assert found.values.tolist() == [1, 1, 1]
    assert found.recipe.cancels == ("refund",)
    assert read_interactions(frame, kinds={"view": 1, "buy": 5, "refund": "-1:cancels"}).recipe == found.recipe
    assert sorted(read_interactions(frame, kinds="view=1,buy=5,refund=-1").values.tolist()) == [-1, 1, 1, 1, 5]


def test_serving_takes_purchases_back_as_reading_does():
    rows = [("u", "a", 2, 10**9), ("u", "b", 3, 10**9 + 1), ("u", "a", -2, 10**9 + 2), ("v", "a", 1, 10**9)]
    read = log(rows, values="weight", weight="raw")
    recommender = fit(read, Popular())
    assert recommender.recipe.quantities
    assert Recipe.from_json(json.loads(json.dumps(recommender.recipe.to_json()))) == recommender.recipe
    given, _ = recommender.histories([{"item": i, "value": q, "time": t} for u, i, q, t in rows if u == "u"])
    assert [(read.vocab.ids[i], v) for i, v in zip(given.items, given.values, strict=True)] == [("b", 3)]
    assert read.history_of("u").items.tolist() == given.items.tolist()


def test_a_log_of_which_nothing_is_left_and_wrong_options():
    with pytest.raises(DataError, match="cancel every event"):
        log([("u", "a", 1, 10**9), ("u", "a", -1, 10**9 + 1)])
    with pytest.raises(ParameterError, match="newest"):
        log(ROWS, refund="best")
    with pytest.raises(ParameterError, match="view=1"):
        read_interactions(pl.DataFrame({"user": ["u"], "item": ["a"]}), kinds="refund=-1:undoes")


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5).filter(bool)), max_size=40),
    st.sampled_from(["newest", "oldest"]),
)
def test_netting_matches_a_ledger_kept_by_hand(events, which):
    pairs, amounts = (np.array([e[n] for e in events], dtype=np.int64) for n in (0, 1))
    found = net(pairs, amounts, amounts < 0, which=which)
    ledger: dict[int, list[list[int]]] = {}
    lost = 0
    for at, (pair, amount) in enumerate(events):
        mine = ledger.setdefault(pair, [])
        if amount > 0:
            mine.append([at, amount])
            continue
        due = -amount
        while due and mine:
            entry = mine[-1] if which == "newest" else mine[0]
            taken = min(due, entry[1])
            due, entry[1] = due - taken, entry[1] - taken
            if not entry[1]:
                mine.remove(entry)
        lost += due > 0
    kept = {at: amount for mine in ledger.values() for at, amount in mine}
    assert np.flatnonzero(found.keep).tolist() == sorted(kept)
    assert [found.amounts[at] for at in sorted(kept)] == [kept[at] for at in sorted(kept)]
    assert found.unmatched == lost


@pytest.mark.parametrize("kind", ["refund", "Return", " CANCELLED ", "Chargeback", "storno"])
def test_a_kind_that_takes_back_by_its_name_cancels_unless_it_is_named(kind):
    rows = [("u", "a", "buy"), ("u", "b", "buy"), ("u", "a", kind), ("v", "a", kind), ("v", "b", "view")]
    frame = pl.DataFrame(rows, schema=["user", "item", "kind"], orient="row")
    found, declared = read_interactions(frame), read_interactions(frame, kinds={kind: "1:cancels"})
    name = kind.strip().lower()
    assert found.recipe.cancels == declared.recipe.cancels == (name,)
    assert [found.vocab.ids[item] for item in found.items] == [declared.vocab.ids[item] for item in declared.items]
    assert [found.vocab.ids[item] for item in found.items] == ["b", "b"]
    (note,) = [note for note in found.report.notes if "back" in note]
    assert f"events of kind {name} take earlier ones back" in note
    assert f'kinds={{"{name}": 1}} counts them like others' in note
    assert not [note for note in declared.report.notes if "back" in note]
    assert not [one for one in found.report.findings if name in one.fix and one.check == "kinds"]
    assert len(read_interactions(frame, kinds={kind: 1})) == 5
    model = fit(found, Popular())
    assert model.recipe.cancels == (name,)  # the service does the same
