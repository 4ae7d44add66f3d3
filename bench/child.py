"""One measured run in a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from bench.peers import ROOT


class ChildError(RuntimeError):
    """A measured run ended badly; the message holds what it said last."""


def run(command: list[str]) -> dict[str, Any]:
    """Run a command from the root of the project; the JSON object of its last line."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise ChildError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def contender(python: Path, module: str, who: str, folder: Path, arrays: Path) -> dict[str, Any]:
    """One contender of one comparison, in its own environment."""
    return run([str(python), "-m", "bench.contenders", module, who, str(folder), str(arrays)])
