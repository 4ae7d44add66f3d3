"""Forgetting people from a running service while it answers, then from a backup that still holds them.

``python -m bench forgetting`` erases 1,000 of 20,000 people while 100 answers are asked for each second. The active
model is one that can be corrected. An answer is stale if it was asked for after a receipt that says its model was
replaced, or if it is the list of a person who was erased before and it still uses what they did. Then the service is
stopped, a backup from before the erasures is copied over the store, and the service starts again.
"""

from __future__ import annotations

import http.client
import json
import queue
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
CONNECTIONS = 8  # that the answers are asked for over
SETTLED = 0.5  # seconds of answers before the first erasure and after the last receipt
NEAR = 0.98  # of the rate, which counts as kept
PEOPLE, GONE = 20_000, 1000
BATCH = 1000
COMMAND = "python -m bench forgetting"


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

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


def fill(port: int, people: int) -> None:
    """Events of everybody: popular items more often."""
    dice, rows = random.Random(0), list[dict[str, Any]]()
    with closing(Caller(port)) as caller:
        for person in range(people):
            items = [f"i{int(dice.random() ** 2 * ITEMS)}" for _ in range(EVENTS)]
            rows += [{"user": f"u{person}", "item": item, "kind": "view"} for item in items]
            if len(rows) >= BATCH or person == people - 1:
                for start in range(0, len(rows), BATCH):
                    caller.ask("POST", "/v1/events", {"events": rows[start : start + BATCH]})
                rows = []


class Asking(threading.Thread):
    """Answers at a rate, over one of several connections; remembers failures, stale answers and how long each took."""

    def __init__(self, port: int, people: int, gone: dict[str, float], forgotten: dict[str, float], first: int) -> None:
        super().__init__(daemon=True)
        self.port, self.people, self.gone, self.forgotten, self.first = port, people, gone, forgotten, first
        self.took: list[float] = []
        self.failed, self.stale = 0, 0
        self.stopping = threading.Event()

    def run(self) -> None:
        """Ask until it is stopped."""
        caller, dice = Caller(self.port), random.Random(self.first)
        due = time.perf_counter() + self.first / RATE
        while not self.stopping.is_set():
            time.sleep(max(0.0, due - time.perf_counter()))
            due += CONNECTIONS / RATE
            person, asked = f"u{dice.randrange(self.people)}", time.perf_counter()
            try:
                status, answer = caller.ask("GET", f"/v1/users/{person}/recommendations")
            except (OSError, http.client.HTTPException, ValueError):
                caller.close()  # the next request connects again
                status = 0
            self.took.append(time.perf_counter() - asked)
            self.failed += status != 200
            if status == 200:
                replaced = self.gone.get(answer["model"]["version"])
                erased = self.forgotten.get(person)
                old = replaced is not None and asked > replaced
                self.stale += old or (erased is not None and asked > erased and "seen" in answer["removed"])
        caller.close()


def erase(
    port: int, people: queue.SimpleQueue[str], gone: dict[str, float], forgotten: dict[str, float],
    found: list[dict[str, Any]],
) -> None:  # fmt: skip
    """Erase people until none is left; note which versions were replaced, and when the receipt said so."""
    caller = Caller(port)
    while True:
        try:
            person = people.get_nowait()
        except queue.Empty:
            caller.close()
            return
        began = time.perf_counter()
        status, receipt = caller.ask("DELETE", f"/v1/users/{person}")
        ended = time.perf_counter()
        if status == 200:
            forgotten[person] = ended
        _, told = caller.ask("GET", "/v1/models")
        now = next(one["version"] for one in told["models"] if one["active"])
        for version in [one for one in gone if one != now and gone[one] == float("inf")]:
            gone[version] = ended
        gone.setdefault(now, float("inf"))
        pending = [one["name"] for one in receipt["models"]["pending"]] if status == 200 else []
        found.append({"status": status, "seconds": ended - began, "pending": pending})


