"""An older build of Penchant, to measure in the same run as this one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from bench.peers import ROOT

BUILDS = ROOT / "bench" / ".work" / "older"


def source(commit: str) -> Path:
    """The ``src`` folder of a commit, taken out of the repository once; it has a kernel cache of its own."""
    place = BUILDS / commit
    if not (place / "src").exists():
        command = [shutil.which("git") or "git", "archive", commit, "src"]
        packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        fresh = BUILDS / f".{commit}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(fresh, filter="data")
        fresh.rename(place)
    return place / "src"


def environment(source: Path) -> dict[str, str]:
    """The environment of a process that imports Penchant from ``source``."""
    return {**os.environ, "PYTHONPATH": str(source)}
