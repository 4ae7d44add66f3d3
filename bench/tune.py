"""Parameters for a set, chosen on its validation part: ``bench/params/SET-MODEL.json``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.accuracy import PARAMS
from bench.sets import SETS

if TYPE_CHECKING:
    from pathlib import Path

    from penchant.evaluation.trials import Trial, Tuned


def tune(set_name: str, model: str, *, trials: int = 30, minutes: float | None = None, seed: int = 0) -> Path:
    """Search and write the file; a search that is found there goes on. ``model`` may fix parameters after a colon."""
    from penchant.tuning import tune as search

    bench_set, metric = SETS[set_name], SETS[set_name].metrics[0]
    name = model.partition(":")[0]
    file = PARAMS / f"{set_name}-{name}.json"
    splits, features = bench_set.load(seed=seed)
    budget = (
        f" --trials {trials}" + (f" --minutes {minutes:g}" if minutes else "") + (f" --seed {seed}" if seed else "")
    )

    def tell(trial: Trial, found: Tuned) -> None:
        came_to = trial.error or ("dropped" if trial.value is None else f"{metric} {trial.value:.4f}")
        print(f"{set_name}, {name}: trial {len(found.trials)} of {trials}: {came_to}", file=sys.stderr)

    search(
        splits,
        model,
        metric=metric,
        trials=trials,
        minutes=minutes,
        seed=seed,
        file=file,
        features=features,
        command=f"python -m bench tune {set_name} {model}{budget}",
        on_trial=tell,
    )
    return file
