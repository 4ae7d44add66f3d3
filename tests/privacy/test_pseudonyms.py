"""Pseudonyms at the door: no id of a person is on disk, in logs or in metrics; keys rotate."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from penchant.cli.main import main
from penchant.data.pseudonyms import Pseudonyms
from penchant.data.read import read_interactions
from penchant.errors import ParameterError
from penchant.serve.common.logs import JsonLines
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.store.events import EventStore
from tests.every_byte import every_byte
from tests.privacy.conftest import ended
from tests.serve.conftest import Client, Make
from tests.serve.test_serve_openapi import CALLS

OLD, NEW = b"o" * 32, b"n" * 32
ANN, SESSION = "ann-3f1c9d77", "visit-83bd02ce"  # ids that stand nowhere by chance


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Two key files."""
    for name, key in (("old", OLD), ("new", NEW)):
        (tmp_path / f"{name}.key").write_bytes(key)
    return {name: str(tmp_path / f"{name}.key") for name in ("old", "new")}


def everything(folder: Path) -> bytes:
    """Every byte of every file under a folder, but not of keys."""
    return every_byte(one for one in folder.rglob("*") if one.suffix != ".key")


def people(folder: Path) -> set[str]:
    """The people in a store, by their names in it."""
    with sqlite3.connect(folder / "store.db") as connection:
        tables = ("events", "attributes", "exposures", "ahead", "choices", "lost")
        rows = [connection.execute(f"SELECT person FROM {table}").fetchall() for table in tables]  # noqa: S608  # ours
        return {one for found in rows for (one,) in found}


def test_a_pseudonym_is_a_keyed_hash_and_keeps_kinds_apart():
    key = Pseudonyms(OLD)
    assert key.of("user", "1") == key.of("user", "1") != key.of("user", "2")
    assert key.of("user", "1") != key.of("session", "1")
    assert key.of("user", "1") != Pseudonyms(NEW).of("user", "1")
    assert key.of("user", key.of("user", "1")) == key.of("user", "1")
    assert not Pseudonyms(NEW).made(key.of("user", "1"))
    assert len(key.of("user", "1")) == 2 + 4 + 24


