"""Answers while the service trains beside itself, and while it does not, in turn, on gowalla's catalogue and users.

python -m bench serve-train                  500 answers a second, three rounds; about six minutes
python -m bench serve-train --rounds 1       fewer rounds

Server and training share one core, the generator has the other. The goal: the 99th percentile of answers while a
training runs is at most twice the one without. Writes ``bench/results/serve/train.json``.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine
from bench.peers import ROOT
from bench.serve_generator import open_loop
from bench.serve_load import PENCHANT, Server, Traffic, generate, penchant
from bench.sets import table

RESULT = ROOT / "bench" / "results" / "serve" / "train.json"
GOAL = 2.0
RATE, SECONDS, ROUNDS, PORT = 500.0, 20, 3, 8792
EVERY = SECONDS + 20  # seconds between two trainings: enough for the measurement between them
PATIENCE = 600.0
TRIES = 5  # to find the seconds of a measurement with, or without, a training all the time
CONFIG = """
folder = "{folder}/models"
store = "{store}"
train_every = "{every}s"
[train]
models = ["item-knn:neighbours=50", "als", "rp3beta"]
seed = {seed}
"""


def fill(store: Path, users: list[str], items: list[str]) -> None:
    """Write every event to the store, at random times of the last hundred days."""
    from penchant.store.events import Batch, EventStore, NewEvent

    filled = EventStore(f"sqlite:///{store}")
    filled.open()
    dice, now = random.Random(0), int(time.time()) - 60
    rows = [
        NewEvent("u:" + user, item, None, None, now - dice.randrange(100 * 86_400), None, None)
        for user, item in zip(users, items, strict=True)
    ]
    for lo in range(0, len(rows), 4000):
        part = Batch(rows[lo : lo + 4000])
        filled.writer.do_now(lambda connection, part=part: filled.append_within(connection, [part]))
    filled.close()


def training(server: Server) -> bool:
    """Whether the service has a child that trains."""
    return bool(Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split())


def wait(server: Server, wanted: bool) -> None:
    """Wait until a training begins or ends."""
    until = time.monotonic() + PATIENCE
    while training(server) != wanted:
        if time.monotonic() > until:
            raise RuntimeError(f"no training {'began' if wanted else 'ended'} within {PATIENCE:.0f} s")
        time.sleep(0.05)


def measured(server: Server, traffic: Traffic, renew: Callable[[], None], *, beside: bool) -> dict[str, Any]:
    """Answers with or without a training beside them all the time; ``renew`` gives the next training work.

    Raises ``RuntimeError`` where trainings are too short for that.
    """
    for _ in range(TRIES):
        wait(server, not beside)  # the beginning of a time with, or without
        renew()
        wait(server, beside)
        found = generate(open_loop(PORT, traffic.answers(), RATE, SECONDS))
        if training(server) == beside:
            return found
    raise RuntimeError(f"no {SECONDS} s passed {'with' if beside else 'without'} a training in {TRIES} tries")


def _p99(found: dict[str, Any]) -> float:
    return float(found["latency_ms"]["answer"]["p99"])


def run(*, rounds: int, busy: float) -> dict[str, Any]:
    """Measure in turn, without and with a training."""
    log = table("gowalla")
    users, items = [str(u) for u in log["user"]], [str(i) for i in log["item"]]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "events.db"
        fill(store, users, items)
        data = Path(os.environ.get("PENCHANT_DATA", str(ROOT.parent / "shared" / "data"))) / "gowalla"
        penchant(
            "fit", str(data / "interactions.parquet"), "-m", "item-knn:neighbours=100", "-o", f"{folder}/models/first"
        )
        url = f"sqlite:///{store}"
        read, collect = (
            penchant("keys", "create", "bench", "--scope", scope, "--store", url).strip()
            for scope in ("read", "collect")
        )
        config = Path(folder) / "penchant.toml"
        seeds = itertools.count()

        def renew() -> None:  # with the same settings and data, a training has nothing to do
            config.write_text(CONFIG.format(folder=folder, store=url, every=EVERY, seed=next(seeds)))

        renew()
        traffic = Traffic(sorted(set(users)), sorted(set(items)), read, collect)
        server = Server([str(PENCHANT), "serve", "--config", str(config), "--port", str(PORT)], PORT)
        told: dict[str, Any] = {
            "what": f"{RATE:g} answers a second, with and without a training beside the service, in turn",
            "command": "python -m bench " + " ".join(sys.argv[1:]),
            "machine": machine.describe(),
            "versions": machine.versions("penchant", "uvicorn", "numpy"),
            "busy_before": round(busy, 3),
            "stored_events": len(users),
            "without": [],
            "beside": [],
        }
        try:
            generate(open_loop(PORT, traffic.answers(), 200, 3))
            for _ in range(rounds):
                told["beside"].append(measured(server, traffic, renew, beside=True))
                told["without"].append(measured(server, traffic, renew, beside=False))
        finally:
            server.stop()
    ratios = [_p99(one) / _p99(other) for one, other in zip(told["beside"], told["without"], strict=True)]
    return {**told, "p99_ratio": round(median(ratios), 3), "goal": GOAL}


def main(*, rounds: int | None, force: bool) -> int:
    """Measure, write the result, and return 1 if the goal was missed."""
    told = run(rounds=rounds or ROUNDS, busy=machine.require_quiet(force=force))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(told, indent=1) + "\n")
    met = told["p99_ratio"] <= GOAL
    print(
        f"serve-train: p99 beside a training: {told['p99_ratio']:.2f}× ({'met' if met else 'MISSED'}, limit {GOAL:g}×)"
    )
    return int(not met)
