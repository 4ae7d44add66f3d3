"""Items over the API, filters on what is said of them, and what acts at once."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.data.item_values import Column
from penchant.serve.catalogue.filters import parse
from penchant.serve.common.problems import Problem
from tests.serve.conftest import ITEMS, Client, Make

PATH = "/v1/users/ann/recommendations"


def shown(client: Client, where: Any = None) -> set[str]:
    params = {"k": 100, **({} if where is None else {"where": json.dumps(where)})}
    return set(client.ids(PATH, **params))


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ({"attribute": "genre", "in": ["drama"]}, range(9)),
        ({"attribute": "genre", "in": ["DRAMA", "noir"]}, [*range(9), *range(20, 30)]),
        ({"attribute": "price", "from": 27}, [27, 28, 29]),
        ({"attribute": "price", "to": 2.5}, [0, 1, 2]),
        ({"attribute": "price", "from": 3, "to": 4}, [3, 4]),
        ({"attribute": "price", "in": [5, 6.0]}, [5, 6]),
        ({"attribute": "price", "exists": False}, []),
        ({"domain": ["film"]}, [n for n in range(30) if n % 2 and n != 9]),
        ({"available": False}, [9]),
        ({"any": [{"available": True}, {"available": False}]}, range(30)),
        ({"all": [{"domain": ["book"]}, {"attribute": "price", "to": 3}]}, [0, 2]),
        ({"any": [{"attribute": "price", "to": 0}, {"attribute": "price", "from": 29}]}, [0, 29]),
        ({"none": [{"attribute": "genre", "in": ["drama", "comedy"]}, {"domain": ["film"]}]}, range(20, 30, 2)),
        ({"attribute": "unheard", "in": ["x"]}, []),
        ({"attribute": "unheard", "exists": False}, [n for n in range(30) if n != 9]),
    ],
)
def test_a_filter_selects(client: Client, where: Any, numbers: Any) -> None:
    assert shown(client, where) == {ITEMS[n] for n in numbers}
    told = client.post(PATH, json={"k": 100, "where": where}).json()
    assert {entry["item"] for entry in told["items"]} == {ITEMS[n] for n in numbers}
    if "unheard" in str(where):
        assert "no item has the attribute 'unheard'" in told["degraded"]


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("{", "where"),
        ("[]", "where"),
        ("3", "where"),
        ("{}", "where"),
        ('{"colour": 1}', "where"),
        ('{"attribute": "a"}', "where"),
        ('{"attribute": "a", "in": []}', "where.in"),
        ('{"attribute": "a", "in": [[]]}', "where.in.0"),
        ('{"attribute": "a", "from": "1"}', "where.from"),
        ('{"attribute": "a", "to": true}', "where.to"),
        ('{"attribute": "a", "in": ["x"], "more": 1}', "where.more"),
        ('{"all": []}', "where.all"),
        ('{"all": [{"domain": ["x"]}, {"domain": 3}]}', "where.all.1.domain"),
        ('{"all": [{"domain": ["x"]}], "any": []}', "where.any"),
        ('{"available": "yes"}', "where.available"),
        (json.dumps({"any": [{"domain": ["x"]}] * 65}), "where"),
        ('{"all": [' * 9 + '{"domain": ["x"]}' + "]}" * 9, "where"),
        ('{"all": [' * 5000 + "1" + "]}" * 5000, "where"),
        ('{"attribute": "a", "from": NaN}', "where"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_and_its_place_named(client: Client, where: str, field: str) -> None:
    told = client.post(PATH, content=f'{{"where": {where}}}', headers={"content-type": "application/json"})
    if len(where) < 20_000:
        told = client.get(PATH, params={"where": where})
        assert told.json()["errors"][0]["field"] == field
    assert told.status_code in {400, 422}


def test_items_act_at_once(client: Client) -> None:
    assert "i03" in shown(client)
    assert client.patch("/v1/items/i03", json={"hidden": True}).json()["hidden"] is True
    assert "i03" not in shown(client)
    assert client.get(PATH, params={"k": 3}).json()["removed"] == {"hidden": 1, "unavailable": 1}
    client.patch("/v1/items/i03", json={"hidden": None})
    assert "i03" in shown(client)
    client.patch("/v1/items/i09", json={"available": True})
    assert "i09" in shown(client)
    client.patch("/v1/items/i05", json={"attributes": {"genre": ["war"], "mood": "dark"}})
    assert shown(client, {"attribute": "mood", "in": ["dark"]}) == {"i05"}
    assert "i05" not in shown(client, {"attribute": "genre", "in": ["drama"]})
    client.patch("/v1/items/i05", json={"attributes": {"mood": None}, "title": "Renamed"})
    told = client.get("/v1/items/i05").json()
    assert told["attributes"] == {"genre": ["war"], "price": 5.0}
    assert told["title"] == "Renamed"
    client.put("/v1/items/i05", json={})
    assert client.get("/v1/items/i05").json()["attributes"]["genre"] == ["drama", "all"]  # as it was saved
    assert client.delete("/v1/items/i05").json() == {"item": "i05", "deleted": True}
    assert "i05" not in shown(client)
    assert client.get("/v1/items/i05").status_code == 404
    assert client.get("/v1/items/i05/similar").status_code == 404


def test_an_item_expires_when_its_time_has_come(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    client.patch("/v1/items/i03", json={"expires": int(real()) + 1000})
    assert "i03" in shown(client)
    monkeypatch.setattr(time, "time", lambda: real() + 2000)
    assert "i03" not in shown(client)
    assert client.get(PATH).json()["removed"]["expired"] == 1
    monkeypatch.setattr(time, "time", real)
    assert "i03" in shown(client)


def test_a_new_item_enters_and_is_found_by_content(client: Client) -> None:
    client.put("/v1/items/new", json={"title": "Brand new", "attributes": {"genre": ["noir"], "era": "forties"}})
    client.patch("/v1/items/i21", json={"attributes": {"era": "forties"}})
    told = client.get("/v1/items/new/similar?k=3").json()
    assert told["method"] == "content"
    assert told["items"][0]["item"] == "i21"
    assert client.ids("/v1/latest", k=1) == ["new"]
    assert client.ids("/v1/items", q="new brand") == ["new"]
    assert client.ids("/v1/items", k=3) == client.ids("/v1/popular", k=3)
    assert "new" in shown(client)  # where the model has no more to say
    client.events({"user": "ann", "item": "new"})
    told = client.get(PATH).json()
    assert told["unknown"] == ["new"]
    assert told["removed"]["seen"] == 1


def test_a_batch_is_all_or_nothing(client: Client) -> None:
    said = {"put": [{"item": "a", "title": "A"}], "patch": [{"item": "i00", "title": "B"}], "delete": ["i01"]}
    assert client.post("/v1/items", json=said).json() == {"put": 1, "patched": 1, "deleted": 1}
    assert client.get("/v1/items/i00").json()["title"] == "B"
    wrong = {"put": [{"item": "b"}], "patch": [{"item": "", "title": "C"}]}
    told = client.post("/v1/items", json=wrong)
    assert told.status_code == 422
    assert told.json()["errors"][0]["field"] == "patch.0.item"
    assert client.get("/v1/items/b").status_code == 404


def test_what_was_said_survives_a_restart_and_another_model(make: Make, models: Any) -> None:
    client = make(folder=str(models))
    client.patch("/v1/items/i03", json={"hidden": True})
    client.put("/v1/items/new", json={"title": "N"})
    for name in ("popular", "knn"):
        client.post(f"/v1/models/{name}/activate")
        assert "i03" not in shown(client)
        assert client.get("/v1/items/new").json()["title"] == "N"
    again = make(folder=str(models))
    assert "i03" not in shown(again)
    assert again.get("/v1/items/new").json()["title"] == "N"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"title": 3}, "title"),
        ({"hidden": "yes"}, "hidden"),
        ({"colour": "red"}, "colour"),
        ({"expires": "soon"}, "expires"),
        ({"attributes": {"a": {"b": 1}}}, "attributes.a"),
        ({"attributes": {"a": [["b"]]}}, "attributes.a"),
        ({"attributes": {"": 1}}, "attributes..[key]"),
        ({"attributes": {"a\0": 1}}, "attributes.a\0.[key]"),
        ({"attributes": {"a": 10**30}}, "attributes.a"),
        ({"attributes": {str(n): 1 for n in range(100)}}, "attributes"),
    ],
)
def test_an_item_that_cannot_be(client: Client, document: Any, field: str) -> None:
    told = client.put("/v1/items/x", json=document)
    assert told.status_code == 422
    assert told.json()["errors"][0]["field"] == field


VALUES = (
    st.none() | st.sampled_from(["a", "B", "b", 1, 1.0, 2.5, True]) | st.lists(st.sampled_from(["a", "c"]), max_size=2)
)


@given(st.lists(VALUES, min_size=1, max_size=8), st.lists(st.tuples(st.integers(0, 7), VALUES), max_size=6))
def test_a_column_that_changes_is_a_column_made_anew(values: list[Any], changes: list[tuple[int, Any]]) -> None:
    column, plain = Column(values), list(values)
    column.one_of(["a"])
    for at, value in changes:
        if at < len(plain):
            column.set(at, value)
            plain[at] = value
    fresh = Column(plain)
    for wanted in (["a"], ["b", 1], [True], [2.5]):
        assert np.array_equal(column.one_of(wanted), fresh.one_of(wanted))
    assert np.array_equal(column.between(1, 2), fresh.between(1, 2))
    assert np.array_equal(column.exists(), fresh.exists())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["all", "any", "none", "attribute", "in", "from", "domain", "available"]), inner
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_a_filter_is_read_or_refused_with_its_place(document: Any) -> None:
    refused: Problem | None = None
    try:
        parse(document)
    except Problem as problem:
        refused = problem
    if refused is not None:
        assert refused.status_code == 422
        assert refused.errors[0]["field"].startswith("where")


@pytest.mark.parametrize("batch", [
    {"patch": [{"item": "gone", "title": "x"}]}, {"patch": [{"item": "never"}]}, {"delete": ["never"]},
    {"delete": ["gone"]}, {"delete": ["i01", "i01"]}, {"put": [{"item": "new"}], "delete": ["new", "new"]},
    {"put": [{"item": "new"}], "patch": [{"item": "new"}, {"item": "never"}]},
])  # fmt: skip
def test_a_batch_refuses_what_single_calls_refuse(client: Client, batch: dict[str, Any]) -> None:
    client.put("/v1/items/gone", json={"title": "Gone"})
    client.delete("/v1/items/gone")
    assert client.patch("/v1/items/gone", json={"title": "x"}).status_code == 404
    assert client.delete("/v1/items/never").status_code == 404
    refused = client.post("/v1/items", json=batch)
    assert refused.status_code == 404, refused.text
    assert refused.json()["errors"][0]["field"].split(".")[0] in {"patch", "delete"}
    for item in ("new", "never", "gone"):
        assert client.get(f"/v1/items/{item}").status_code == 404  # all or none
    assert client.get("/v1/items/i01").status_code == 200


def test_a_batch_may_use_what_it_puts(client: Client) -> None:
    batch = {"put": [{"item": "new"}], "patch": [{"item": "new", "title": "New"}], "delete": ["new"]}
    assert client.post("/v1/items", json=batch).status_code == 200
    assert client.get("/v1/items/new").status_code == 404


@pytest.mark.parametrize(
    "document", [{"title": "a\0b"}, {"attributes": {"tag": "a\0b"}}, {"attributes": {"t": ["\0"]}}]
)
def test_text_without_nul_only(client: Client, document: dict[str, Any]) -> None:
    refused = client.put("/v1/items/x", json=document)
    assert refused.status_code == 422
    assert "NUL" in refused.json()["detail"]