def test_every_request_leaves_no_id_anywhere(
    make: Make, keys: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("penchant.serve").propagate = True
    caplog.set_level(logging.DEBUG)
    client = make(pseudonyms=True, pseudonym_key=keys["old"], exposures=True, access_log=True, keep="0")
    text = json.dumps(CALLS).replace('"ann"', f'"{ANN}"').replace('"s"', f'"{SESSION}"').replace('"new"', f'"{ANN}x"')
    link = ""
    for method, path, parts in json.loads(text):
        url = path.format_map({"hash": "00", **parts.get("path_parameters", {})})
        own = {"authorization": f"Bearer {link}"} if path.startswith("/v1/me") else {}
        answer = client.request(method, url, params=parts.get("query"), json=parts.get("body"), headers=own)
        assert answer.status_code < 500, (method, path, answer.text)
        if path.endswith("/link"):
            link = answer.json()["token"]
            assert client.get(answer.json()["path"]).status_code == 200
        if path.endswith(".csv"):
            continue
        if method != "DELETE" and path.startswith("/v1/users/{id}") and answer.status_code == 200:
            assert "p_" not in json.dumps({k: v for k, v in answer.json().items() if k in ("user", "from", "to")})
    client.events({"user": ANN, "item": "i00"}, {"session": SESSION, "item": "i01"})
    assert client.get(f"/v1/users/{ANN}/recommendations").json()["removed"]["seen"] == 1
    assert client.get("/v1/popular", params={"user": ANN}).json()["removed"]["seen"] == 1
    client.patch(f"/v1/users/{ANN}", json={"attributes": {"country": "NO"}})
    assert client.get(f"/v1/users/{ANN}/export").json()["user"] == ANN
    client.service.store.writer.do_now(lambda _: None)
    held = everything(tmp_path) + client.get("/metrics").content
    told = "\n".join(JsonLines().format(one) for one in caplog.records if one.name.startswith(("penchant", "uvicorn")))
    assert told.count("/v1/users/{id}/recommendations") > 2
    held += told.encode()
    for one in (ANN, SESSION):
        assert one.encode() not in held
    assert Pseudonyms(OLD).of("user", ANN).encode() in held
    assert all(one[2:].startswith(Pseudonyms(OLD).prefix) for one in people(tmp_path))


def test_who_appears_under_a_new_key_takes_everything_along(make: Make, keys: dict[str, str], tmp_path: Path) -> None:
    with ended(make(pseudonyms=True, pseudonym_key=keys["old"])) as client:
        client.events(*({"user": who, "item": "i00"} for who in ("ann", "bob", "cat")))
        client.patch("/v1/users/ann", json={"attributes": {"a": 1}})
        client.delete("/v1/users/cat")
    client = make(pseudonyms=True, pseudonym_key=keys["new"], pseudonym_old_keys=(keys["old"],))
    told = client.get("/v1/users/ann/export").json()
    assert [one["item"] for one in told["events"]] == ["i00"]
    assert told["attributes"] == {"a": 1}
    old, new = Pseudonyms(OLD), Pseudonyms(NEW)
    assert people(tmp_path) == {"u:" + new.of("user", "ann"), "u:" + old.of("user", "bob")}
    late = client.events({"user": "cat", "item": "i01", "time": int(time.time()) - 3600})
    assert late.status_code == 422
    assert "erased" in late.text
    client.events({"user": "bob", "item": "i01"})
    assert people(tmp_path) == {"u:" + new.of("user", who) for who in ("ann", "bob")}
    assert len(client.get("/v1/users/bob/events").json()["events"]) == 2


@pytest.mark.parametrize(("until", "left"), [("", 1), ("2999-01-01", 1), ("2020-01-01", 0)])
def test_what_is_left_under_an_old_key_is_erased_at_its_date(
    make: Make, keys: dict[str, str], tmp_path: Path, until: str, left: int
) -> None:
    with ended(make(pseudonyms=True, pseudonym_key=keys["old"])) as client:
        client.events({"user": "bob", "item": "i00"})
    given: dict[str, Any] = {"pseudonym_key": keys["new"], "pseudonym_old_keys": (keys["old"],)}
    client = make(pseudonyms=True, pseudonym_old_until=until, **given)
    client.portal.call(client.service.tidy)
    assert len(people(tmp_path)) == left


def test_a_missing_or_wrong_key_is_refused(make: Make, keys: dict[str, str], knn: Path, tmp_path: Path) -> None:
    with ended(make(pseudonyms=True, pseudonym_key=keys["old"])) as client:
        client.events({"user": "ann", "item": "i00"})
    before = people(tmp_path)
    for given, why in (
        ({"pseudonyms": True, "pseudonym_key": keys["new"]}, "is not the key of this store"),
        ({}, "this store holds pseudonyms"),
        ({"pseudonyms": True, "pseudonym_key": str(tmp_path / "none.key")}, "the key cannot be read"),
        (
            {"pseudonyms": True, "pseudonym_key": keys["old"], "pseudonym_old_keys": (keys["old"],)},
            "the same key twice",
        ),
    ):
        service = Service(Settings(folder=str(knn), store=f"sqlite:///{tmp_path / 'store.db'}", **given))
        with pytest.raises(Exception, match=why):
            service.open()
    for given, why in (
        ({"pseudonyms": True}, "belong together"),
        ({"pseudonym_key": "x"}, "belong together"),
        ({"pseudonym_old_keys": ("x",)}, "belong to pseudonyms"),
        ({"pseudonyms": True, "pseudonym_key": "x", "gorse_api": True}, "gorse_api"),
        ({"pseudonyms": True, "pseudonym_key": "s.db", "store": "sqlite:///s.db"}, "outside of it"),
        ({"pseudonyms": True, "pseudonym_key": "x", "pseudonym_old_until": "soon"}, "is a date"),
    ):
        with pytest.raises(ParameterError, match=why):
            Settings(**given)
    assert people(tmp_path) == before


def test_an_id_cannot_enter_a_store_of_pseudonyms(make: Make, keys: dict[str, str], tmp_path: Path) -> None:
    with ended(make(pseudonyms=True, pseudonym_key=keys["old"])) as client:
        client.events({"user": "ann", "item": "i00"})
    log = tmp_path / "log.csv"
    pl.DataFrame({"user": ["bob"], "item": ["i01"], "time": [1_790_000_000]}).write_csv(log)
    store = f"sqlite:///{tmp_path / 'store.db'}"
    assert main(["events", "import", str(log), "--store", store, "--keep", "0"]) == 2
    config = tmp_path / "penchant.toml"
    config.write_text(f'pseudonyms = true\npseudonym_key = "{keys["old"]}"\nkeep = "0"\n')
    assert main(["events", "import", str(log), "--store", store, "--config", str(config)]) == 0
    assert people(tmp_path) == {"u:" + Pseudonyms(OLD).of("user", one) for one in ("ann", "bob")}


def test_a_store_of_ids_becomes_one_of_pseudonyms(
    make: Make, keys: dict[str, str], knn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ended(make()) as client:
        client.events(*({"user": f"{ANN}{n}", "item": "i00"} for n in range(3)), {"session": SESSION, "item": "i01"})
    store = f"sqlite:///{tmp_path / 'store.db'}"
    service = Service(Settings(folder=str(knn), store=store, pseudonyms=True, pseudonym_key=keys["old"]))
    with pytest.raises(ParameterError, match="penchant privacy pseudonymise"):
        service.open()
    assert main(["privacy", "pseudonymise", "--store", store, "--key", keys["old"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"people": 4}
    assert ANN.encode() not in everything(tmp_path)
    client = make(pseudonyms=True, pseudonym_key=keys["old"])
    assert len(client.get(f"/v1/users/{ANN}0/events").json()["events"]) == 1
    assert main(["privacy", "pseudonymise", "--store", store, "--key", keys["new"]]) == 2


def test_support_finds_a_pseudonym_with_the_key(
    keys: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["privacy", "pseudonym", "ann", "--key", keys["old"]]) == 0
    assert capsys.readouterr().out.strip() == Pseudonyms(OLD).of("user", "ann")
    assert main(["privacy", "pseudonym", "ann", "--session", "--key", keys["old"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pseudonym"] == Pseudonyms(OLD).of("session", "ann")
    assert main(["privacy", "pseudonym", "ann"]) == 2
    assert main(["privacy", "pseudonym", "ann", "--key", str(tmp_path / "none")]) == 2
    (tmp_path / "short.key").write_bytes(b"k" * 15)
    assert main(["privacy", "pseudonym", "ann", "--key", str(tmp_path / "short.key")]) == 2


def test_a_log_is_read_under_pseudonyms_like_the_store(make: Make, keys: dict[str, str], tmp_path: Path) -> None:
    with ended(make(pseudonyms=True, pseudonym_key=keys["old"])) as client:
        client.events(*({"user": "ann", "item": f"i0{n}"} for n in range(3)))
    log = tmp_path / "log.csv"
    log.write_text(f"user,item\nann,i05\n{ANN},i06\n{ANN},\n")
    out = tmp_path / "lists.csv"
    store = f"sqlite:///{tmp_path / 'store.db'}"
    arguments = ["fit", str(log), "--store", store, "-m", "popular", "-o", str(tmp_path / "model"), "--lists", str(out)]
    assert main([*arguments, "--pseudonyms", keys["old"]]) == 0
    key = Pseudonyms(OLD)
    assert set(pl.read_csv(out)["user"]) == {key.of("user", one) for one in ("ann", ANN)}
    log.unlink()
    assert ANN.encode() not in everything(tmp_path)  # no file of rejected rows either


def test_reading_renames_users_and_sessions() -> None:
    from penchant.data.reading.assemble import read

    frame = pl.DataFrame({"user": [1, 2, None, 1], "session": ["a", "b", "c", "d"], "item": ["x", "y", "x", "y"]})
    plain, named = read_interactions(frame), read([frame], pseudonyms=OLD)
    key = Pseudonyms(OLD)
    kinds = ["session" if guest else "user" for guest in plain.guests.tolist()]
    assert list(named.user_ids) == [key.of(kind, one) for kind, one in zip(kinds, plain.user_ids, strict=True)]
    assert (named.users == plain.users).all()


def test_a_store_knows_its_key(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path / 'store.db'}")
    store.open()
    store.writer.do_now(lambda connection: store.keep_setting(connection, "pseudonyms", "p_AAAA"))
    store.pseudonyms = store.setting("pseudonyms")
    store.only_pseudonyms(["u:p_AAAAx", "s:p_AAAA"])
    with pytest.raises(ParameterError, match="no other id of a person enters it"):
        store.only_pseudonyms(["u:p_AAABx"])
    store.close()


def test_postgresql(make: Make, keys: dict[str, str], cluster: Any, tmp_path: Path) -> None:
    with ended(
        make(pseudonyms=True, pseudonym_key=keys["old"], store=cluster.url, model_copies=str(tmp_path / "copies"))
    ) as client:
        client.events(*({"user": who, "item": "i00"} for who in ("ann", "bob")))
    given: dict[str, Any] = {
        "pseudonym_key": keys["new"],
        "pseudonym_old_keys": (keys["old"],),
        "store": cluster.url,
        "model_copies": str(tmp_path / "copies"),
    }
    client: Client = make(pseudonyms=True, pseudonym_old_until="2020-01-01", **given)
    assert len(client.get("/v1/users/ann/events").json()["events"]) == 1
    client.portal.call(client.service.tidy)
    found = client.service.store.database.mine.execute("SELECT DISTINCT person FROM events").fetchall()
    assert found == [("u:" + Pseudonyms(NEW).of("user", "ann"),)]
