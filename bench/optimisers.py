"""``python -m bench.optimisers``: the learning curve of every optimiser and loss on the bundled data, for the docs."""

from __future__ import annotations

from collections.abc import Mapping

import penchant as pc
from bench.peers import ROOT
from penchant.models.neural.kinds.base import NeuralModel
from penchant.models.neural.training.curve import learning_curve

RATES = {"gd": 1.0, "sgd": 0.5, "momentum": 0.1, "adagrad": 0.02, "adam": 0.001, "adamw": 0.001}
LOSSES = ("softmax", "sampled-softmax", "gbce", "bpr")
EPOCHS = 6
IMAGES = ROOT / "docs" / "images"


def main() -> None:
    """Train with each optimiser and loss from the same start."""
    likes, _ = pc.load_movielens_small(positive="value>=3.5")
    ratings, _ = pc.load_movielens_small()
    by_optimiser = {
        name: pc.HistoryMLP(optimiser=name, rate=rate, hidden=32, epochs=EPOCHS, patience=None, loss="sampled-softmax")
        for name, rate in RATES.items()
    }
    by_loss = {name: pc.HistoryMLP(loss=name, hidden=32, epochs=EPOCHS, patience=None) for name in LOSSES}
    draw("optimisers", losses(likes, by_optimiser))
    found = losses(likes, by_loss) | losses(ratings, {"squared error": pc.AutoRec(epochs=EPOCHS, patience=None)})
    draw("losses", {name: [loss / values[0] for loss in values] for name, values in found.items()})


def losses(log: pc.Interactions, models: Mapping[str, NeuralModel]) -> dict[str, list[float]]:
    """The loss after each pass, by model."""
    for model in models.values():
        pc.fit(log, model, run=pc.Run(threads=1))
    return {name: [record["loss"] for record in model.history] for name, model in models.items()}


def draw(name: str, curves: Mapping[str, list[float]]) -> None:
    """Draw the curves, and print their first and last values."""
    for what, values in curves.items():
        print(f"{name}: {what}: {values[0]:.3f} → {values[-1]:.3f}")
    records = {what: [{"epoch": n + 1, "loss": y} for n, y in enumerate(values)] for what, values in curves.items()}
    (IMAGES / f"{name}.svg").write_text(learning_curve(records, "loss"), encoding="utf-8")


if __name__ == "__main__":
    main()