@contextmanager
def serving(models: Path, store: str) -> Iterator[int]:
    """A service of its own, which is ready; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-c", RUN, "serve", str(models), "--store", store, "--port", str(port)]
    process = subprocess.Popen([*command, "--active", "first"], stderr=subprocess.DEVNULL)
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def measure(people: int, gone: int, folder: Path) -> dict[str, Any]:
    """Erasures under load, then the start over a backup from before them."""
    file, saved, models = folder / "store.db", folder / "saved.db", folder / "models"
    store = f"sqlite:///{file}"
    empty = [{"user": f"x{n}", "item": f"i{n % ITEMS}"} for n in range(ITEMS)]
    pc.fit(pc.read_interactions(empty), "popular").save(models / "first")
    chosen = [f"u{person}" for person in random.Random(2).sample(range(people), gone)]
    with serving(models, store) as port:
        fill(port, people)
        pc.fit(pc.read_interactions(store_log(store)), "item-knn", updatable=True).save(models / "exact")
        with closing(Caller(port)) as caller:
            caller.ask("POST", "/v1/models/exact/activate", {})
        backup = [sys.executable, "-c", RUN, "backup", str(saved), "--store", store]
        subprocess.run(backup, check=True, capture_output=True)
        result = _erased(port, people, chosen, folder)
    for leftover in (file.with_name("store.db-wal"), file.with_name("store.db-shm")):
        leftover.unlink(missing_ok=True)
    shutil.copyfile(saved, file)
    before, began = _rows(file, chosen), time.perf_counter()
    with serving(models, store) as port:
        seconds = time.perf_counter() - began
        with closing(Caller(port)) as caller:
            known = sum(bool(caller.ask("GET", f"/v1/users/{one}/events")[1]["events"]) for one in chosen)
    return result | {
        "restored": {
            "events_of_the_erased_in_the_backup": before, "after_the_start": _rows(file, chosen),
            "people_still_known": known, "seconds_until_ready": round(seconds, 1),
        }
    }  # fmt: skip


def _erased(port: int, people: int, chosen: list[str], folder: Path) -> dict[str, Any]:
    replaced: dict[str, float] = {}
    forgotten: dict[str, float] = {}
    found: list[dict[str, Any]] = []
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for person in chosen:
        waiting.put(person)
    asking = [Asking(port, people, replaced, forgotten, n) for n in range(CONNECTIONS)]
    for one in asking:
        one.start()
    time.sleep(SETTLED)
    before, began = _bytes(folder), time.perf_counter()
    early = sum(len(one.took) for one in asking)
    arguments = (port, waiting, replaced, forgotten, found)
    erasing = [threading.Thread(target=erase, args=arguments) for _ in range(min(AT_ONCE, len(chosen)))]
    for each in erasing:
        each.start()
    for each in erasing:
        each.join()
    seconds = time.perf_counter() - began
    during = sum(len(one.took) for one in asking) - early
    time.sleep(SETTLED)  # what is asked for after the last receipt
    for one in asking:
        one.stopping.set()
    for one in asking:
        one.join()
    ms = sorted(1000 * took for one in asking for took in one.took)
    waits = sorted(one["seconds"] for one in found)
    return {
        "people": people, "erased": sum(one["status"] == 200 for one in found), "rate": RATE,
        "answers": len(ms), "answers_a_second": round(during / seconds, 1),
        "failed": sum(one.failed for one in asking), "stale": sum(one.stale for one in asking),
        "seconds": round(seconds, 1),
        "erasure_seconds": {"median": round(waits[len(waits) // 2], 3), "slowest": round(waits[-1], 3)},
        "answer_ms": {"median": round(ms[len(ms) // 2], 2), "p99": round(ms[len(ms) * 99 // 100], 2)},
        "left_pending": sum("exact" in name for one in found for name in one["pending"]),
        "bytes": {"before": before, "after": _bytes(folder)},
    }  # fmt: skip


def _bytes(folder: Path) -> dict[str, int]:
    """What the store, with its log, the file of erasures and the models take."""
    return {
        "store": sum(one.stat().st_size for one in folder.glob("store.db*") if one.suffix != ".erasures"),
        "erasures": sum(one.stat().st_size for one in folder.glob("store.db.erasures")),
        "models": sum(one.stat().st_size for one in (folder / "models").rglob("*") if one.is_file()),
    }


def _rows(file: Path, chosen: list[str]) -> int:
    """Events of these people in a store."""
    wanted = {f"u:{person}" for person in chosen}
    with closing(sqlite3.connect(file)) as connection:
        return sum(person in wanted for (person,) in connection.execute("SELECT person FROM events"))


def _await(port: int) -> None:
    for _ in range(600):
        try:
            with closing(Caller(port)) as caller:
                if caller.ask("GET", "/readyz")[0] == 200:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the service did not start")


def goals(result: dict[str, Any]) -> dict[str, bool]:
    """What was promised, and whether it was kept."""
    restored = result["restored"]
    return {
        f"{result['erased']:,} people were erased, {result['failed']} answers failed": not result["failed"],
        f"{result['stale']} stale answers after a receipt": not result["stale"],
        f"{result['answers_a_second']:.0f} answers a second, of {result['rate']:.0f}": (
            result["answers_a_second"] >= NEAR * result["rate"]
        ),
        f"{restored['after_the_start']} of {restored['events_of_the_erased_in_the_backup']:,} events of the erased are "
        "left after a backup was put back": not (restored["after_the_start"] or restored["people_still_known"]),
    }  # fmt: skip


def main() -> int:
    """Measure, print and write the result."""
    with tempfile.TemporaryDirectory(prefix="penchant-forgetting-") as folder:
        found = measure(PEOPLE, GONE, Path(folder))
    result = {"command": COMMAND, "machine": machine.describe(), "versions": machine.versions("penchant"), **found}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    met = goals(result)
    for text, kept in met.items():
        print(f"{text}: {'met' if kept else 'MISSED'}", file=sys.stderr)
    return int(not all(met.values()))
