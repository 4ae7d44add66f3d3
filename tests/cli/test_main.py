"""Every command: help with an example, ``--json``, exit codes, one line for an error, silence for a broken pipe."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numba
import pytest
import typer
from rich.text import Text

from penchant import __version__
from penchant.cli import main as module
from penchant.cli.render import progress
from penchant.errors import ParameterError, TrainingError

COMMANDS = {
    "backup", "demo", "evaluate", "events", "explain", "fit", "import-gorse", "inspect", "keys", "models", "opinion",
    "plan", "prepare", "privacy", "recommend", "restore", "search", "segment", "serve", "similar", "similar-users",
    "train", "tune", "verify", "warm",
}  # fmt: skip
PARTS = {
    "keys create", "keys list", "keys rotate", "keys revoke", "events import", "events export", "opinion learn",
    "opinion score", "privacy pseudonym", "privacy pseudonymise",
    "privacy key", "privacy forget", "privacy check",
}  # fmt: skip
WORKING = sorted({*COMMANDS, *PARTS} - {"events", "keys", "opinion", "privacy", "serve"})


def penchant(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from penchant.cli.main import run; run()", *map(str, arguments)]


def test_the_commands_are_those_of_the_definitions(run) -> None:
    command = typer.main.get_command(module.make_app())
    assert set(command.commands) == COMMANDS
    said = run("--help")
    assert said.code == 0
    assert all(f" {name} " in said.out for name in COMMANDS)


@pytest.mark.parametrize("name", WORKING)
def test_every_command_has_json_and_an_example_in_its_help(run, name: str) -> None:
    said = run(*name.split(), "--help")
    assert said.code == 0
    assert "--json" in said.out
    assert "Example" in said.out
    assert f"penchant {name}" in said.out.partition("Example")[2]


def test_version_and_no_arguments(run) -> None:
    assert run("--version").out == f"penchant {__version__}\n"
    said = run()
    assert said.code == 2
    assert "Usage" in said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["recommnd"], "recommend"),
        (["recommend"], "FOLDER"),
        (["models", "--nonsense"], "--nonsense"),
        (["recommend", "x", "-k", "many", "--history", "a"], "-k must be a whole number, got 'many'. "),
        (["evaluate", "x", "-m", "popular", "-k", "0"], "-k must be at least 1, got '0'. "),
        (["tune", "x", "-m", "popular", "-o", "y", "--minutes", "few"], "--minutes must be a number, got 'few'. "),
        (["recommend", "no such folder", "--history", "a"], "no such folder"),
        (["models", "item-nn"], "item-knn"),
        (["verify", "no such folder"], "no such folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments: list[str], says: str) -> None:
    said = run(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert says in said.err
    assert said.err.startswith("penchant: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ParameterError("k is wrong"), 2, "penchant: k is wrong\n"),
        (TrainingError("the loss\nis not a number"), 1, "penchant: the loss is not a number\n"),
        (OSError(28, "No space left on device", "model/x"), 1, "penchant: model/x: No space left on device\n"),
        (MemoryError(), 1, "penchant: out of memory: 1,000 MiB are free now\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_is_expected_to_go_wrong_has_a_code(
    run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str
) -> None:
    def fail(_command: str) -> typer.Typer:
        raise error

    monkeypatch.setattr(module, "make_app", fail)
    monkeypatch.setattr("penchant.core.memory.free_bytes", lambda: 1000 * 2**20)
    said = run("models")
    assert (said.code, said.out, said.err) == (code, "", says)


def test_what_nobody_expects_keeps_its_traceback(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_command: str) -> typer.Typer:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "make_app", fail)
    with pytest.raises(ZeroDivisionError):
        run("models")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_reader_that_has_had_enough_is_no_error(shop: Path, form: tuple[str, ...]) -> None:
    command = penchant("models", *form)
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, text=True) as process:
        os.close(writing)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that hears interrupts, though whoever started us may ignore them, and that never outlives the test."""

    def listen() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen,  # noqa: PLW1509  # no threads run here
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def opened_by_a_reader(fifo: Path, seconds: float = 30) -> int:
    """The writing end of a pipe, once somebody reads it."""
    end = time.monotonic() + seconds
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as nobody:
            if nobody.errno != errno.ENXIO or time.monotonic() > end:
                raise
            time.sleep(0.02)


def interrupted(process: subprocess.Popen[str], patience: float = 5, most: int = 6) -> tuple[str, str]:
    """What it said, interrupted as people do it: again if nothing happens, as the first may come too early."""
    for _ in range(most):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("it does not listen to interrupts")


def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log.csv")  # nobody writes: the command waits for its first byte
    command = penchant("fit", tmp_path / "log.csv", "-m", "popular", "-o", tmp_path / "model")
    with started(command) as process:
        writing = opened_by_a_reader(tmp_path / "log.csv")
        out, err = interrupted(process)
        os.close(writing)
    assert "Traceback" not in err
    assert (process.returncode, out) == (130, "")


def test_models_lists_all_and_describes_one(run) -> None:
    from penchant.models.registry import MODELS

    listed = json.loads(run("models", "--json").out)
    assert [one["name"] for one in listed] == list(MODELS)
    assert all(one["about"] for one in listed)
    one = json.loads(run("models", "item-knn", "--json").out)
    assert {param["name"] for param in one["params"]} >= {"neighbours", "shrink", "min_overlap", "window", "half_life"}
    assert all(param["help"] for param in one["params"])
    text = run("models").out
    assert all(name in text for name in MODELS)
    assert "neighbours" in run("models", "item-knn").out
    assert "ranking, rating " in next(line for line in text.splitlines() if "item-knn" in line)
    assert {one["name"] for one in listed if one["predicts"]} >= {"item-knn", "svd"}
    assert "`" not in text + run("models", "item-knn").out


def test_who_waits_for_a_compiler_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    once = numba.njit(lambda x: x + 1)
    for expected in (1, 0):
        with progress() as report:
            assert report is not None and once(1) == 2
        assert capsys.readouterr().err.count("this happens on the first run only") == expected


def test_no_word_of_a_help_is_taken_for_markup() -> None:
    def helps(command: typer.core.TyperGroup | typer.core.TyperCommand) -> Iterator[str]:
        yield from filter(None, (command.help, command.epilog))
        yield from filter(None, (getattr(one, "help", None) for one in command.params))
        for part in getattr(command, "commands", {}).values():
            yield from helps(part)

    texts = list(helps(typer.main.get_command(module.make_app())))
    assert len(texts) > 100
    assert [text for text in texts if Text.from_markup(text).plain != text] == []
