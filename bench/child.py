"""One measured run in its own process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import ROOT


class ChildError(RuntimeError):
    """A measured run failed; the message holds its last output."""


def run(command: list[str], *, env: Mapping[str, str] | None = None, limit: float | None = None) -> dict[str, Any]:
    """Run a command from the project root and return the JSON object on its last line. ``limit`` is in seconds."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, timeout=limit, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ChildError(f"it took longer than {limit:.0f} seconds") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise ChildError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def contender(python: Path, module: str, who: str, folder: Path, arrays: Path) -> dict[str, Any]:
    """Run one contender of one comparison in its own environment."""
    return run([str(python), "-m", "bench.contenders", module, who, str(folder), str(arrays)])
