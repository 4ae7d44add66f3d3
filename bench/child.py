"""One measured run in a process of its own: what it printed, and the most memory it held."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.peers import ROOT


class ChildError(RuntimeError):
    """A measured run ended badly; the message holds what it said last."""


def run(command: list[str]) -> dict[str, Any]:
    """Run a command from the root of the project; the JSON object of its last line, with ``peak_mib`` added."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)  # the resources of this child alone
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines = out.read().decode().strip().splitlines()
        if child.returncode != 0 or not lines:
            tail = "\n".join(err.read().decode().splitlines()[-15:])
            raise ChildError(f"{' '.join(command)} ended with {child.returncode}:\n{tail}")
    result: dict[str, Any] = json.loads(lines[-1])
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {**result, "peak_mib": round(usage.ru_maxrss / unit, 1)}


def contender(python: Path, module: str, who: str, folder: Path, arrays: Path) -> dict[str, Any]:
    """One contender of one comparison, in its own environment."""
    return run([str(python), "-m", "bench.contenders", module, who, str(folder), str(arrays)])
