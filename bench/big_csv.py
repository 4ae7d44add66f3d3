"""Twenty-five million CSV rows: seconds and peak memory of reading them, in a process of its own.

    python bench/big_csv.py [--rows 25000000] [--users 162541] [--items 59047] [--times seconds|iso] [--quoted]
                             [--inspect]

Writes a log of the shape of MovieLens 25M to a temporary folder, reads it and prints
one JSON document.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

INSPECT = """
import contextlib, io, json, resource, sys, time
from penchant.cli.main import main
start, out = time.perf_counter(), io.StringIO()
with contextlib.redirect_stdout(out):
    code = main(["inspect", sys.argv[1], "--json"])
document = json.loads(out.getvalue())
print(json.dumps({"seconds": round(time.perf_counter() - start, 1), "exit_code": code,
                  "rows": document["statistics"]["rows"], "users": document["statistics"]["users"],
                  "items": document["statistics"]["items"], "findings": len(document["findings"]),
                  "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}))
"""
READ = """
import json, resource, sys, time
import penchant
shares = []
start = time.perf_counter()
log = penchant.read_interactions(sys.argv[1], progress=lambda what, share: shares.append(share))
seconds = time.perf_counter() - start
print(json.dumps({"seconds": round(seconds, 1), "rows": log.report.rows, "events": len(log), "users": log.n_users,
                  "items": log.n_items, "rejected": log.report.n_rejected, "values_are": log.values_are,
                  "progress_calls": len(shares), "last_share": shares[-1],
                  "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}))
"""


def write(path: Path, rows: int, users: int, items: int, times: str, *, quoted: bool) -> None:
    """Write a log of ``rows`` rows, a million at a time; user and item popularity have a long tail."""
    import polars as pl

    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, rows, 1_000_000):
            size = min(1_000_000, rows - start)
            moments = pl.Series(rng.integers(800_000_000, 1_600_000_000, size))
            frame = pl.DataFrame(
                {
                    "userId": (users * rng.beta(0.7, 2.0, size)).astype(np.int64) + 1,
                    "movieId": (items * rng.beta(0.5, 4.0, size)).astype(np.int64) + 1,
                    "rating": rng.integers(1, 11, size) / 2,
                    "timestamp": moments
                    if times == "seconds"
                    else pl.from_epoch(moments).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            )
            frame.write_csv(file, include_header=start == 0, quote_style="always" if quoted else "necessary")


def main() -> None:
    """Generate the file, read it in a child process and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=25_000_000)
    parser.add_argument("--users", type=int, default=162_541)
    parser.add_argument("--items", type=int, default=59_047)
    parser.add_argument("--times", choices=("seconds", "iso"), default="seconds")
    parser.add_argument("--quoted", action="store_true")
    parser.add_argument(
        "--inspect", action="store_true", help="run `penchant inspect` on it instead of only reading it"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        start = time.perf_counter()
        write(path, given.rows, given.users, given.items, given.times, quoted=given.quoted)
        wrote = time.perf_counter() - start
        done = subprocess.run(
            [sys.executable, "-c", INSPECT if given.inspect else READ, str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        result = json.loads(done.stdout)
        result |= {
            "megabytes": round(path.stat().st_size / 1e6),
            "wrote_seconds": round(wrote, 1),
            "own_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
