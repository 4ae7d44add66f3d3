"""One worker of the service against two, in turn, on gowalla's catalogue and users: answers a second, and memory.

python -m bench serve-workers                three rounds; about eight minutes
python -m bench serve-workers --rounds 1     fewer rounds

Service and generator share the cores of the machine. The goals: two workers give 2,000 answers a second with a 99th
percentile of at most 25 ms, and take at most 1.3 times the memory of one over a model of 2 GiB, which is counted from
what is shared and what is not. Writes ``bench/results/serve/workers.json``.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine
from bench.peers import ROOT
from bench.serve_generator import closed_loop, open_loop
from bench.serve_load import PENCHANT, World, generate, prepare

RESULT = ROOT / "bench" / "results" / "serve" / "workers.json"
MODEL = "item-knn:neighbours=100"
RATE, CLIENTS, SECONDS, ROUNDS, PORT = 2000.0, 64, 15, 3, 8793
WORKERS = (1, 2)
LATENCY_MS, MEMORY = 25.0, 1.3  # the goals
LARGE_MIB = 2048.0  # the model for which memory is counted
PATIENCE = 60.0


class Service:
    """``penchant serve --workers N`` over a prepared world."""

    def __init__(self, world: World, workers: int) -> None:
        command = [str(PENCHANT), "serve", world.model, "--store", world.url, "--port", str(PORT)]
        self.process = subprocess.Popen([*command, "--workers", str(workers)], stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + PATIENCE
        assert self.process.stderr is not None  # a pipe
        while "listening" not in self.process.stderr.readline():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the service did not become ready")

    def memory_mib(self) -> dict[str, float]:
        """Memory of all processes in MiB: private to one each, and mapped from files, each page once."""
        pids = [self.process.pid, *_children(self.process.pid)]
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
        private = sum(_kib(text, "Pss_Anon:") for text in texts)
        mapped = sum(_kib(text, "Pss_File:") for text in texts)
        return {"private": round(private / 1024, 1), "mapped": round(mapped / 1024, 1)}

    def stop(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _kib(text: str, name: str) -> int:
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def measured(world: World, workers: int) -> dict[str, Any]:
    """The load of one round."""
    service = Service(world, workers)
    try:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=5).read()  # our own
        generate(open_loop(PORT, world.traffic.answers(), 200, 3))
        most = generate(closed_loop(PORT, world.traffic.answers(), CLIENTS, SECONDS))
        steady = generate(open_loop(PORT, world.traffic.answers(), RATE, SECONDS))
        return {"workers": workers, "memory_mib": service.memory_mib(), "most": most, "steady": steady}
    finally:
        service.stop()


def run(*, rounds: int, busy: float) -> dict[str, Any]:
    """Measure one and two workers in turn."""
    with tempfile.TemporaryDirectory() as folder:
        world = prepare(Path(folder), MODEL)
        told: dict[str, Any] = {
            "what": f"one worker against two: the most answers a second of {CLIENTS} clients, and {RATE:g} a second",
            "command": "python -m bench " + " ".join(sys.argv[1:]),
            **world.about,
            "machine": machine.describe(),
            "versions": machine.versions("penchant", "uvicorn", "uvloop", "numpy"),
            "busy_before": round(busy, 3),
            "rounds": [measured(world, workers) for _ in range(rounds) for workers in WORKERS],
        }
    one, two = ([found for found in told["rounds"] if found["workers"] == workers] for workers in WORKERS)
    private = [median(found["memory_mib"]["private"] for found in each) for each in (one, two)]
    return {
        **told,
        "answers_a_second": [median(found["most"]["events_a_second"] for found in each) for each in (one, two)],
        "p99_ms": [median(found["steady"]["latency_ms"]["answer"]["p99"] for found in each) for each in (one, two)],
        "answered_a_second": [median(found["steady"]["answered_a_second"] for found in each) for each in (one, two)],
        "memory_ratio_2_gib": round((LARGE_MIB + private[1]) / (LARGE_MIB + private[0]), 3),
        "goals": {"rate": RATE, "p99_ms": LATENCY_MS, "memory": MEMORY},
    }


def main(*, rounds: int | None, force: bool) -> int:
    """Measure, write the result, and return 1 if a goal was missed."""
    told = run(rounds=rounds or ROUNDS, busy=machine.require_quiet(force=force))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(told, indent=1) + "\n")
    fast = told["p99_ms"][1] <= LATENCY_MS and told["answered_a_second"][1] >= 0.99 * RATE
    small = told["memory_ratio_2_gib"] <= MEMORY
    print(f"serve-workers: the most answers a second, one and two: {told['answers_a_second']}")
    print(f"serve-workers: p99 at {RATE:g}/s, one and two: {told['p99_ms']} ms ({'met' if fast else 'MISSED'})")
    print(f"serve-workers: memory with 2 GiB: {told['memory_ratio_2_gib']}× ({'met' if small else 'MISSED'})")
    return int(not (fast and small))
