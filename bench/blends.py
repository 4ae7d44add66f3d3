"""The best of the tuned models of a set together: weights chosen on its validation part, ``SET-blend.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.accuracy import PARAMS, queue
from bench.sets import SETS

ALONE = ("popular", "random", "blend")  # no members unless they are named
SCALES = ("best", "deviation")  # ranks cost several times as much, a sort of every row
METRIC = "ndcg@10"  # what a blend looks at when it weighs its members
LEAST = 0.02  # what weighs less is left out


def blend(set_name: str, members: Sequence[str] = (), *, seed: int = 0) -> Path:
    """Fit every member once without the validation part, weigh them there in each scale, write the best file.

    Members are models that have parameters for the set; nobody named: all of them.
    """
    from penchant import registry
    from penchant.models.base import Run
    from penchant.models.blend import Blend

    chosen = [
        entry.choice() for entry in queue([set_name]) if entry.model in members or not (members or entry.model in ALONE)
    ]
    splits, features = SETS[set_name].load(seed=seed)
    valid, run = splits[0].valid, Run(seed=seed)
    if len(splits) > 1 or valid is None or len(chosen) < 2:
        raise ValueError(f"{set_name}: a blend takes one split with a validation part, and two tuned models")
    model = Blend(members=[registry.from_json(member) for member in chosen], weights=[1.0] * len(chosen))
    model.fit(valid.train, run=run, features=features)
    curve: list[dict[str, Any]] = []
    for scale in SCALES:
        model.normalise = scale
        mix, equal, value = model.choose(valid, run)
        weights = [float(f"{weight:.3g}") if weight >= LEAST else 0.0 for weight in mix]
        curve.append({"normalise": scale, "weights": weights, "equal": equal, "value": value})
        print(f"{set_name}, blend, {scale}: {METRIC} {value:.4f}", file=sys.stderr)
    best = max(curve, key=lambda tried: tried["value"])
    kept = [n for n, weight in enumerate(best["weights"]) if weight > 0]
    file = PARAMS / f"{set_name}-blend.json"
    found = {
        "model": "blend",
        "params": {
            "members": [chosen[n] for n in kept],
            "weights": [best["weights"][n] for n in kept],
            "normalise": best["normalise"],
        },
        "metric": METRIC,
        "value": best["value"],
        "split": valid.name,
        "command": " ".join(["python -m bench blend", set_name, *(f"--model {name}" for name in members)]),
        "seed": seed,
        "members": [member["model"] for member in chosen],
        "curve": curve,
    }
    file.write_text(json.dumps(found, indent=1) + "\n")
    return file
