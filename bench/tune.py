"""Parameters for a set, chosen on its validation part: ``bench/params/SET-MODEL.json``, trials in ``bench/curves``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench import searches
from bench.accuracy import PARAMS
from bench.sets import SETS

if TYPE_CHECKING:
    from penchant.training.trials import Trial, Tuned


def tune(
    set_name: str, model: str, *, trials: int = 30, minutes: float | None = None, seed: int = 0, row: str = ""
) -> Path:
    """Search, and save every trial when it ends; an existing search continues.

    ``model`` may fix parameters after a colon. It should then have its own ``row``, which names the file and the row in
    the tables.
    """
    from penchant.training.tune import tune as search

    bench_set, metric = SETS[set_name], SETS[set_name].metrics[0]
    name = row or model.partition(":")[0]
    file = PARAMS / f"{set_name}-{name}.json"
    splits, catalog = bench_set.load(seed=seed)
    said = {"trials": trials, "minutes": minutes and f"{minutes:g}", "seed": seed, "row": row}
    budget = "".join(f" --{option} {value}" for option, value in said.items() if value)
    earlier = searches.read(file) if file.exists() else {}
    by_hand = {key: earlier[key] for key in ("note", "study") if key in earlier}
    more = earlier["trials"] - len(earlier["curve"]) if earlier else 0  # tried by hand

    def tell(trial: Trial, found: Tuned) -> None:
        searches.write(file, found.to_json() | {"trials": len(found.trials) + more} | by_hand)
        came_to = trial.error or ("dropped" if trial.value is None else f"{metric} {trial.value:.4f}")
        print(f"{set_name}, {name}: trial {len(found.trials)} of {trials}: {came_to}", file=sys.stderr)

    with TemporaryDirectory() as folder:
        whole = Path(folder) / file.name
        if earlier:
            whole.write_text(json.dumps(earlier))
        search(
            splits,
            model,
            metric=metric,
            trials=trials,
            minutes=minutes,
            seed=seed,
            file=whole,
            catalog=catalog,
            command=f"python -m bench tune {set_name} {model}{budget}",
            on_trial=tell,
        )
    return file
