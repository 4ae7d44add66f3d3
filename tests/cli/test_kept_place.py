"""A command that is killed while it prepares a log in a temporary folder finds the folder again, and leaves none."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from penchant.cli.kept_place import LOCK, kept_place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs locks of files")
KEEP = (
    "import sys; from penchant.cli.kept_place import kept_place as keep; print(keep(sys.argv[1]), flush=True); input()"
)
FIT = """
import os, sys
from penchant.data.reading import gathering
from penchant.data.prepared import prepare
gathering.ASSEMBLING = 1e9  # nothing fits into memory
{}
from penchant.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
KILL = "prepare.settle_buckets = lambda *_: os.kill(os.getpid(), 9)"
UNSORTED = "prepare.sort_parts = None"  # a command that goes on does not sort again


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


def test_nobody_else_gets_the_folder_of_a_process_and_the_next_one_does(scratch: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEP, "a"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None and first.stdin is not None
        theirs = Path(first.stdout.readline().strip())
        assert theirs.parent == scratch and theirs.stat().st_mode & 0o777 == 0o700
        (theirs / "half").write_text("done")
        mine = kept_place("a")
        assert mine != theirs and mine.is_dir()
        assert kept_place("b") != theirs and (theirs / "half").exists(), "it is in use"
        first.kill()
    assert kept_place("a") == theirs and (theirs / "half").read_text() == "done"


def test_what_killed_commands_left_is_removed_and_what_is_not_ours_is_not_used(scratch: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KEEP, "c"], input="", capture_output=True, text=True, check=False)
    left = Path(done.stdout.strip())
    assert left.is_dir() and (left / LOCK).exists()
    open_to_all = Path(str(left)[:-16] + kept_place("d").name[-16:])
    assert not left.exists() and open_to_all.is_dir()
    other = kept_place("e")
    other.chmod(0o755)
    again = subprocess.run([sys.executable, "-c", KEEP, "e"], input="", capture_output=True, text=True, check=False)
    assert Path(again.stdout.strip()) != other


def test_a_kill_while_it_prepares_and_the_same_command_goes_on(scratch: Path, shop: Path, tmp_path: Path) -> None:
    def command(*lines: str) -> subprocess.CompletedProcess[str]:
        words = ["fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "m"]
        program = FIT.format("\n".join(lines))
        return subprocess.run(
            [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=False, timeout=120
        )

    killed = command(KILL)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (left,) = scratch.glob("penchant-log-*")
    assert (left / ".log.preparing").is_dir() and not (tmp_path / "m").exists()
    went_on = command(UNSORTED)
    assert went_on.returncode == 0, went_on.stderr
    assert (tmp_path / "m").is_dir() and list(scratch.iterdir()) == []
