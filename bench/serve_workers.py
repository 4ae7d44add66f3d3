"""The service with several workers: memory over a model of 2 GiB, then answers a second on gowalla's catalogue.

python -m bench serve-workers                two rounds of one worker and two, in turn; about three minutes
python -m bench serve-workers --rounds 3     more rounds

Service and generator share the cores of the machine. The goals: four workers take at most 1.3 times the memory of one
over a model of 2 GiB (``ease`` over 23,170 items, whose weights are a dense matrix), and two workers give 2,000 answers
a second with a 99th percentile of at most 25 ms. Memory is the sum of the proportional set sizes of all processes, the
parent's too, after answers by each of them: every page in memory counts once. Writes
``bench/results/serve/workers.json``.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from bench import machine, serve_report
from bench.peers import ROOT
from bench.serve_generator import closed_loop, open_loop
from bench.serve_load import PENCHANT, generate, get, prepare

RESULT = ROOT / "bench" / "results" / "serve" / "workers.json"
MODEL = "item-knn:neighbours=100"
RATE, CLIENTS, SECONDS, ROUNDS, PORT = 2000.0, 64, 8, 2, 8793
FAST, SMALL = (1, 2), (1, 4)  # workers whose speed is compared, and whose memory
LATENCY_MS, MEMORY = 25.0, 1.3  # the goals
LENGTH = 10  # items of an answer
PATIENCE = 60.0  # seconds until the service is ready
ITEMS, HISTORIES, EVENTS = 23_170, 500, 60  # of the model for memory: 4 · items² bytes are 2 GiB
ASKED = 400  # answers before memory is counted
FIELDS = {"pss": "Pss:", "private": "Private_Dirty:", "mapped": "Pss_File:"}  # of smaps_rollup


class Service:
    """``penchant serve --workers N`` over a saved model and a store."""

    def __init__(self, model: str, url: str, workers: int) -> None:
        command = [str(PENCHANT), "serve", model, "--store", url, "--port", str(PORT), "--workers", str(workers)]
        start = time.monotonic()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None  # a pipe
        while "listening" not in self.process.stderr.readline():
            if self.process.poll() is not None or time.monotonic() > start + PATIENCE:
                raise RuntimeError("the service did not become ready")
        self.ready_seconds = round(time.monotonic() - start, 2)

    def processes(self) -> list[int]:
        """The parent and its workers."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def memory_mib(self) -> dict[str, list[float]]:
        """MiB of each process: its proportional share of all pages, its own changed pages, its share of files."""
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.processes()]
        return {name: [round(_kib(text, field) / 1024, 1) for text in texts] for name, field in FIELDS.items()}

    def worked(self) -> float:
        """Seconds of processor time of all processes so far."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.processes()]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Send SIGTERM, as an operator would."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


def _kib(text: str, name: str) -> int:
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))


# -- memory -----------------------------------------------------------------------------------------------------------


def large_model(folder: Path) -> str:
    """A saved ``ease`` with 2 GiB of weights, fitted on few histories that between them have every item."""
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.permutation(ITEMS), rng.integers(0, ITEMS, HISTORIES * EVENTS - ITEMS)])
    log = pl.DataFrame({"user": np.arange(len(items)) % HISTORIES, "item": items})
    log.write_parquet(folder / "log.parquet")
    saved = str(folder / "large")
    command = [str(PENCHANT), "fit", str(folder / "log.parquet"), "-m", "ease:reg=100", "-o", saved]
    subprocess.run(command, check=True, capture_output=True)
    return saved


def memory(folder: Path) -> dict[str, Any]:
    """The memory of one worker and of several over the large model, in MiB of each process."""
    model = large_model(folder)
    size = sum(path.stat().st_size for path in Path(model).glob("*.safetensors"))
    told: dict[str, Any] = {"items": ITEMS, "model_mib": round(size / 2**20, 1)}
    for workers in SMALL:
        service = Service(model, f"sqlite:///{folder / 'large.db'}", workers)
        try:
            answered = generate(open_loop(PORT, _asked(), 100, ASKED / 100))["statuses"]
            told[str(workers)] = {**service.memory_mib(), "answers": answered}
        finally:
            service.stop()
    totals = [sum(told[str(workers)]["pss"]) for workers in SMALL]
    return {**told, "ratio": round(totals[1] / totals[0], 3)}


def _asked() -> Iterator[tuple[str, bytes]]:
    """For histories of ten items, with reasons, and for similar items: every way through the weights."""
    for number in itertools.count():
        history = json.dumps({"history": [str((number + 997 * n) % ITEMS) for n in range(10)], "why": True}).encode()
        head = f"POST /v1/recommendations HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(history)}\r\n"
        yield "answer", f"{head}content-type: application/json\r\n\r\n".encode() + history
        yield "similar", get(f"/v1/items/{number % ITEMS}/similar?k=10")


# -- speed ------------------------------------------------------------------------------------------------------------


def speed(folder: Path, rounds: int) -> dict[str, Any]:
    """Rounds of answers, with one worker and with two in turn."""
    world = prepare(folder, MODEL)

    def measured(workers: int) -> dict[str, Any]:
        service = Service(world.model, world.url, workers)
        try:
            generate(open_loop(PORT, world.traffic.answers(), 500, 2))
            before = service.worked()
            most = generate(closed_loop(PORT, world.traffic.answers(), CLIENTS, SECONDS, right=_ten_items))
            cost = (service.worked() - before) / most["latency_ms"]["answer"]["count"]
            steady = generate(open_loop(PORT, world.traffic.answers(), RATE, SECONDS, right=_ten_items))
            ready = {"workers": workers, "ready_seconds": service.ready_seconds}
            return {**ready, "cpu_ms_an_answer": round(1000 * cost, 3), "most": most, "steady": steady}
        finally:
            service.stop()

    found = [measured(workers) for _ in range(rounds) for workers in FAST]
    each = [[one for one in found if one["workers"] == workers] for workers in FAST]
    return {
        **world.about,
        "rounds": found,
        "cpu_ms_an_answer": [median(one["cpu_ms_an_answer"] for one in ones) for ones in each],
        "answers_a_second": [median(one["most"]["events_a_second"] for one in ones) for ones in each],
        "answered_a_second": [median(one["steady"]["answered_a_second"] for one in ones) for ones in each],
        "p99_ms": [median(one["steady"]["latency_ms"]["answer"]["p99"] for one in ones) for ones in each],
    }


def _ten_items(_: str, body: bytes) -> bool:
    """Whether an answer lists as many items as it was asked for."""
    return body.startswith(b'{"user":') and body.count(b'{"item":') == LENGTH


def main(*, rounds: int | None, force: bool) -> int:
    """Measure, write the result, and return 1 if a goal was missed."""
    busy = machine.require_quiet(force=force)
    with tempfile.TemporaryDirectory() as folder:
        small, fast = memory(Path(folder)), speed(Path(folder), rounds or ROUNDS)
    told = {
        "what": f"one worker against several: memory, most answers a second of {CLIENTS} clients, {RATE:g} a second",
        "command": "python -m bench " + " ".join(sys.argv[1:]),
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "uvicorn", "uvloop", "numpy"),
        "busy_before": round(busy, 3),
        "goals": {"rate": RATE, "p99_ms": LATENCY_MS, "memory": MEMORY},
        "memory_mib": small,
        "speed": fast,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(told, indent=1) + "\n")
    goals = serve_report.workers_goals(told)
    print(f"serve-workers: processor time of an answer, one and two: {fast['cpu_ms_an_answer']} ms")
    print(f"serve-workers: the most answers a second, one and two: {fast['answers_a_second']}")
    for goal in goals:
        print(f"serve-workers: {goal['text']}: {goal['value']:g} ({_met(goal['met'])}, {goal['limit']:g})")
    return int(not all(goal["met"] for goal in goals))


def _met(goal: bool) -> str:
    return "met" if goal else "MISSED"
