"""One answer of a saved neural recommender without torch: a history of 50 items, 100,000 items, one thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.duel import Goal, Numbers, Question, Side

ITEMS = 100_000
FACTORS = 64
LENGTH = 50
ASKED = 200
MODELS = {
    "sasrec": {"epochs": 1, "patience": None, "loss": "sampled-softmax"},
    "gru4rec": {"epochs": 1, "patience": None, "loss": "sampled-softmax"},
    "two-tower": {"epochs": 1, "patience": None, "loss": "sampled-softmax"},
}
MOST_MS = 5.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def prepare(folder: Path) -> None:
    """Train full-width models briefly: their quality does not affect the time of an answer."""
    from penchant import Recipe, Recommender, Vocab
    from penchant.core.histories import Histories
    from penchant.core.item_features import ItemFeatures
    from penchant.core.run import Run
    from penchant.models.registry import create

    rng = np.random.default_rng(0)
    log = Histories.from_lists([rng.integers(0, ITEMS, LENGTH).tolist() for _ in range(2_000)], ITEMS)
    features = ItemFeatures.from_columns(ITEMS, {"kind": [f"kind {n % 20}" for n in range(ITEMS)]})
    for name, params in MODELS.items():
        if (folder / name).exists():
            continue
        model = create(name, {"factors": FACTORS, **params})
        model.fit(log, run=Run(threads=1), features=features)
        Recommender(Vocab([str(n) for n in range(ITEMS)]), model, Recipe()).save(folder / name)


def ours(folder: Path) -> Numbers:
    """Run every model in its own process, with one thread and no torch."""
    numbers: Numbers = {"seconds": 0.0}
    for name in MODELS:
        command = [sys.executable, "-m", "bench.contenders.onnx_answer", str(folder / name)]
        done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, **ONE_THREAD})
        for key, value in json.loads(done.stdout).items():
            numbers[f"{name}: {key}"] = value
        numbers["seconds"] += numbers[f"{name}: median ms"] / 1000
    return numbers


def ask(folder: str) -> Numbers:
    """Load the model and answer the histories one by one."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # as if it were not installed
    import penchant as pc

    start = time.perf_counter()
    recommender = pc.load(folder)
    loaded = time.perf_counter() - start
    rng, took, encoded = np.random.default_rng(1), [], []
    for _ in range(ASKED):
        history = [str(item) for item in rng.integers(0, ITEMS, LENGTH)]
        start = time.perf_counter()
        answer = recommender.recommend(history, k=10)
        took.append(1000 * (time.perf_counter() - start))
        assert len(answer.items) == 10
        given, _ = recommender.histories(history)
        start = time.perf_counter()
        recommender.model.embed(given)  # type: ignore[attr-defined]  # a vector model
        encoded.append(1000 * (time.perf_counter() - start))
    return {
        "median ms": float(np.median(took[5:])), "p99 ms": float(np.percentile(took[5:], 99)),
        "of it encoding": float(np.median(encoded[5:])), "load ms": 1000 * loaded,
    }  # fmt: skip


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: an answer within the time of a click."""
    cases = [f"{name}: median ms" for name in MODELS]
    return [Goal(f"{case} an answer", mine[case], MOST_MS, at_least=False) for case in cases]


QUESTION = Question(
    title=f"Answers of saved networks without torch: {LENGTH} items of history over {ITEMS:,} items",
    how=f"{FACTORS} factors, default sizes, a loaded folder, ten recommendations for one history after the other by "
    "ONNX Runtime, one thread, no torch; the whole answer, ids in and ids out",
    prepare=prepare,
    judge=judge,
    rounds=3,
)

if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1])))
