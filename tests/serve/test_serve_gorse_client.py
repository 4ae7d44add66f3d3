"""PyGorse, unchanged, against a running service: all its calls, of both its clients."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from gorse import AsyncGorse, Gorse, GorseException

from penchant.cli.main import main
from tests.serve.serving import Process

NOW = datetime.now(UTC).replace(microsecond=0)
WRITTEN = "%Y-%m-%dT%H:%M:%SZ"


class Both:
    """A client whose calls are answered at once, whichever it is; ``called`` are their names."""

    def __init__(self, client: Any) -> None:
        self.client, self.called = client, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        call = getattr(self.client, name)
        return (lambda *a, **k: asyncio.run(call(*a, **k))) if inspect.iscoroutinefunction(call) else call


@pytest.fixture
def served(knn: Path, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a service with an admin key, and the key."""
    store = tmp_path / "store.db"
    capture = pytest.MonkeyPatch()
    keys: list[str] = []
    capture.setattr("penchant.cli.serve.say", keys.append)
    assert main(["keys", "create", "gorse", "--scope", "admin", "--store", f"sqlite:///{store}"]) == 0
    capture.undo()
    process = Process(knn, store, settings={"gorse_api": True, "wrong_keys": 1000})
    yield f"http://127.0.0.1:{process.port}", keys[0]
    process.stop()


def ago(minutes: int) -> str:
    return (NOW - timedelta(minutes=minutes)).strftime(WRITTEN)


