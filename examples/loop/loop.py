"""The whole loop in two minutes, on the bundled films: history in, lists shown, the next model trained and judged.

python examples/loop/loop.py [--browser] [FOLDER]

Ten weeks of ratings are laid out up to today. Seven weeks are imported; the rest is live traffic in accelerated time:
people ask for a list, and rate what they really rated next, by the list if the film was on it. The service trains twice
by itself. The first model is better than popularity and goes live. Then a broken feed sends a day with mixed-up item
ids: nothing finds what people did next, and the second model is refused. At the end one person is erased, and the
numbers of events sent, stored, exported and trained on are compared. With ``--browser`` the page Results opens before
that, and the script waits for Enter.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from penchant.data.datasets import load_movielens_small

DAY, DAYS, IMPORTED = 86_400, 71, 49
ASKED = 12  # people of each day who ask for a list before they rate
EVERY = 60  # seconds between trainings, more than the replay takes
PATIENCE = 300.0
MOST_DAYS = 366  # that the service counts at once
RUN = [sys.executable, "-c", "from penchant.cli.main import run; run()"]
CONFIG = """
folder = "{folder}/models"
store = "sqlite:///{folder}/events.db"
active = "first"
port = 0
keep = "0"
exposures = true
train_every = "{every}s"
train_priority = "same"

[train]
sources = ["store"]
models = {models}
holdout = "{holdout}"

[train.gate]
min_cases = 100
min_coverage = {coverage}
"""


@dataclass(frozen=True)
class World:
    """A log to replay step by step: what people really did, and a broken feed in the last step.

    ``log`` has the columns user, item, value, timestamp and step; a value may be null. ``items`` has item and title.
    """

    log: pl.DataFrame
    items: pl.DataFrame
    imported: int  # steps before the service starts
    holdout: str  # as long as a step
    first: str  # the model that the service begins with
    models: tuple[str, ...]
    reading: tuple[str, ...] = ()  # options of fit
    repeat: bool = False  # whether lists hold what people had before
    min_coverage: float = 0.5  # of the gate

    @property
    def steps(self) -> int:
        """How many there are; the last one is broken."""
        return int(self.log["step"].max()) + 1  # type: ignore[arg-type]  # a whole number


def films() -> World:
    """Ten weeks of ratings in steps of a day."""
    catalogue = load_movielens_small()[1].frame().select("item", "title")
    return World(ratings(), catalogue, IMPORTED, "1d", "popular", ("item-knn",), ("--positive", "value>=3.5"))


def ratings(seed: int = 0) -> pl.DataFrame:
    """Everybody's ratings in their order, spread over the days; those of the last day are of other films."""
    log, _ = load_movielens_small()
    dice, start = random.Random(seed), int(time.time()) - DAYS * DAY
    of: dict[str, list[tuple[str, float]]] = defaultdict(list)
    assert log.values is not None  # stars
    for user, item, stars in zip(log.users.tolist(), log.items.tolist(), log.values.tolist(), strict=True):
        of[log.user_ids[user]].append((log.vocab.ids[item], stars))
    films, rows = [*log.vocab.ids], []
    for user, rated in of.items():
        seen = {item for item, _ in rated}
        times = sorted(dice.random() * DAYS for _ in rated)
        for (item, stars), day in zip(rated, times, strict=True):
            shown = item
            while day >= DAYS - 1 and shown in seen:  # the broken feed
                shown = dice.choice(films)
            seen.add(shown)
            rows.append((user, shown, stars, start + int(day * DAY), int(day)))
    return pl.DataFrame(rows, ["user", "item", "value", "timestamp", "step"], orient="row").sort("timestamp")


def penchant(*arguments: object) -> str:
    """Run one command and return what it prints."""
    done = subprocess.run([*RUN, *map(str, arguments)], check=True, capture_output=True, text=True)  # noqa: S603  # ours
    return done.stdout


