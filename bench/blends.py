"""The best blend of a set's tuned models, with weights chosen on its validation part: ``params/SET-blend.json``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import searches
from bench.accuracy import PARAMS, queue
from bench.sets import SETS

if TYPE_CHECKING:
    from penchant.core.histories import Histories
    from penchant.core.split import Split

ALONE = ("popular", "random", "blend")  # members only if named explicitly
SCALES = ("best", "deviation")  # ranks cost several times as much, because they sort every row
CASES = 10_000  # validation cases used to choose the weights
LEAST = 0.02  # members with a smaller weight are dropped
RUN = 0.2  # share of each history to hold out as a run


def blend(set_name: str, members: Sequence[str] = (), *, seed: int = 0, runs: bool = False, row: str = "blend") -> Path:
    """Fit every member once without the validation part, choose weights there for each scale, write the best file.

    A member is the name of a model that has parameters for the set, or a model as text with its own parameters after a
    colon. If no member is named, all models with parameters are used, except those in ``ALONE``. With ``runs``,
    ``held_runs`` replaces the set's own validation part. ``row`` names the file and the row in the tables.
    """
    from penchant.core.run import Run
    from penchant.models import registry
    from penchant.models.blend import Blend, ascent, judged

    metric = SETS[set_name].metrics[0]
    if not metric.startswith("ndcg@"):
        raise ValueError(f"{set_name}: members are weighed by NDCG, this set asks for {metric}")
    chosen = _members(set_name, members)
    splits, catalog = SETS[set_name].load(seed=seed)
    valid, run = held_runs(splits[0].train, seed) if runs else splits[0].valid, Run(seed=seed)
    if len(splits) > 1 or valid is None or len(chosen) < 2:
        raise ValueError(f"{set_name}: a blend takes one split with a validation part, and two tuned models")
    model = Blend(members=[registry.from_json(member) for member in chosen], weights=[1.0] * len(chosen))
    model.fit(valid.train, run=run, features=None if catalog is None else catalog.features())
    if len(valid) > CASES:
        valid = valid.cases(np.sort(run.rng().permutation(len(valid))[:CASES]))
    items, scores = model.pool(valid, SCALES, run)
    worth = judged(items, valid, int(metric.partition("@")[2]))
    curve: list[dict[str, Any]] = []
    for scale, said in zip(SCALES, scores, strict=True):
        mix, equal, value = ascent(said, worth)
        weights = [float(f"{weight:.3g}") if weight >= LEAST else 0.0 for weight in mix]
        alone = [worth(of_member) for of_member in said]
        curve.append({"normalise": scale, "weights": weights, "equal": equal, "alone": alone, "value": value})
        print(f"{set_name}, blend, {scale}: {metric} {value:.4f}, the best alone {max(alone):.4f}", file=sys.stderr)
    best = max(curve, key=lambda tried: tried["value"])
    kept = [n for n, weight in enumerate(best["weights"]) if weight > 0]
    file = PARAMS / f"{set_name}-{row}.json"
    found = {
        "model": "blend",
        "params": {
            "members": [chosen[n] for n in kept],
            "weights": [best["weights"][n] for n in kept],
            "normalise": best["normalise"],
        },
        "metric": metric,
        "value": best["value"],
        "split": valid.name,
        "command": " ".join(
            [
                "python -m bench blend",
                set_name,
                *(f"--model {n}" for n in members),
                *["--runs"] * runs,
                *[f"--row {row}"] * (row != "blend"),
            ]
        ),
        "seed": seed,
        "members": [member["model"] for member in chosen],
        "curve": curve,
    }
    searches.write(file, found)
    return file


def held_runs(train: Histories, seed: int) -> Split:
    """A validation part from the training rows: a contiguous fifth of every history.

    This is for logs whose test part is not a random sample. A random tenth leaves the neighbours of every held-out
    event in training, which favours models that use only adjacent pairs.
    """
    from penchant.evaluation.cuts import hold_out

    size = np.where(train.lengths >= 3, np.maximum(1, np.round(RUN * train.lengths)), 0)
    first = np.floor(np.random.default_rng(seed).random(len(train)) * (train.lengths - size + 1))
    place = np.arange(len(train.items)) - np.repeat(train.indptr[:-1], train.lengths)
    held = (place >= np.repeat(first, train.lengths)) & (place < np.repeat(first + size, train.lengths))
    return hold_out("runs of a fifth", train, held)


def _members(set_name: str, named: Sequence[str]) -> list[dict[str, Any]]:
    """The descriptions of the members; those with parameters for the set come first."""
    from penchant.models import registry

    texts = [text for text in named if ":" in text]
    tuned = [entry for entry in queue([set_name]) if entry.model in named or not (named or entry.model in ALONE)]
    if unknown := {*named} - {*texts} - {entry.model for entry in tuned}:
        raise ValueError(f"{set_name}: no parameters for {', '.join(sorted(unknown))}")
    return [entry.choice() for entry in tuned] + [registry.to_json(registry.parse(text)) for text in texts]
