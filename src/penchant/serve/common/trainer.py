"""``penchant train`` beside the service: a child process with the lowest priority, every so often.

The child leaves the processor and the disk to the service: with ``train_priority`` *idle* it runs only when nothing
else wants to (``SCHED_IDLE``), with *low* at the lowest niceness; its reads and writes wait for those of others, and
the system ends it first if memory runs out. What it fitted before it ended is not fitted again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penchant.serve.common.metrics import Metrics
from penchant.serve.common.settings import Settings
from penchant.store.trainings import Training, Trainings

RUN = "from penchant.cli.main import run; run()"
NICE = 19
FIRST = ("1000", "/proc/{pid}/oom_score_adj")  # what the system ends first if memory runs out
SOON = 5.0  # seconds after the start of the service, at least, so that it has answered before
SHOWN = 2000  # characters of a message of the child

log = logging.getLogger("penchant.serve")


class Trainer:
    """Starts a training whenever the last one of the store is older than ``train_every``, and an update of the model
    whenever neither has happened for ``update_every``."""

    def __init__(self, settings: Settings, trainings: Trainings, metrics: Metrics, config: str | None = None) -> None:
        self.settings, self.trainings, self.metrics, self.config = settings, trainings, metrics, config
        self.process: asyncio.subprocess.Process | None = None
        self._tried: dict[bool, float] = {}  # when the last update (True) or training (False) was started, monotonic

    async def run(self) -> None:
        """Train and update for ever; ends the child when it is cancelled."""
        while True:
            seconds, update = await asyncio.to_thread(self.due)
            await asyncio.sleep(seconds)
            self._tried[True] = time.monotonic()
            self._tried[update] = time.monotonic()
            try:
                await self.train(update=update)
            except OSError as wrong:
                log.warning("a training could not be started", extra={"data": {"reason": str(wrong)}})

    def due(self) -> tuple[float, bool]:
        """Seconds until the next training or update, and whether it is an update; a training comes first."""
        last, trained = self.trainings.last(), self.trainings.last(updates=False)
        waits = []
        if self.settings.train_seconds is not None:
            waits.append((self._wait(self.settings.train_seconds, trained, self._tried.get(False)), False))
        if self.settings.update_seconds is not None:
            waits.append((self._wait(self.settings.update_seconds, last, self._tried.get(True)), True))
        return min(waits)

    @staticmethod
    def _wait(every: int, last: Training | None, tried: float | None) -> float:
        """Seconds until it is due: after the last recorded one, and after the last one that was tried."""
        recorded = 0.0 if last is None else last.time + every - time.time()
        again = 0.0 if tried is None else tried + every - time.monotonic()
        return min(max(recorded, again, min(SOON, every)), every)  # no clock makes it longer

    async def train(self, *, update: bool = False) -> dict[str, Any]:
        """Run one training or update to its end; returns and logs its outcome."""
        began = time.perf_counter()
        self.process = await asyncio.create_subprocess_exec(
            *self.command(update=update), env=self.environment(), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield_to_others(self.process.pid, idle=self.settings.train_priority == "idle")
            out, err = await self.process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            await self.process.wait()
            raise
        outcome = read_outcome(out, err, self.process.returncode)
        self.metrics.trainings.labels(outcome["outcome"]).inc()
        told = {name: outcome.get(name) for name in ("outcome", "why", "name", "compared_with")} | {"update": update}
        level = logging.INFO if outcome["outcome"] in {"activated", "unchanged", "busy"} else logging.WARNING
        log.log(level, "training ended", extra={"data": {**told, "seconds": round(time.perf_counter() - began, 1)}})
        return outcome

    def command(self, *, update: bool = False) -> list[str]:
        """The command of the child."""
        quiet = [["ionice", "-c", "3"], ["nice", "-n", str(NICE)]]
        quiet = [] if self.settings.train_priority == "same" else quiet
        before = [word for words in quiet if shutil.which(words[0]) for word in words]
        config = ["--config", self.config] if self.config else []
        return [*before, sys.executable, "-P", "-c", RUN, "train", *config, *(["--update"] if update else []), "--json"]

    def environment(self) -> Mapping[str, str]:
        """The environment of the child: the service's settings, which may hold a password, go in here."""
        settings = self.settings
        given = {"STORE": settings.store, "FOLDER": settings.folder, "ACTIVE": settings.active}
        given |= {"ALLOW_REMEMBERED": str(settings.allow_remembered).lower(), "SECRET": settings.secret}
        own = {name: value for name, value in os.environ.items() if name != "PENCHANT_STORE_URL_FILE"}
        return own | {f"PENCHANT_{name}": value for name, value in given.items() if value}


def yield_to_others(pid: int, *, idle: bool) -> None:
    """Let the system end a process first if memory runs out; with ``idle`` let it run only when no other wants to."""
    if idle:
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    text, file = FIRST
    with contextlib.suppress(OSError):
        Path(file.format(pid=pid)).write_text(text)


def read_outcome(out: bytes, err: bytes, code: int | None) -> dict[str, Any]:
    """The document of a child; one that says ``failed`` and why where it wrote none."""
    with contextlib.suppress(ValueError):
        found = json.loads(out)
        if isinstance(found, dict) and isinstance(found.get("outcome"), str):
            return found
    said = err.decode("utf-8", "replace").strip().splitlines()
    return {"outcome": "failed", "why": (said[-1] if said else f"exit code {code}")[-SHOWN:]}