class Service:
    """``penchant serve`` on a free port, and the lines of its log."""

    def __init__(self, config: Path) -> None:
        command = [*RUN, "serve", "--config", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603  # ours
        self.lines: list[dict[str, Any]] = []
        self.listening = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not self.listening.wait(60):
            raise RuntimeError(f"the service did not start: {self.lines}")
        self.port = next(int(line["port"]) for line in self.lines if line["message"] == "listening")
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            self._note(lines)

    def _note(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line.startswith("{"):
                self.lines.append(json.loads(line))
                if self.lines[-1]["message"] == "listening":
                    self.listening.set()

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """One request; the answer as plain values."""
        body = None if document is None else json.dumps(document)
        self.connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        response = self.connection.getresponse()
        told = json.loads(response.read())
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {told}")
        return told

    def trainings(self, wanted: int) -> list[dict[str, Any]]:
        """The log lines of the trainings, once there are so many."""
        self.connection.close()  # the service ends idle connections; the next request opens one
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            ended = [line for line in self.lines if line["message"] == "training ended"]
            if len(ended) >= wanted:
                return ended
            time.sleep(0.2)
        raise RuntimeError(f"no training ended: {self.lines[-3:]}")

    def stop(self) -> None:
        """End the service as an operator would."""
        self.connection.close()
        self.process.terminate()
        self.process.wait(60)
        self.reader.join()


def visit(service: Service, step: pl.DataFrame, dice: random.Random, *, repeat: bool) -> dict[str, int]:
    """A step of traffic: some people ask for a list first, then everybody acts; returns what was counted."""
    events = [
        {"user": user, "item": item, "value": value, "time": when, "id": f"{n} {user} {item} {when}"}
        for n, (user, item, value, when, _) in enumerate(step.iter_rows())
    ]
    shown: dict[str, Any] = {}
    people = step["user"].unique(maintain_order=True).to_list()
    for user in dice.sample(people, min(ASKED, len(people))):
        path = f"/v1/users/{quote(user, safe='')}/recommendations?k=50"
        shown[user] = service.ask("GET", f"{path}&repeat=true" if repeat else path)
    followed = 0
    for event in events:
        answer = shown.get(event["user"])
        if answer is not None and event["item"] in {one["item"] for one in answer["items"]}:
            event["recommendation"] = answer["recommendation"]
            followed += 1
    sent = 0
    for lo in range(0, len(events), 1000):
        sent += service.ask("POST", "/v1/events", {"events": events[lo : lo + 1000]})["accepted"]
    return {"sent": sent, "lists": len(shown), "followed": followed}


def main(folder: Path, world: World | None = None, *, every: int = EVERY, browser: bool = False) -> dict[str, Any]:
    """Run the loop in a folder; returns what was counted."""
    world, dice = world or films(), random.Random(1)
    log, last = world.log, world.steps - 1
    past = log.filter(pl.col("step") < world.imported).drop("step")
    (past if past["value"].count() else past.drop("value")).write_csv(folder / "past.csv")
    world.items.write_csv(folder / "items.csv")
    config = folder / "penchant.toml"
    filled = {"models": json.dumps(world.models), "holdout": world.holdout, "coverage": world.min_coverage}
    config.write_text(CONFIG.format(folder=folder, every=every, **filled), encoding="utf-8")
    reading = ("--items", folder / "items.csv", *world.reading)
    penchant("fit", folder / "past.csv", *reading, "-m", world.first, "-o", folder / "models" / "first")
    imported = json.loads(penchant("events", "import", folder / "past.csv", "--config", config, "--json"))["imported"]
    print(f"{imported:,} events were imported; the service begins with the model {world.first}")
    counted = {"sent": imported, "lists": 0, "followed": 0}
    service = Service(config)
    try:
        for number in range(world.imported, last):
            found = visit(service, log.filter(pl.col("step") == number), dice, repeat=world.repeat)
            counted = {name: counted[name] + found[name] for name in counted}
        (first, *_) = service.trainings(1)
        print(f"first training: {first['outcome']}: {first['why']}")
        found = visit(service, log.filter(pl.col("step") == last), dice, repeat=world.repeat)
        counted = {name: counted[name] + found[name] for name in counted}
        print(f"live: {counted['lists']} lists were shown, {counted['followed']} events followed from them")
        print("a broken feed sent its last step with other item ids")
        second = service.trainings(2)[1]
        print(f"second training: {second['outcome']}: {second['why']}")
        oldest = log.filter(pl.col("step") >= world.imported)["timestamp"].min()
        days = 2 + int(time.time() - int(oldest)) // DAY  # type: ignore[arg-type]  # an event counts on the day of its time
        results = service.ask("GET", f"/v1/results?days={min(days, MOST_DAYS)}")["total"]
        if browser:
            webbrowser.open(f"http://127.0.0.1:{service.port}/ui/results")
            input("Results is open in the browser; press Enter to go on")
        models = {one["name"]: one for one in service.ask("GET", "/v1/models")["models"]}
        trained = models[second["name"]]["evaluation"]["training"]["data"]["events"]
        live = next(name for name, one in models.items() if one["active"])
        stored = pl.read_parquet(_export(config, folder / "all.parquet"))
        person = next(one for one in stored["user"].to_list() if one is not None)
        theirs = stored.filter(pl.col("user") == person).height
        service.ask("DELETE", f"/v1/users/{quote(person, safe='')}")
        left = pl.read_parquet(_export(config, folder / "without.parquet"))
        kept = service.ask("GET", f"/v1/users/{quote(person, safe='')}/export")
        planned = json.loads(penchant("train", "--config", config, "--dry-run", "--json"))["data"]["events"]
    finally:
        service.stop()
    told = {
        **counted, "results": results, "stored": stored.height, "trained_on": trained, "live": live, "first": first,
        "second": second, "erased": theirs, "left": left.height,
        "left_of_person": left.filter(pl.col("user") == person).height,
        "kept_of_person": len(kept["events"]), "next_training": planned,
    }  # fmt: skip
    print(f"events sent {told['sent']:,}, stored and exported {told['stored']:,}, trained on {told['trained_on']:,}")
    print(
        f"one person with {theirs:,} events was erased: {left.height:,} are left, and the next training has {planned:,}"
    )
    print(f"live: {live}")
    return told


def _export(config: Path, file: Path) -> Path:
    penchant("events", "export", "--config", config, "-o", file)
    return file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The whole loop in two minutes, on the bundled films.")
    parser.add_argument("folder", nargs="?", type=Path, help="an empty folder; otherwise a temporary one")
    parser.add_argument("--browser", action="store_true", help="open the page Results, and wait for Enter")
    options = parser.parse_args()
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        main(options.folder, browser=options.browser)
    else:
        with tempfile.TemporaryDirectory(prefix="penchant-loop-") as made:
            main(Path(made), browser=options.browser)
