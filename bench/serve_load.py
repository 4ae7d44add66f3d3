"""The service under load, on gowalla's catalogue and users, beside a bare FastAPI route in the same run.

python -m bench.serve_load                    answers, single events, batches; about three minutes
python -m bench.serve_load --minutes 10       then as long of all together, watching the memory
python -m bench.serve_load --rates 500 1000   other rates of answers

The server has one core, the generator the other. Writes ``bench/results/serve/load.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.peers import ROOT
from bench.serve_generator import closed_loop, open_loop
from bench.sets import table

PENCHANT = Path(sys.executable).with_name("penchant")
RESULT = ROOT / "bench" / "results" / "serve" / "load.json"
SERVER_CORE, GENERATOR_CORE = 0, 1
BARE = """
import uvicorn
from fastapi import FastAPI, Query
app = FastAPI()
@app.get("/v1/users/{id}/recommendations")
async def bare(id: str, k: int = Query(10, ge=1, le=1000)) -> dict[str, object]:
    return {"user": id, "k": k}
@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ready"}
uvicorn.run(app, port=PORT, log_level="error", access_log=False)
"""


class Server:
    """A process pinned to its own core."""

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        start = time.perf_counter()
        os.sched_setaffinity(0, {SERVER_CORE})  # the child inherits it
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(0, {GENERATOR_CORE})
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).read()  # our own
                break
            if self.process.poll() is not None or time.perf_counter() - start > 60:
                raise RuntimeError(f"{' '.join(command)} did not become ready")
            time.sleep(0.02)
        self.ready_seconds = round(time.perf_counter() - start, 2)

    def memory_mib(self) -> float:
        """Private memory in MiB: anonymous pages only, without file mappings."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
        return round(int(line.split()[1]) / 1024, 1)

    def kill(self) -> None:
        """Send SIGKILL while it is running."""
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> None:
        """Send SIGTERM, as an operator would."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def get(path: str, key: str | None = None) -> bytes:
    """A GET request as bytes."""
    line = f"authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{line}\r\n".encode()


def post(events: list[dict[str, Any]], key: str) -> bytes:
    """A request that posts a batch of events, as bytes."""
    body = json.dumps({"events": events}).encode()
    head = f"POST /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


class Traffic:
    """Requests by gowalla's users, drawn with a fixed seed; events carry an id, as from clients that retry."""

    def __init__(self, users: list[str], items: list[str], read: str, collect: str) -> None:
        self.users, self.items, self.read, self.collect = users, items, read, collect
        self.random = random.Random(0)

    def answers(self) -> Iterator[tuple[str, bytes]]:
        """Requests for ten items for a random user."""
        while True:
            yield "answer", get(f"/v1/users/{self.random.choice(self.users)}/recommendations?k=10", self.read)

    def event(self) -> dict[str, Any]:
        """A visit by a random user to a random item."""
        event_id = f"{self.random.getrandbits(64):016x}"
        return {"user": self.random.choice(self.users), "item": self.random.choice(self.items), "id": event_id}

    def events(self, each: int) -> Iterator[tuple[str, bytes]]:
        """Batches of events."""
        while True:
            yield "event" if each == 1 else "batch", post([self.event() for _ in range(each)], self.collect)

    def prepared(self, each: int, count: int) -> Iterator[tuple[str, bytes]]:
        """Batches built before the clock starts."""
        made = [next(self.events(each)) for _ in range(count)]
        return iter(made)

    def mixed(self, share: float) -> Iterator[tuple[str, bytes]]:
        """Answers mixed with a share of single events."""
        answers, events = self.answers(), self.events(1)
        while True:
            yield next(events) if self.random.random() < share else next(answers)


def fill(store: Path, users: list[str], items: list[str]) -> None:
    """Write every event of gowalla directly to the store."""
    from penchant.store.events import Batch, EventStore, NewEvent

    filled = EventStore(f"sqlite:///{store}")
    filled.open()
    now = int(time.time()) - 86_400
    rows = [NewEvent("u:" + user, item, None, None, now, None, None) for user, item in zip(users, items, strict=True)]
    for lo in range(0, len(rows), 4000):
        part = Batch(rows[lo : lo + 4000])
        filled.writer.do_now(lambda connection, part=part: filled.append_within(connection, [part]))
    filled.close()