def refused(status: int, call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(GorseException) as wrong:
        call(*arguments, **named)
    assert wrong.value.status_code == status, wrong.value.message
    return str(wrong.value.message)


@pytest.mark.parametrize("kind", [Gorse, AsyncGorse])
def test_every_call(served: tuple[str, str], kind: type[Gorse | AsyncGorse]) -> None:
    client = Both(kind(*served))
    _users(client)
    _items(client)
    _feedback(client)
    _lists(client)
    public = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
    assert client.called == public


def _users(client: Any) -> None:
    ann = {"UserId": "ann", "Labels": {"gender": "F", "age": 31, "likes": ["noir", "opera"]}, "Comment": "first"}
    assert client.insert_user(ann) == {"RowAffected": 1}
    assert client.get_user("ann") == ann
    tagged = {"UserId": "bob", "Labels": ["man", "student"], "Comment": ""}
    assert client.insert_users([tagged, {"UserId": "cy"}]) == {"RowAffected": 2}
    assert client.get_user("bob") == tagged
    assert client.get_user("cy") == {"UserId": "cy", "Labels": None, "Comment": ""}
    assert client.insert_user({**ann, "Labels": {"age": 32}}) == {"RowAffected": 1}  # nothing is left of the one before
    assert client.get_user("ann") == {**ann, "Labels": {"age": 32}}
    found, cursor = client.get_users(2)
    assert [one["UserId"] for one in found] == ["ann", "bob"]
    rest, end = client.get_users(2, cursor)
    assert [one["UserId"] for one in rest] == ["cy"]
    assert end == ""
    for user in ("ann", "bob", "cy"):
        assert client.delete_user(user) == {"RowAffected": 1}
        refused(404, client.get_user, user)
    assert client.delete_user("ann") == {"RowAffected": 0}


def _items(client: Any) -> None:
    item = {
        "ItemId": "new/1", "IsHidden": True, "Categories": ["noir", "new"], "Timestamp": ago(5),
        "Labels": {"embedding": [0.1, 0.2], "country": "IT"}, "Comment": "The Third Man",
    }  # fmt: skip
    path = "new%2F1"  # PyGorse puts ids into paths as they are
    assert client.insert_item(item) == {"RowAffected": 1}
    assert client.get_item(path) == item
    assert client.update_item(path, comment="Rififi", is_hidden=False) == {"RowAffected": 1}
    assert client.get_item(path) == {**item, "Comment": "Rififi", "IsHidden": False}
    assert client.update_item(path, labels=["b", "a"], categories=["x"], timestamp=ago(4)) == {"RowAffected": 1}
    changed = {**item, "Comment": "Rififi", "IsHidden": False, "Labels": ["b", "a"], "Categories": ["x"]}
    assert client.get_item(path) == {**changed, "Timestamp": ago(4)}
    assert [one["ItemId"] for one in client.search_items("rififi", n=3)] == ["new/1"]
    first, cursor = client.get_items(20)
    second, end = client.get_items(20, cursor)
    assert [one["ItemId"] for one in first + second] == sorted([f"i{n:02d}" for n in range(30)] + ["new/1"])
    assert end == ""
    assert client.delete_item(path) == {"RowAffected": 1}
    refused(404, client.get_item, path)
    assert client.delete_item(path) == {"RowAffected": 0}


def _feedback(client: Any) -> None:
    rows = [
        {
            "FeedbackType": "view",
            "UserId": "dan",
            "ItemId": "i10",
            "Timestamp": ago(9),
            "Value": 2.0,
            "Comment": "good",
        },
        {"FeedbackType": "view", "UserId": "dan", "ItemId": "i11", "Timestamp": ago(8)},
    ]
    assert client.insert_feedbacks(rows) == {"RowAffected": 2}
    assert client.insert_feedback("cart", "dan", "i10", ago(7)) == {"RowAffected": 1}
    assert client.list_feedbacks("view", "dan") == [
        {**rows[1], "Value": 0.0, "Updated": ago(8), "Comment": ""}, {**rows[0], "Updated": ago(9)},
    ]  # fmt: skip
    found, cursor = client.get_feedbacks(2)
    rest, end = client.get_feedbacks(2, cursor)
    assert [(one["FeedbackType"], one["ItemId"]) for one in found + rest] == [
        ("view", "i10"), ("view", "i11"), ("cart", "i10"),
    ]  # fmt: skip
    assert end == ""
    assert client.delete_feedback("dan", "i10") == {"RowAffected": 2}
    assert client.delete_feedback("dan", "i10") == {"RowAffected": 0}
    assert [one["ItemId"] for one in client.list_feedbacks("view", "dan")] == ["i11"]


def _lists(client: Any) -> None:
    for item in ("i12", "i13"):
        client.insert_feedback("view", "dan", item, ago(1))
    best = client.get_recommend("dan", n=6)
    assert len(best) == 6
    assert [one.score for one in best] == sorted((one.score for one in best), reverse=True)
    assert {one.id for one in best[:5]} <= {f"i1{n}" for n in range(10)} - {"i11", "i12", "i13"}
    assert [one.id for one in client.get_recommend("dan", n=3, offset=2)] == [one.id for one in best[2:5]]
    client.update_item(best[0].id, categories=["chosen"])
    assert [one.id for one in client.get_recommend("dan", "chosen")] == [best[0].id]
    client.update_item(best[0].id, categories=[])
    back = client.get_recommend("dan", n=2, write_back_type="view", write_back_delay="1s")
    assert [one.id for one in back] == [one.id for one in best[:2]]
    assert {one["ItemId"] for one in client.list_feedbacks("view", "dan")} >= {one.id for one in back}
    given = [{"FeedbackType": "view", "UserId": "", "ItemId": "i00", "Timestamp": ago(3)}]
    alike = client.session_recommend(given, n=4)
    assert [set(one) for one in alike] == [{"Id", "Score"}] * 4
    assert {one["Id"] for one in alike} <= {f"i0{n}" for n in range(1, 10)}
    near = client.get_neighbors("i00", n=4)
    assert {one["Id"] for one in near} <= {f"i0{n}" for n in range(1, 10)}
    assert client.get_neighbors("i00", n=2, offset=2) == near[2:]
    client.delete_user("dan")


@pytest.mark.parametrize("kind", [Gorse, AsyncGorse])
def test_wrong_input(served: tuple[str, str], kind: type[Gorse | AsyncGorse]) -> None:
    client, feedback = Both(kind(*served)), {"FeedbackType": "view", "UserId": "eve", "ItemId": "i00"}
    for wrong, field in (
        ({**feedback, "Timestamp": "yesterday"}, "Timestamp"),
        ({**feedback, "FeedbackType": ""}, "FeedbackType"),
        ({"UserId": "eve", "ItemId": "i00"}, "FeedbackType"),
        ({"FeedbackType": "view", "ItemId": "i00"}, "UserId"),
        ({**feedback, "ItemId": ""}, "ItemId"),
        ({**feedback, "Value": "five"}, "Value"),
        ({**feedback, "Timestamp": "2999-01-01T00:00:00Z"}, "Timestamp"),
    ):
        assert f'"0.{field}"' in refused(422, client.insert_feedbacks, [wrong]).replace("body.", ""), wrong
    assert client.list_feedbacks("view", "eve") == []
    refused(422, client.insert_feedbacks, [])
    assert "Labels.a" in refused(422, client.insert_user, {"UserId": "eve", "Labels": {"a": {"b": 1}}})
    assert "Subscribe" in refused(422, client.insert_user, {"UserId": "eve", "Subscribe": ["x"]})
    assert "Labels.timestamp" in refused(422, client.insert_item, {"ItemId": "x", "Labels": {"timestamp": 1}})
    refused(404, client.update_item, "none", comment="x")
    refused(404, client.get_neighbors, "none")
    refused(422, client.get_items, 3, "none")
    refused(422, client.get_recommend, "eve", n=0)
    refused(422, client.get_recommend, "eve", write_back_type="view", write_back_delay="soon")
    refused(422, client.get_recommend, "eve", write_back_type="view", write_back_delay="25h")
    refused(401, Both(kind(served[0], "")).get_user, "eve")
    refused(401, Both(kind(served[0], "pk_wrong")).get_user, "eve")
