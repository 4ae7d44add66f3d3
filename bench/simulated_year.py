"""A year of the service in accelerated time: events, answers, retention, and a training every day.

python -m bench simulated-year                     5 million events over 365 days; at most 90 minutes on a quiet machine
python -m bench simulated-year --days 70           the first days of that year
python -m bench simulated-year --events 1e6        a year of fewer events

Every day the clock of all processes jumps (``bench/clock.py``), the events of the day that passed are sent, and
``penchant train`` fits item-knn on what retention has left, judges and activates it. Beside all that a client asks for
lists without a pause. What people take drifts, so the gate lets lists and items change. The goals: no answer failed;
from day 45 on, store, memory and the events in the store grow by at most a tenth. Writes
``bench/results/serve/simulated-year.json``.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import machine
from bench.clock import set_ahead
from bench.duel import RESULTS
from bench.peers import ROOT

EVENTS, DAYS, DAY = 5_000_000, 365, 86_400
KEEP, LEVEL, GROWTH = 30, 45, 1.1  # days that events are kept; from when on nothing grows; at most so many times
EVENTS_A_PERSON, ITEMS, BATCH = 40, 4000, 1000  # a year
PAUSE = 0.05  # seconds between two answers of the client
RUN = [sys.executable, "-c", "from bench.clock import run; run()"]
CONFIG = f"""
folder = "{{folder}}/models"
store = "sqlite:///{{folder}}/events.db"
port = 0
keep = "{KEEP}d"
keep_exposures = "{KEEP}d"
exposures = true

[train]
models = ["item-knn:neighbours=50"]
holdout = "1d"
keep = 2

