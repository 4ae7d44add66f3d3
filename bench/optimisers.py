"""``python -m bench.optimisers``: the learning curve of every optimiser on the bundled data, for the documentation."""

from __future__ import annotations

import penchant as pc
from bench.peers import ROOT
from penchant.models.neural.curve import learning_curve

RATES = {"gd": 1.0, "sgd": 0.5, "momentum": 0.1, "adagrad": 0.02, "adam": 0.001, "adamw": 0.001}

PICTURE = ROOT / "docs" / "images" / "optimisers.svg"


def main() -> None:
    """Train with each from the same start."""
    log, _ = pc.load_movielens_small(positive="value>=3.5")
    runs = {}
    for optimiser, rate in RATES.items():
        model = pc.HistoryMLP(optimiser=optimiser, rate=rate, hidden=32, epochs=6, patience=0, loss="sampled-softmax")
        pc.fit(log, model, run=pc.Run(threads=1))
        runs[optimiser] = model.history
        print(f"{optimiser:10} rate {rate:g}: loss {model.history[0]['loss']:.3f} → {model.history[-1]['loss']:.3f}")
    PICTURE.write_text(learning_curve(runs, "loss"), encoding="utf-8")


if __name__ == "__main__":
    main()
