"""Only the module of the command that is run is loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer

from penchant.cli.main import COMMANDS, GROUPS, main, make_app
from penchant.kernels import ahead, ready


def commands(app: typer.Typer) -> set[str]:
    named = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    return named | {str(group.name) for group in app.registered_groups}


def test_every_group_adds_the_commands_it_is_listed_with() -> None:
    for group, its in GROUPS.items():
        assert all(commands(make_app(command)) == set(its) for command in its), group
    assert commands(make_app()) == commands(make_app("nonsense")) == set(COMMANDS)


def test_a_command_with_a_model_loads_no_compiler_no_rich_and_no_evaluation() -> None:
    code = (
        "import sys; from penchant.cli.main import main; import penchant.cli.fit, penchant.training.fit; "
        "main(['fit', '-h']); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split("\n")[-2].split())
    assert "penchant.training.fit" in loaded
    assert not loaded & {"numba", "penchant.training.choose", "penchant.evaluation.measure", "penchant.cli.serve"}


def test_warm_compiles_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    there, built = ready.HERE / "code" / "x86-64-v3.safetensors", []
    monkeypatch.setattr(ready, "file", lambda: there if built else None)
    monkeypatch.setattr(ahead, "warm", lambda: built.append(1) or there)
    for words, times in ((["warm", "--json"], 1), (["warm", "--json"], 1), (["warm", "--json", "--force"], 2)):
        assert main(words) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["file"], found["level"], len(built)) == (str(there), "x86-64-v3", times)
    assert main(["warm"]) == 0
    assert "ready for x86-64-v3" in capsys.readouterr().out