[train.gate]
min_cases = 50
max_changed = 1.0
max_vanished = 1.0
"""


class World:
    """Who takes what on which day, by chance: a person's taste is a part of the items, and what is popular drifts."""

    def __init__(self, events: int) -> None:
        self.a_day, self.people = max(1, events // DAYS), max(50, events // EVENTS_A_PERSON)
        self.rng = np.random.default_rng(0)

    def day(self, number: int) -> list[tuple[str, str, int]]:
        """The events of a day: person, item, second of the day."""
        people = self.rng.integers(self.people, size=self.a_day)
        place = np.minimum(self.rng.geometric(0.02, size=self.a_day), ITEMS // 8 - 1)  # a few are taken most
        items = (people % 8) * (ITEMS // 8) + (place + number) % (ITEMS // 8)
        seconds = np.sort(self.rng.integers(DAY, size=self.a_day))
        return [(f"p{person}", f"i{item}", second) for person, item, second in zip(people, items, seconds, strict=True)]


class Service:
    """``penchant serve`` under the clock, and a client that asks it for lists all the time."""

    def __init__(self, config: Path, people: int, environment: dict[str, str]) -> None:
        command = [*RUN, "serve", "--config", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
        assert self.process.stderr is not None  # a pipe
        self.port = 0
        while not self.port:
            line = self.process.stderr.readline()
            if not line:
                raise RuntimeError("the service did not start")
            if line.startswith("{") and json.loads(line)["message"] == "listening":
                self.port = int(json.loads(line)["port"])
        threading.Thread(target=self._drain, daemon=True).start()
        self.people, self.answers, self.failed, self.over = people, 0, list[str](), threading.Event()
        self.client = threading.Thread(target=self._ask_on)
        self.client.start()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for _ in self.process.stderr:
            pass

    def _ask_on(self) -> None:
        rng = np.random.default_rng(1)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.over.wait(PAUSE):
            try:
                connection.request("GET", f"/v1/users/p{rng.integers(self.people)}/recommendations?k=10")
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or not json.loads(body)["items"]:
                    self.failed.append(body.decode()[:500])
            except (OSError, http.client.HTTPException) as wrong:
                self.failed.append(repr(wrong))
                connection.close()
            self.answers += 1
        connection.close()

    def send(self, events: list[dict[str, Any]]) -> int:
        """Send events in batches; returns how many were accepted."""
        connection, accepted = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120), 0
        for lo in range(0, len(events), BATCH):
            body = json.dumps({"events": events[lo : lo + BATCH]})
            connection.request("POST", "/v1/events", body, {"content-type": "application/json"})
            told = json.loads(connection.getresponse().read())
            accepted += told["accepted"]
        connection.close()
        return accepted

    def memory_mib(self) -> float:
        """The memory of the service, without the pages of files, which the system may take back."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return round(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024, 1)

    def stop(self) -> None:
        """End the client and the service."""
        self.over.set()
        self.client.join()
        self.process.terminate()
        self.process.wait(60)


def run(events: int, days: int) -> dict[str, Any]:
    """Simulate the days; returns what was counted and measured."""
    from penchant.store.database import Database

    world, told = World(events), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clock, config = folder / "clock", folder / "penchant.toml"
        config.write_text(CONFIG.format(folder=folder))
        ahead, began = -days * DAY, time.time()
        set_ahead(clock, ahead)
        environment = {**os.environ, "BENCH_CLOCK": str(clock), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}

        def penchant(*arguments: object) -> subprocess.CompletedProcess[str]:
            command = [*RUN, *map(str, arguments)]
            return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)

        first = folder / "first.csv"
        rows = [f"{person},{item},{int(began + ahead - DAY + at)}" for person, item, at in world.day(0)]
        first.write_text("\n".join(["user,item,timestamp", *rows]) + "\n")
        for command in (
            ("fit", first, "-m", "popular", "-o", folder / "models" / "first"),
            ("events", "import", first, "--config", config),
        ):
            if (done := penchant(*command)).returncode:
                raise RuntimeError(done.stderr)
        service, sent = Service(config, world.people, environment), len(rows)
        try:
            for number in range(1, days + 1):
                start = began + ahead
                ahead += DAY
                set_ahead(clock, ahead)
                batch = [
                    {"user": person, "item": item, "time": int(start + at), "id": f"{number}-{n}"}
                    for n, (person, item, at) in enumerate(world.day(number))
                ]
                sent += service.send(batch)
                begin = time.perf_counter()
                trained = penchant("train", "--config", config, "--json")
                outcome = json.loads(trained.stdout) if trained.stdout else {"outcome": "failed", "why": trained.stderr}
                count = "SELECT count(*), (SELECT count(*) FROM exposures) FROM events"
                ((kept, shown),) = Database(f"sqlite:///{folder}/events.db").connect().execute(count).fetchall()
                told.append({
                    "day": number, "sent": sent, "kept": kept, "exposures": shown, "memory_mib": service.memory_mib(),
                    "store_mib": round(sum(p.stat().st_size for p in folder.glob("events.db*")) / 2**20, 1),
                    "models": len(list((folder / "models").glob("*/manifest.json"))), "outcome": outcome["outcome"],
                    "why": outcome["why"][:200], "train_seconds": round(time.perf_counter() - begin, 1),
                })  # fmt: skip
                last = told[-1]
                print(f"day {number}: {last['kept']:,} events, {last['store_mib']} MiB, {last['outcome']}", flush=True)
        finally:
            service.stop()
    return {"days": told, "sent": sent, "answers": service.answers, "failed": service.failed[:20]}


def judged(told: dict[str, Any]) -> dict[str, Any]:
    """How much store and memory grew after they should be level, and whether the goals were met."""
    days = told["days"]
    level = [one for one in days if one["day"] >= LEVEL]
    found: dict[str, Any] = {"failed_answers": len(told["failed"])}
    if len(level) > 1:
        for name in ("kept", "store_mib", "memory_mib", "models"):
            found[f"{name}_growth"] = round(level[-1][name] / max(level[0][name], 1e-9), 3)
    outcomes = [one["outcome"] for one in days]
    found["trainings"] = {name: outcomes.count(name) for name in sorted(set(outcomes))}
    grown = [value for name, value in found.items() if name.endswith("_growth")]
    found["met"] = not told["failed"] and bool(grown) and max(grown) <= GROWTH and "failed" not in outcomes
    return found


def written(document: dict[str, Any]) -> str:
    """As JSON, with a line a day."""
    days, mark = document["days"], "a list of days"
    lines = ",\n  ".join(json.dumps(day) for day in days)
    return json.dumps({**document, "days": mark}, indent=1).replace(f'"{mark}"', f"[\n  {lines}\n ]") + "\n"


def main(*, events: int | None, days: int | None) -> int:
    """Simulate, write the result, and return 1 if a goal was missed."""
    start = time.perf_counter()
    told = run(events or EVENTS, days or DAYS)
    found = judged(told)
    document = {
        "what": f"{days or DAYS} days of a year of {events or EVENTS:,} events in accelerated time, kept {KEEP} days",
        "command": "python -m bench " + " ".join(sys.argv[1:]),
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "uvicorn", "numpy"),
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "goals": {"growth": GROWTH, "from_day": LEVEL, "failed_answers": 0},
        **found,
        **told,
    }
    target = RESULTS / "serve" / "simulated-year.json"
    target.write_text(written(document))
    print("simulated-year: " + ", ".join(f"{name} {value}" for name, value in found.items()))
    return int(not found["met"])
