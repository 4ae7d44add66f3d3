"""Requests made from the OpenAPI document of a running service, with keys: every answer must be as the document says.

python -m bench schemathesis --minutes 10

The coverage phase may take so many minutes, fuzzing and stateful phases half as many each. Writes
``bench/results/serve/schemathesis.json``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import machine
from bench.peers import ROOT

RESULT = ROOT / "bench" / "results" / "serve" / "schemathesis.json"
PROGRAMS = Path(sys.executable).parent
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "ignored_auth",
)  # fmt: skip
# phase, methods (none: all) and minutes for a minute asked for; the bodies of some operations take long to make
PHASES: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("coverage", ("GET", "DELETE"), 0.5), ("coverage", ("POST", "PUT", "PATCH"), 0.5), ("fuzzing", (), 0.5),
    ("stateful", (), 0.5),
)  # fmt: skip
SETTINGS = {
    "PENCHANT_WRONG_KEYS": "100000",
    "PENCHANT_CLEAN_AFTER": "0",
    "PENCHANT_GORSE_API": "true",
}  # wrong keys are part of the requests


def world(folder: Path) -> Path:
    """Two saved recommenders over a small catalogue."""
    import polars as pl

    from penchant.data.catalog import Catalog
    from penchant.data.read import read_interactions
    from penchant.models import registry
    from penchant.training.fit import fit

    dice, items = random.Random(0), [f"i{n:02d}" for n in range(30)]
    rows = [{"user": f"u{user}", "item": item} for user in range(90) for item in dice.sample(items, 6)]
    table = [{"item": item, "title": f"Title {item}", "genre": [f"g{n % 3}"]} for n, item in enumerate(items)]
    log = read_interactions(pl.DataFrame(rows))
    for name in ("item-knn", "popular"):
        fit(log, registry.create(name, {}), catalog=Catalog.read(pl.DataFrame(table), log.vocab)).save(folder / name)
    return folder


class Served:
    """A service with an admin key, its port, and how often each status was logged as a failure."""

    def __init__(self, folder: Path) -> None:
        store = f"sqlite:///{folder / 'store.db'}"
        made = [str(PROGRAMS / "penchant"), "keys", "create", "bench", "--scope", "admin", "--store", store]
        self.key = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()
        command = [str(PROGRAMS / "penchant"), "serve", str(world(folder / "models")), "--active", "item-knn"]
        self.process = subprocess.Popen(
            [*command, "--store", store, "--port", "0"], stderr=subprocess.PIPE, text=True,
            env={**os.environ, **SETTINGS},
        )  # fmt: skip
        self.failures, self.port = Counter[str](), 0
        assert self.process.stderr is not None
        for line in self.process.stderr:
            told = json.loads(line)
            if told["message"] == "listening":
                self.port = told["port"]
                break
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if told["level"] == "error":
                    self.failures[f"{told['message']}: {told.get('route')} {told.get('status')}"] += 1

    def stop(self) -> None:
        """Send SIGTERM, as an operator would."""
        self.process.terminate()
        self.process.wait(30)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A service for as long as it is asked."""
    service = Served(folder)
    try:
        yield service
    finally:
        service.stop()


def phase(
    name: str, methods: tuple[str, ...], service: Served, folder: Path, seconds: int, seed: int
) -> dict[str, Any]:
    """One phase: how many operations and requests, and what failed."""
    report = folder / f"{'-'.join((name, *methods))}.json"
    command = [
        str(PROGRAMS / "schemathesis"), "run", f"http://127.0.0.1:{service.port}/openapi.json", "--no-color",
        "--header", f"Authorization: Bearer {service.key}", "--header", "X-Forwarded-For: 192.0.2.1",
        "--phases", name, "--checks", ",".join(CHECKS), "--max-time", str(seconds), "--seed", str(seed),
        "--suppress-health-check", "all", "--report", "json", "--report-json-path", str(report),
        *(part for method in methods for part in ("--include-method", method)),
    ]  # fmt: skip
    most = 10 * seconds + 600  # an operation that has begun is not interrupted
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, timeout=most)
    if not report.exists() or not report.stat().st_size:
        raise RuntimeError(f"schemathesis did not run: {(ended.stdout + ended.stderr)[-2000:]}")
    told = json.loads(report.read_text())
    return {
        "phase": f"{name} of {', '.join(methods)}" if methods else name,
        "status": told["phases"][name]["status"],
        "seconds": round(told["running_time"], 1),
        "operations": told["operations"]["tested"],
        "requests": told["test_cases"]["generated"],
        "failures": told["failures"],
        "errors": told["errors"],
    }


def measure(minutes: float, *, seed: int = 0) -> dict[str, Any]:
    """All phases against one service, and the failures in its log."""
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as service:
        parts = [
            phase(one, methods, service, Path(name), round(60 * minutes * share), seed)
            for one, methods, share in PHASES
        ]
        alive = service.process.poll() is None
        logged = dict(service.failures)
    return {"phases": parts, "logged_failures": logged, "alive": alive}


def faults(result: dict[str, Any]) -> list[str]:
    """What is wrong in a result; nothing if it is as it should be."""
    found = [] if result["alive"] else ["the service ended"]
    found += [
        f"logged {count} times: {what}" for what, count in result["logged_failures"].items() if " 503" not in what
    ]
    for part in result["phases"]:
        if part["status"] not in {"success", "skip"} or not part["requests"]:
            found.append(f"{part['phase']}: {part['status']}, {part['requests']} requests")
        found += [f"{part['phase']}: {json.dumps(one)[:2000]}" for one in (*part["failures"], *part["errors"])]
    return found


def main(minutes: float) -> int:
    """Measure, write the result, print what failed; return how much that is."""
    result = {
        "what": "requests made from the OpenAPI document",
        "command": f"python -m bench schemathesis --minutes {minutes:g}",
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "schemathesis", "fastapi"),
        **measure(minutes),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for part in result["phases"]:
        print(f"{part['phase']}: {part['requests']} requests to {part['operations']} operations in {part['seconds']} s")
    wrong = faults(result)
    print("\n".join(wrong))
    return len(wrong)
