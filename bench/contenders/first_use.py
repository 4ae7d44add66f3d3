"""What a new user waits for: the demonstration, the first time and the second, and the service's first answer."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.contenders import answer_from_disk
from bench.contenders.cold_start import CODE
from bench.duel import Goal, Numbers, Question, Side
from bench.peers import ROOT

PENCHANT = [sys.executable, "-P", "-c", CODE]
LONGEST = 60  # seconds to wait for the service


def prepare(folder: Path) -> None:
    """Compile the kernels as the build of the package does, and save item-knn of gowalla."""
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([*PENCHANT, "warm"], env=env, check=True, stdout=sys.stderr)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "src")], check=True)
    answer_from_disk.prepare(folder)


def ours(folder: Path) -> Numbers:
    """On a machine without anything in a cache folder."""
    with tempfile.TemporaryDirectory() as empty:
        env = os.environ | {
            "PYTHONPATH": str(ROOT / "src"), "NUMBA_CACHE_DIR": f"{empty}/numba", "XDG_CACHE_HOME": f"{empty}/cache",
        }  # fmt: skip
        answer = _first_answer(folder / "model", Path(empty), env)
        demos = []
        for _ in range(2):
            start = time.perf_counter()
            subprocess.run([*PENCHANT, "demo"], env=env, check=True, capture_output=True)
            demos.append(time.perf_counter() - start)
    return {"seconds": answer, "demo first": demos[0], "demo again": demos[1]}


def _first_answer(model: Path, work: Path, env: dict[str, str]) -> float:
    """Seconds from the start of the service to its first answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*PENCHANT, "serve", str(model), "--store", f"sqlite:///{work}/events.db", "--port", str(port)]
    start = time.perf_counter()
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - start < LONGEST and server.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/users/new/recommendations?k=10").read()  # our own
                return time.perf_counter() - start
            time.sleep(0.02)
        raise RuntimeError("the service did not answer")
    finally:
        server.terminate()
        server.wait(30)


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """The goals, on two quiet cores."""
    return [
        Goal("seconds to the service's first answer", mine["seconds"], 3, at_least=False),
        Goal("seconds of the demonstration, the first time", mine["demo first"], 30, at_least=False),
        Goal("seconds of the demonstration, the second time", mine["demo again"], 8, at_least=False),
    ]


QUESTION = Question(
    title="A new user's first minute",
    how="whole processes with empty cache folders: `penchant serve` with item-knn over gowalla's catalogue until its "
    "first answer, `penchant demo` twice; the kernels are compiled beforehand, as in the wheel",
    prepare=prepare,
    judge=judge,
)
