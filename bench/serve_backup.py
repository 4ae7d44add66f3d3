"""Backups and erasures of a store while events arrive: how long they take, how long writers wait, what files hold.

python -m bench.serve_backup                    200,000 events in the store, 200 more arrive each second
python -m bench.serve_backup --events 5000000   a store of about a GB

Every id of the erased is searched in all bytes of the store and of a backup. Writes
``bench/results/serve/backup.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench import machine
from bench.peers import ROOT
from penchant.store.cleaning import Cleaning
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.people import People

RESULT = ROOT / "bench" / "results" / "serve" / "backup.json"
GB = 10**9
PEOPLE, IDS = 5, 100  # who are erased, and the events of each
BATCH = 4000
BACKUP = "from penchant.cli.main import run; run()"


def append(store: EventStore, rows: list[NewEvent]) -> None:
    """Write events, and return once they are durable."""

    async def ask() -> None:
        await store.writer.append(Batch(rows), len(rows))

    asyncio.run(ask())


def event(dice: random.Random, person: str, name: str) -> NewEvent:
    """An event with a context of some length."""
    context = f'{{"note": "{name} {"x" * dice.randrange(60)}"}}'
    return NewEvent(person, f"item {dice.randrange(50_000)}", "view", None, int(time.time()), context, name)


def fill(store: EventStore, n: int, dice: random.Random) -> None:
    """Events of those who will be erased between those of others, in an order that splits pages."""
    places = sorted(dice.sample(range(n), PEOPLE * IDS))
    rows, written = [], 0
    for at in range(n):
        if written < len(places) and at == places[written]:
            rows.append(event(dice, f"u:Victim {written % PEOPLE}", f"victim-{written:06d}"))
            written += 1
        else:
            rows.append(event(dice, f"u:{dice.random():.6f}", f"{dice.random()}"))
        if len(rows) == BATCH or at == n - 1:
            append(store, rows)
            rows = []


class Arriving(threading.Thread):
    """Single events at a rate, each acknowledged before the next; remembers how long the slowest took."""

    def __init__(self, store: EventStore, rate: float) -> None:
        super().__init__()
        self.store, self.rate = store, rate
        self.slowest, self.count = 0.0, 0
        self.stopping = threading.Event()
        self.start()

    def run(self) -> None:
        """Send until it is stopped."""
        dice = random.Random(1)
        due = time.perf_counter()
        while not self.stopping.wait(max(0.0, due - time.perf_counter())):
            start = time.perf_counter()
            append(self.store, [event(dice, f"u:{dice.random():.6f}", f"a {dice.random()}")])
            self.slowest = max(self.slowest, time.perf_counter() - start)
            self.count += 1
            due += 1 / self.rate

    def take(self, seconds: float) -> dict[str, float]:
        """What happened since the last look."""
        told = {"events_a_second": round(self.count / seconds, 1), "slowest_write_seconds": round(self.slowest, 3)}
        self.slowest, self.count = 0.0, 0
        return told


def residue(*files: Path) -> int:
    """How many ids of the erased these files hold."""
    return len({found for file in files for found in re.findall(rb"victim-\d{6}|Victim \d", file.read_bytes())})


def backed_up(folder: Path, name: str, arriving: Arriving) -> dict[str, Any]:
    """Run the documented command, and look at what it made."""
    target = folder / name
    arriving.take(1)
    start = time.perf_counter()
    command = ["backup", str(target), "--store", f"sqlite:///{folder / 'store.db'}", "--json"]
    done = subprocess.run([sys.executable, "-c", BACKUP, *command], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    size = target.stat().st_size
    return {
        "events": json.loads(done.stdout)["events"],
        "gb": round(size / GB, 3),
        "seconds": round(seconds, 2),
        "seconds_a_gb": round(seconds / size * GB, 1),
        "mode": oct(target.stat().st_mode & 0o777),
        "ids_of_the_erased": residue(target),
        **arriving.take(seconds),
    }


def measure(folder: Path, events: int, rate: float) -> dict[str, Any]:
    """A backup, erasures, a rewrite and another backup, while events arrive."""
    store = EventStore(f"sqlite:///{folder / 'store.db'}")
    store.open()
    fill(store, events, random.Random(0))
    arriving = Arriving(store, rate)
    held = [folder / "store.db", folder / "store.db-wal"]
    result: dict[str, Any] = {"events": events, "events_arriving_a_second": rate}
    try:
        result["backup"] = backed_up(folder, "before.db", arriving)
        for n in range(PEOPLE):
            asyncio.run(People(store).erase(f"u:Victim {n}"))
        pending, cleaning = residue(*held), Cleaning(store)
        arriving.take(1)
        start = time.perf_counter()
        while not cleaning.run():
            time.sleep(0.05)
        seconds, size = time.perf_counter() - start, held[0].stat().st_size
        result["rewrite"] = {
            "gb": round(size / GB, 3),
            "seconds": round(seconds, 2),
            "seconds_a_gb": round(seconds / size * GB, 1),
            "ids_of_the_erased_before": pending,
            "ids_of_the_erased": residue(*held),
            **arriving.take(seconds),
        }
        result["backup_after_erasure"] = backed_up(folder, "after.db", arriving)
    finally:
        arriving.stopping.set()
        arriving.join()
        store.close()
    return result


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser("python -m bench.serve_backup", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--output", type=Path, default=RESULT)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penchant-backup-") as folder:
        found = measure(Path(folder), chosen.events, chosen.rate)
    document = {
        "command": "python -m bench.serve_backup " + " ".join(sys.argv[1:]),
        "machine": machine.describe(),
        **found,
    }
    print(json.dumps(document, indent=2))
    chosen.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
