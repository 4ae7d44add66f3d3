"""A clock that jumps: processes that share a file see the same time, so many seconds ahead of the machine's.

``python -c "from bench.clock import run; run()" serve ...`` is ``penchant serve ...`` under it; ``BENCH_CLOCK`` names
the file. Only the time of day jumps: waiting takes as long as ever. Retention runs every few seconds.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

TIDY = 2.0  # seconds between runs of retention, because a day passes in a few


def set_ahead(file: Path, seconds: float) -> None:
    """Set how far ahead the clock is; a file that is there is changed in place."""
    with file.open("r+b" if file.exists() else "w+b") as target:
        target.write(struct.pack("<d", seconds))


def install() -> None:
    """Let ``time.time`` of this process be ahead."""
    with Path(os.environ["BENCH_CLOCK"]).open("rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real = time.time
    time.time = lambda: real() + struct.unpack("<d", shared[:8])[0]


def run() -> None:
    """The command ``penchant`` under the clock."""
    install()
    from penchant.cli.main import run as penchant
    from penchant.serve import keeping

    keeping.TIDY = TIDY
    penchant()
