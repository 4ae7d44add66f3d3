"""Forgetting people from a running service while it answers.

python -m bench.forgetting                         1,000 of 20,000 people, 100 answers a second
python -m bench.forgetting --people 2000 --gone 50

The active model is one that can be corrected. An answer is stale if it was asked for after a receipt that says its
model was replaced. Writes ``bench/results/serve/forgetting.json``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import queue
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import penchant as pc
from bench import machine
from bench.peers import ROOT
from penchant.store.log import store_log

RESULT = ROOT / "bench" / "results" / "serve" / "forgetting.json"
RUN = "from penchant.cli.main import run; run()"
ITEMS, EVENTS = 2000, 20  # in all, and of each person
RATE, AT_ONCE = 100.0, 128  # answers a second, erasures that are asked for at once
BATCH = 1000


class Caller:
    """Requests over one connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the document of an answer."""
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


def fill(port: int, people: int) -> None:
    """Events of everybody: popular items more often."""
    dice, caller, rows = random.Random(0), Caller(port), list[dict[str, Any]]()
    for person in range(people):
        rows += [
            {"user": f"u{person}", "item": f"i{int(dice.random() ** 2 * ITEMS)}", "kind": "view"} for _ in range(EVENTS)
        ]
        if len(rows) >= BATCH or person == people - 1:
            for start in range(0, len(rows), BATCH):
                caller.ask("POST", "/v1/events", {"events": rows[start : start + BATCH]})
            rows = []


class Asking(threading.Thread):
    """Answers at a rate; remembers failures, stale answers and how long each took."""

    def __init__(self, port: int, people: int, gone: dict[str, float]) -> None:
        super().__init__(daemon=True)
        self.port, self.people, self.gone = port, people, gone
        self.took: list[float] = []
        self.failed, self.stale = 0, 0
        self.stopping = threading.Event()

    def run(self) -> None:
        """Ask until it is stopped."""
        caller, dice, due = Caller(self.port), random.Random(1), time.perf_counter()
        while not self.stopping.is_set():
            due += 1 / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            asked = time.perf_counter()
            status, answer = caller.ask("GET", f"/v1/users/u{dice.randrange(self.people)}/recommendations")
            self.took.append(time.perf_counter() - asked)
            self.failed += status != 200
            since = self.gone.get(answer["model"]["version"] if status == 200 else "")
            self.stale += since is not None and asked > since


def erase(port: int, people: queue.SimpleQueue[str], gone: dict[str, float], found: list[dict[str, Any]]) -> None:
    """Erase people until none is left; note which versions were replaced, and when the receipt said so."""
    caller = Caller(port)
    while True:
        try:
            person = people.get_nowait()
        except queue.Empty:
            return
        began = time.perf_counter()
        status, receipt = caller.ask("DELETE", f"/v1/users/{person}")
        ended = time.perf_counter()
        _, told = caller.ask("GET", "/v1/models")
        now = next(one["version"] for one in told["models"] if one["active"])
        for version in [one for one in gone if one != now and gone[one] == float("inf")]:
            gone[version] = ended
        gone.setdefault(now, float("inf"))
        pending = [one["name"] for one in receipt["models"]["pending"]] if status == 200 else []
        found.append({"status": status, "seconds": ended - began, "pending": pending})


def measure(people: int, gone: int) -> dict[str, Any]:
    """One run on a service of its own."""
    with tempfile.TemporaryDirectory(prefix="penchant-forgetting-") as folder:
        store, models = f"sqlite:///{folder}/store.db", Path(folder) / "models"
        empty = [{"user": f"x{n}", "item": f"i{n % ITEMS}"} for n in range(ITEMS)]
        pc.fit(pc.read_interactions(empty), "popular").save(models / "first")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-c", RUN, "serve", str(models), "--store", store, "--port", str(port)]
        process = subprocess.Popen([*command, "--active", "first"], stderr=subprocess.DEVNULL)
        try:
            _await(port)
            fill(port, people)
            pc.fit(pc.read_interactions(store_log(store)), "item-knn", updatable=True).save(models / "exact")
            Caller(port).ask("POST", "/v1/models/exact/activate", {})
            return _measured(port, people, gone, Path(folder))
        finally:
            process.terminate()
            process.wait()


def _measured(port: int, people: int, gone: int, folder: Path) -> dict[str, Any]:
    replaced: dict[str, float] = {}
    found: list[dict[str, Any]] = []
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for person in random.Random(2).sample(range(people), gone):
        waiting.put(f"u{person}")
    asking = Asking(port, people, replaced)
    asking.start()
    time.sleep(2.0)
    before, began = (folder / "store.db").stat().st_size, time.perf_counter()
    erasing = [threading.Thread(target=erase, args=(port, waiting, replaced, found)) for _ in range(AT_ONCE)]
    for one in erasing:
        one.start()
    for one in erasing:
        one.join()
    seconds = time.perf_counter() - began
    asking.stopping.set()
    asking.join()
    ms = sorted(1000 * one for one in asking.took)
    waits = sorted(one["seconds"] for one in found)
    return {
        "people": people, "erased": sum(one["status"] == 200 for one in found), "rate": RATE,
        "answers": len(ms), "failed": asking.failed, "stale": asking.stale, "seconds": round(seconds, 1),
        "erasure_seconds": {"median": round(waits[len(waits) // 2], 3), "slowest": round(waits[-1], 3)},
        "answer_ms": {"median": round(ms[len(ms) // 2], 2), "p99": round(ms[len(ms) * 99 // 100], 2)},
        "left_pending": sum("exact" in name for one in found for name in one["pending"]),
        "store_bytes": {"before": before, "after": (folder / "store.db").stat().st_size},
        "model_bytes": sum(one.stat().st_size for one in (folder / "models").rglob("*") if one.is_file()),
        "machine": machine.describe(),
    }  # fmt: skip


def _await(port: int) -> None:
    for _ in range(600):
        try:
            if Caller(port).ask("GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the service did not start")


def main() -> None:
    """Measure, print, and write the result of a full run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=20_000)
    options.add_argument("--gone", type=int, default=1000)
    given = options.parse_args()
    result = measure(given.people, given.gone)
    print(json.dumps(result, indent=1))
    if (given.people, given.gone) == (20_000, 1000):
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
