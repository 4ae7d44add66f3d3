"""Settings: where they come from, what is refused, what is hidden; and the commands of the service."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from penchant.cli.main import main
from penchant.errors import DataError, MissingExtraError, ParameterError
from penchant.serve.common.environment import OTHERS
from penchant.serve.common.settings import Settings, load
from tests.serve.serving import Process


def test_flags_beat_the_environment_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "penchant.toml"
    file.write_text('port = 1\nhost = "localhost"\nkeep = "90d"\norigins = ["https://a.example"]\ndislike_days = 3\n')
    environment = {
        "PENCHANT_PORT": "2",
        "PENCHANT_HOST": "127.0.0.2",
        "PENCHANT_DATA": "of others",
        "PENCHANT_NEW_ITEMS": "no",
    }
    settings = load({"port": 3, "host": None}, file=str(file), environment=environment)
    assert (settings.port, settings.host, settings.keep_seconds) == (3, "127.0.0.2", 90 * 86_400)
    assert settings.origins == ("https://a.example",)
    assert settings.new_items is False
    assert settings.dislike_days == 3


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"workers": 0}, "workers"), ({"workers": 257}, "workers"),
        ({"port": 70_000}, "port"), ({"port": True}, "port"), ({"port": 1.5}, "port"), ({"keep": "2 years"}, "keep"),
        ({"keep": "1s"}, "keep"), ({"recent": 0}, "recent"), ({"rate": -1.0}, "rate"), ({"rate": float("nan")}, "rate"),
        ({"log_level": "loud"}, "log_level"), ({"secret": "short"}, "secret"), ({"origins": "x"}, "origins"),
        ({"origins": (1,)}, "origins"), ({"origins": ("https://a.example/",)}, "origin"),
        ({"origins": ("*",)}, "origin"),
        ({"host": 3}, "host"), ({"max_batch": 10**6}, "max_batch"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        Settings(**values)


def test_files_and_environments_that_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "penchant.toml"
    file.write_text("colour = 1")
    with pytest.raises(ParameterError, match="colour"):
        load({}, file=str(file))
    file.write_text("port = ")
    with pytest.raises(DataError):
        load({}, file=str(file))
    with pytest.raises(DataError):
        load({}, file=str(tmp_path / "none"))
    for name, text in (("PORT", "x"), ("NEW_ITEMS", "maybe")):
        with pytest.raises(ParameterError, match=f"PENCHANT_{name}"):
            load({}, environment={f"PENCHANT_{name}": text})


@pytest.mark.parametrize(
    ("given", "meant"),
    [("TRUSTED_PROXY", "TRUSTED_PROXIES"), ("STORE_URL", "STORE_URL_FILE"), ("SECERT", "SECRET"), ("WORKER", "WORKERS"),
     ("SQL_ULR", "SQL_URL"), ("Port", "PORT")],
)  # fmt: skip
def test_a_misspelt_variable_is_refused_with_the_right_name(given: str, meant: str) -> None:
    with pytest.raises(ParameterError, match=rf"has PENCHANT_{given}, .*; PENCHANT_{meant} is one"):
        load({}, environment={f"PENCHANT_{given}": "1"})


def test_variables_of_others_are_passed_over_and_named_in_the_log(knn: Path, tmp_path: Path) -> None:
    of_kubernetes = {"SERVICE_HOST": "10.0.0.1", "PORT_8000_TCP": "tcp://10.0.0.1:8000", "PORT_8000_TCP_PORT": "8000"}
    assert load({}, environment={f"PENCHANT_{name}": text for name, text in of_kubernetes.items()}) == Settings()
    process = Process(knn, tmp_path / "store.db", settings={"service_host": "10.0.0.1", "cache": tmp_path})
    try:
        told = [line.get("variable") for line in process.lines if line["level"] == "warning"]
    finally:
        process.stop()
    assert "PENCHANT_SERVICE_HOST" in told
    assert "PENCHANT_CACHE" not in told


def test_every_variable_that_the_code_reads_is_known() -> None:
    files = (Path(__file__).parents[2] / "src").rglob("*.py")
    read = {name for file in files for name in re.findall(r"PENCHANT_([A-Z][A-Z_]*)", file.read_text(encoding="utf-8"))}
    assert read <= {name.upper() for name in (*OTHERS, *(one.name for one in fields(Settings)))}
    assert {name.upper() for name in OTHERS} <= read


def test_secrets_are_hidden() -> None:
    shown = Settings(secret="s" * 40, store="postgresql://me:hunter2@db/x").shown()  # to see it hidden
    assert "hunter2" not in str(shown)
    assert "ssss" not in str(shown)
    with pytest.raises(ParameterError) as wrong:
        Settings(secret=12345)  # type: ignore[arg-type]  # what a file may hold
    assert "12345" not in str(wrong.value)


def test_the_commands(
    tmp_path: Path, knn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"sqlite:///{tmp_path / 'k.db'}"
    assert main(["serve", str(knn), "--port", "0", "--print-settings"]) == 0
    assert json.loads(capsys.readouterr().out)["port"] == 0
    create = ["keys", "create", "shop", "--scope", "collect", "--origin", "https://a.example", "--store", store]
    assert main([*create, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["key"].startswith(f"pk_{made['id']}_")
    assert main(["keys", "rotate", made["id"], "--store", store]) == 0
    assert capsys.readouterr().out.strip() != made["key"]
    assert main(["keys", "list", "--store", store, "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["keys"]
    assert listed["scopes"] == ["collect"]
    assert listed["old_valid_until"] is not None
    assert main(["keys", "list", "--store", store]) == 0
    assert "shop" in capsys.readouterr().out
    assert main(["keys", "revoke", made["id"], "--store", store]) == 0
    capsys.readouterr()
    for wrong in (
        ["keys", "revoke", made["id"], "--store", store],
        ["keys", "create", "x", "--scope", "write", "--store", store],
        ["keys", "list", "--store", "mysql://x"],
        ["serve", str(tmp_path / "none"), "--store", store],
        ["serve", str(knn), "--store", store, "--host", "0.0.0.0"],  # noqa: S104  # refused
        ["serve"],
    ):
        assert main(wrong) == 2, wrong
        assert capsys.readouterr().err.splitlines()[-1].startswith("penchant: ")
    monkeypatch.setattr("penchant.cli.serve.NEEDED", ("no_such_package",))
    assert main(["serve", str(knn)]) == 1
    assert "penchant[serve]" in capsys.readouterr().err
    assert issubclass(MissingExtraError, ImportError)
