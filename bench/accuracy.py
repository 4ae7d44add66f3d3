"""The queue of (set, model, seed): fit on the training part with the committed parameters, read the test part once.

Each entry with a ``bench/params/SET-MODEL.json`` runs in its own process and writes
``bench/results/accuracy/SET-MODEL-SEED.json``. An entry that already has a result with the same parameters is skipped,
so the queue can be stopped and restarted at any time. ``python -m bench.accuracy SET MODEL SEED`` runs one entry.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import child, machine
from bench.duel import RESULTS
from bench.peers import ROOT
from bench.sets import SETS

PARAMS = ROOT / "bench" / "params"
DONE = RESULTS / "accuracy"


@dataclass(frozen=True)
class Entry:
    """One entry of the queue; ``model`` is the row name, which is the model's name unless a search set another."""

    set_name: str
    model: str
    seed: int

    @property
    def params_file(self) -> Path:
        return PARAMS / f"{self.set_name}-{self.model}.json"

    @property
    def result_file(self) -> Path:
        return DONE / f"{self.set_name}-{self.model}-{self.seed}.json"

    def choice(self) -> dict[str, Any]:
        """The chosen model and its parameters."""
        chosen: dict[str, Any] = json.loads(self.params_file.read_text())
        return {"model": chosen["model"], "params": chosen["params"]}

    def chosen(self) -> dict[str, Any]:
        """How the parameters were chosen: number of trials, metric, best validation value and any note.

        Empty if there was nothing to choose.
        """
        search = json.loads(self.params_file.read_text())
        return {key: search[key] for key in ("trials", "metric", "value", "note") if key in search}

    def done(self) -> bool:
        """Whether a result with exactly these parameters exists."""
        if not self.result_file.exists():
            return False
        result = json.loads(self.result_file.read_text())
        return {"model": result["model"], "params": result["params"]} == self.choice()


def queue(sets: Sequence[str] = (), models: Sequence[str] = (), seeds: Sequence[int] = (0,)) -> Iterator[Entry]:
    """Yield an entry for every set and model with parameters, for each seed; empty ``sets`` or ``models`` means all."""
    for name in sets or SETS:
        for file in sorted(PARAMS.glob(f"{name}-*.json")):
            model = file.stem.removeprefix(f"{name}-")
            belongs = max((s for s in SETS if file.stem.startswith(f"{s}-")), key=len) == name  # ml-1m, ml-1m-bars
            if belongs and (not models or model in models):
                yield from (Entry(name, model, seed) for seed in seeds)


def work(entries: Iterator[Entry]) -> int:
    """Measure every entry without a result; report a failure and continue. Return the number of failures."""
    failed = 0
    for entry in entries:
        if entry.done():
            continue
        print(f"accuracy: {entry.set_name}, {entry.model}, seed {entry.seed}", file=sys.stderr)
        command = [sys.executable, "-m", "bench.accuracy", entry.set_name, entry.model, str(entry.seed)]
        try:
            result = child.run(command)
        except child.ChildError as error:
            print(error, file=sys.stderr)
            failed += 1
            continue
        DONE.mkdir(parents=True, exist_ok=True)
        entry.result_file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return failed


def measure(entry: Entry) -> dict[str, Any]:
    """Measure one entry in this process."""
    from penchant.core.run import Run
    from penchant.evaluation.evaluate import evaluate
    from penchant.models import registry

    bench_set, choice = SETS[entry.set_name], entry.choice()
    model = registry.from_saved(choice)
    splits, catalog = bench_set.load(seed=entry.seed)
    found = evaluate(
        splits,
        [model],
        k=bench_set.k,
        metrics=bench_set.metrics,
        catalog=catalog,
        seed=entry.seed,
        run=Run(seed=entry.seed),
    )
    evaluation, left_out = found.to_json(), found.left_out
    result = evaluation["models"][0]
    return {
        "set": entry.set_name,
        "row": entry.model,
        **choice,
        "chosen": entry.chosen(),
        "seed": entry.seed,
        "split": {**evaluation["split"], "left_out": left_out},
        "metrics": result["metrics"],
        "fallback_share": result["fallback_share"],
        "fit_seconds": result["fit_seconds"],
        "score_seconds": result["score_seconds"],
        "command": f"python -m bench accuracy --set {entry.set_name} --model {entry.model} --seed {entry.seed}",
        "peak_mib": machine.peak_mib(),
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "scipy", "numba"),
    }


if __name__ == "__main__":
    print(json.dumps(measure(Entry(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
