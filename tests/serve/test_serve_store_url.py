"""The password in the URL of a store: not among the arguments, which ps shows, and in no message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penchant.cli.main import main
from penchant.errors import DataError, ParameterError
from penchant.serve.common.settings import Settings, load
from penchant.store.database import Database, without_password

URL = "postgresql://me:hunter2-%40@127.0.0.1:1/x"  # nobody listens there
COMMANDS = (
    ["serve", "model"], ["keys", "list"], ["keys", "create", "a", "--scope", "read"], ["keys", "rotate", "a"],
    ["keys", "revoke", "a"], ["backup", "file"], ["restore", "file"],
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("url", [URL, "postgresql://h/x?password=hunter2", "postgresql://h/x?sslpassword=hunter2"])
def test_a_password_among_the_arguments_is_refused(
    command: list[str], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--store", url]) == 2
    told = capsys.readouterr()
    assert "PENCHANT_STORE" in told.err and "--store-url-file" in told.err and "ps" in told.err
    assert "hunter2" not in told.err + told.out


@pytest.mark.parametrize("command", COMMANDS[1:5])
@pytest.mark.parametrize("place", ["environment", "file", "config", "config names the file"])
def test_it_may_come_from_elsewhere_and_is_never_shown(
    command: list[str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    config = f'store = "{URL}"' if place == "config" else f'store_url_file = "{tmp_path / "url"}"'
    (tmp_path / "penchant.toml").write_text(config)
    more = {"file": ["--store-url-file", str(tmp_path / "url")], "environment": []}
    if place == "environment":
        monkeypatch.setenv("PENCHANT_STORE", URL)
    assert main([*command, *more.get(place, ["--config", str(tmp_path / "penchant.toml")])]) == 1
    told = capsys.readouterr()
    assert "the store cannot be opened" in told.err  # it was read: nobody listens there
    assert "hunter2" not in told.err + told.out
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:a@hunter2@h/db", "postgresql://me:hunter2@h:port/db", "postgresql://h/hunter2@x", "hunter2"],
)  # fmt: skip
def test_a_url_that_cannot_be_read_is_not_repeated(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for work in (lambda: Database(url), lambda: load({}, environment={"PENCHANT_STORE": url}).copies_folder):
        with pytest.raises(ParameterError, match="URL") as wrong:
            work()
        assert "hunter2" not in str(wrong.value)
    assert main(["keys", "list", "--store", url]) == 2
    assert "hunter2" not in capsys.readouterr().err
    assert without_password(url) == "(not a URL)"


@pytest.mark.parametrize("url", ["sqlite://host/x.db", "postgres://h/x", "mysql://h/x"])
def test_a_store_that_cannot_be_is_told_in_a_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "list", "--store", url]) == 2
    told = capsys.readouterr().err
    assert told.startswith("penchant: the store is a URL like sqlite:///penchant.db or postgresql://host/name")


def test_settings_are_printed_without_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for url, shown in (
        (URL, "postgresql://me:***@127.0.0.1:1/x"),
        ("postgresql://h/x?password=hunter2&sslmode=require", "postgresql://h/x?password=hidden&sslmode=require"),
    ):
        monkeypatch.setenv("PENCHANT_STORE", url)
        assert main(["serve", "model", "--print-settings"]) == 0
        told = capsys.readouterr().out
        assert json.loads(told)["store"] == shown
        settings = Settings(store=url, secret="hunter2" * 9)
        assert "hunter2" not in told + str(settings) + repr(Database(url).engine)


def test_the_nearest_name_of_a_store_wins(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(" sqlite:///from-file.db\n")
    file = str(tmp_path / "url")
    (tmp_path / "c.toml").write_text(f'store_url_file = "{file}"')
    config = str(tmp_path / "c.toml")
    assert load({}, file=config, environment={}).store == "sqlite:///from-file.db"
    assert load({"store": "sqlite:///f.db"}, file=config, environment={}).store == "sqlite:///f.db"
    assert load({}, file=config, environment={"PENCHANT_STORE": "sqlite:///e.db"}).store == "sqlite:///e.db"
    assert load({"store_url_file": file}, environment={"PENCHANT_STORE": "sqlite:///e.db"}).store == (
        "sqlite:///from-file.db"
    )
    with pytest.raises(ParameterError, match="not both"):
        load({"store": "sqlite:///f.db", "store_url_file": file}, environment={})
    for wrong in (str(tmp_path / "none"), str(tmp_path)):
        with pytest.raises(DataError, match="the URL of the store cannot be read"):
            load({"store_url_file": wrong}, environment={})


@pytest.mark.parametrize("asked", [["list"], ["rotate", "1a2b3c4d"], ["revoke", "1a2b3c4d"]])
def test_keys_of_a_store_that_is_not_there(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "mistyped.db"
    assert main(["keys", *asked, "--store", f"sqlite:///{missing}"]) == 2
    assert f"there is no store {missing}" in capsys.readouterr().err
    assert not missing.exists()


def test_a_first_key_makes_the_store_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert main(["keys", "create", "me", "--scope", "admin", "--store", url]) == 0
    assert capsys.readouterr().err == f"penchant: {tmp_path / 'new.db'} is a new store\n"
    assert main(["keys", "create", "you", "--scope", "read", "--store", url]) == 0
    assert capsys.readouterr().err == ""


def test_a_store_that_cannot_be_opened_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text("user,item\n" * 100)
    reasons = {
        "none/x.db": f"there is no folder {tmp_path / 'none'}: make it, or name another store",
        ".": f"{tmp_path} is a folder: name a file in it",
        "log.csv": f"{tmp_path / 'log.csv'}: file is not a database",
    }
    for name, why in reasons.items():
        assert main(["keys", "create", "me", "--scope", "admin", "--store", f"sqlite:///{tmp_path / name}"]) == 1
        assert f"penchant: the store cannot be opened: {why}\n" in capsys.readouterr().err


@pytest.mark.parametrize(("grace", "code"), [("0", 0), ("-1", 2)])
def test_a_grace_is_not_negative(grace: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert main(["keys", "create", "me", "--scope", "admin", "--store", url]) == 0
    key = capsys.readouterr().out.split("_")[1]
    assert main(["keys", "rotate", key, "--grace", grace, "--store", url]) == code