def penchant(*arguments: str) -> str:
    """Run one penchant command and return its output."""
    command = [str(PENCHANT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def generate(work: Any) -> dict[str, Any]:
    """Run the generator on its core."""
    import uvloop

    return dict(uvloop.run(work))


@dataclass(frozen=True)
class World:
    """A saved model, a store with gowalla's events and two keys, and the traffic of gowalla's users."""

    model: str
    url: str
    traffic: Traffic
    about: dict[str, Any]


def prepare(folder: Path, model: str) -> World:
    """Fit the model and fill the store."""
    log = table("gowalla")
    train = log.filter(log["split"] != "test")
    users, items = [str(u) for u in train["user"]], [str(i) for i in train["item"]]
    saved, store = f"{folder}/model", folder / "events.db"
    data = Path(os.environ.get("PENCHANT_DATA", str(ROOT.parent / "shared" / "data"))) / "gowalla"
    penchant("fit", str(data / "interactions.parquet"), "-m", model, "-o", saved)
    fill(store, users, items)
    url = f"sqlite:///{store}"
    read = penchant("keys", "create", "bench", "--scope", "read", "--store", url).strip()
    collect = penchant("keys", "create", "bench", "--scope", "collect", "--store", url).strip()
    traffic = Traffic(sorted(set(users)), sorted(set(items)), read, collect)
    about = {"model": model, "users": len(traffic.users), "items": len(traffic.items), "stored_events": len(users)}
    return World(saved, url, traffic, about)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run all measurements once, on one machine."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        world = prepare(Path(folder), options.model)
        model, url, traffic = world.model, world.url, world.traffic
        told: dict[str, Any] = {
            "what": "answers and events of the service, and a bare FastAPI route, in one run",
            "command": "python -m bench.serve_load " + " ".join(sys.argv[1:]),
            **world.about,
            "machine": machine.describe(),
            "versions": machine.versions(
                "penchant", "fastapi", "uvicorn", "uvloop", "httptools", "sqlalchemy", "numpy"
            ),
            "busy_before": round(options.busy, 3),
            "server_cores": 1,
            "generator_cores": 1,
        }
        _bare(told, traffic, options)
        command = [str(PENCHANT), "serve", model, "--store", url, "--port", str(options.port)]
        server = Server(command, options.port)
        told["ready_seconds"] = server.ready_seconds
        try:
            _loads(told, server, traffic, options)
            server.kill()
            server = Server(command, options.port)
            told["ready_after_kill_seconds"] = server.ready_seconds
        finally:
            server.stop()
    return told


def _bare(told: dict[str, Any], traffic: Traffic, options: argparse.Namespace) -> None:
    bare = Server([sys.executable, "-c", BARE.replace("PORT", str(options.port))], options.port)
    try:
        rate = max(options.rates)
        generate(open_loop(options.port, traffic.answers(), rate, 2))
        told["bare_fastapi"] = generate(open_loop(options.port, traffic.answers(), rate, options.seconds))
    finally:
        bare.stop()


def _loads(told: dict[str, Any], server: Server, traffic: Traffic, options: argparse.Namespace) -> None:
    seconds, port = options.seconds, options.port
    generate(open_loop(port, traffic.answers(), 200, 3))
    told["answers"] = [generate(open_loop(port, traffic.answers(), rate, seconds)) for rate in options.rates]
    made = traffic.prepared(1, 200 * seconds * 20)
    told["single_events"] = generate(closed_loop(port, made, 64, seconds))
    made = traffic.prepared(100, 450 * seconds)
    told["batches"] = generate(closed_loop(port, made, 64, seconds, each=100))
    if options.minutes:
        told["mixed"] = _mixed(server, traffic, options)


def _mixed(server: Server, traffic: Traffic, options: argparse.Namespace) -> dict[str, Any]:
    """Measure answers with one event per five requests, minute by minute, with the memory after each."""
    minutes = []
    for _ in range(options.minutes):
        one = generate(open_loop(options.port, traffic.mixed(0.2), options.mixed_rate, 60))
        minutes.append({"memory_mib": server.memory_mib(), **one})
    return {"minutes": minutes, "memory_mib": [minute["memory_mib"] for minute in minutes]}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser("python -m bench.serve_load", description=__doc__)
    parser.add_argument("--model", default="item-knn:neighbours=100")
    parser.add_argument("--rates", type=float, nargs="+", default=[500.0, 1000.0], help="answers a second")
    parser.add_argument("--seconds", type=int, default=20, help="how long each load lasts")
    parser.add_argument("--minutes", type=int, default=0, help="how long all together")
    parser.add_argument("--mixed-rate", type=float, default=500.0)
    parser.add_argument("--port", type=int, default=8791)
    parser.add_argument("--folder", default=None, help="where the store lies while it is measured")
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--force", action="store_true", help="measure although the machine is busy")
    options = parser.parse_args()
    options.busy = machine.require_quiet(force=options.force)
    told = run(options)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(told, indent=1) + "\n")
    brief = {name: told[name] for name in ("ready_seconds", "bare_fastapi", "answers", "single_events", "batches")}
    print(json.dumps(brief, indent=1))


if __name__ == "__main__":
    main()
