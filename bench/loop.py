"""The whole loop of ``examples/loop`` on the groceries of complete-journey-sample: a year of real purchases.

python -m bench loop

Forty-four weeks are imported, the next seven are live traffic in accelerated time, and in the last one the feed is
broken: item ids are mixed up. The service begins with random lists, which hold every item: so the gate asks for no
coverage. It trains twice by itself, activates once and refuses
once; the counts of events sent, stored, exported and trained on must be equal, and those of lists asked for and shown.
Writes ``bench/results/serve/loop.json``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from bench import machine
from bench.duel import RESULTS
from bench.peers import ROOT
from bench.sets import table

SCRIPT = ROOT / "examples" / "loop" / "loop.py"
SET, WEEK, IMPORTED, WEEKS = "complete-journey-sample", 7 * 86_400, 44, 52
MODELS = ("item-knn:neighbours=100", "als")
EVERY = 150  # seconds between trainings, more than the replay takes


def script() -> ModuleType:
    """The example, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("penchant_example_loop", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found  # its dataclass looks there
    spec.loader.exec_module(found)
    return found


def journey(example: ModuleType) -> Any:
    """The purchases in steps of a week, moved up to today; in the last one item ids are mixed up."""
    rows = table(SET).select(
        user=pl.col("user").cast(pl.String),
        item=pl.col("item").cast(pl.String),
        value=pl.lit(None, pl.Float64),
        timestamp=pl.col("time").str.to_datetime().dt.epoch("s"),
    )
    last = int(rows["timestamp"].max())  # type: ignore[arg-type]  # a whole number
    step = WEEKS - 1 - (last - pl.col("timestamp")) // WEEK
    rows = rows.with_columns(step=step).filter(pl.col("step") >= 0).sort("timestamp")
    ids = rows["item"].unique().sort()
    mixed = ids.gather(np.random.default_rng(0).permutation(len(ids)))
    broken = pl.col("item").replace_strict(ids, mixed)
    rows = rows.with_columns(
        item=pl.when(pl.col("step") == WEEKS - 1).then(broken).otherwise(pl.col("item")),
        timestamp=pl.col("timestamp") + int(time.time()) - 60 - last,
    )
    items = table(SET, "items").select(
        item=pl.col("item").cast(pl.String), title=pl.col("product_type").fill_null("unknown")
    )
    return example.World(rows, items, IMPORTED, "7d", "random", MODELS, repeat=True, min_coverage=0.0)


def checked(told: dict[str, Any]) -> dict[str, bool]:
    """What must hold at the end."""
    return {
        "activated once, refused once": [told[one]["outcome"] for one in ("first", "second")]
        == ["activated", "refused"],
        "sent = stored = exported = trained on": told["sent"] == told["stored"] == told["trained_on"],
        "lists asked for = lists in Results": told["lists"] == told["results"]["lists"],
        "nothing left of the erased person": told["left_of_person"] == told["kept_of_person"] == 0,
        "left = the next training": told["left"] == told["next_training"] == told["stored"] - told["erased"],
    }


def main() -> int:
    """Run the loop, write what was counted, and return 1 if a count disagrees."""
    example, start = script(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        told = example.main(Path(folder), journey(example), every=EVERY)
    checks = checked(told)
    document = {
        "what": "the whole loop on a year of groceries",
        "command": "python -m bench " + " ".join(sys.argv[1:]),
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "uvicorn", "numpy"),
        "seconds": round(time.perf_counter() - start, 1),
        "checks": checks,
        "counted": {name: value for name, value in told.items() if name not in {"first", "second"}},
        "trainings": [{name: told[one][name] for name in ("outcome", "why", "seconds")} for one in ("first", "second")],
    }
    target = RESULTS / "serve" / "loop.json"
    target.write_text(json.dumps(document, indent=1) + "\n")
    for what, holds in checks.items():
        print(f"loop: {what}: {'yes' if holds else 'NO'}")
    return int(not all(checks.values()))
