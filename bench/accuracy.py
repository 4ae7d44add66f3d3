"""The queue of (set, model, seed): fit on the training part with the committed parameters, read the test part once.

Each entry that ``bench/params/SET-MODEL.json`` names is measured in a process of its own and leaves
``bench/results/accuracy/SET-MODEL-SEED.json``. What is there already, with the same parameters, is not done again: the
queue can be stopped and started at will. ``python -m bench.accuracy SET MODEL SEED`` is one entry.
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
    """One line of the queue; ``model`` is the name of its row, which is the model's unless a search named another."""

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
        """The model and its parameters, as they were chosen."""
        chosen: dict[str, Any] = json.loads(self.params_file.read_text())
        return {"model": chosen["model"], "params": chosen["params"]}

    def chosen(self) -> dict[str, Any]:
        """How they were chosen: trials, the best value on validation, and what else has to be told of it; nothing where
        there was nothing to choose."""
        search = json.loads(self.params_file.read_text())
        return {key: search[key] for key in ("trials", "metric", "value", "note") if key in search}

    def done(self) -> bool:
        """Whether there is a result of these very parameters."""
        if not self.result_file.exists():
            return False
        result = json.loads(self.result_file.read_text())
        return {"model": result["model"], "params": result["params"]} == self.choice()


def queue(sets: Sequence[str] = (), models: Sequence[str] = (), seeds: Sequence[int] = (0,)) -> Iterator[Entry]:
    """Every set that has parameters for a model; nothing named: all."""
    for name in sets or SETS:
        for file in sorted(PARAMS.glob(f"{name}-*.json")):
            model = file.stem.removeprefix(f"{name}-")
            belongs = max((s for s in SETS if file.stem.startswith(f"{s}-")), key=len) == name  # ml-1m, ml-1m-bars
            if belongs and (not models or model in models):
                yield from (Entry(name, model, seed) for seed in seeds)


def work(entries: Iterator[Entry]) -> int:
    """Measure what is not yet done; a failure is told and does not stop the rest. Returns how many failed."""
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
    """One entry, in this process."""
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
