"""Hyper-parameters under which a model learns the tiny planted logs in about a second; without a line: its defaults."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "blend": {"members": [{"model": "ease", "params": {"reg": 20.0}}, {"model": "content-knn", "params": {}}]},
    "graph-filter": {"rank": 9},
    "pure-svd": {"factors": 7},
    "history-mlp": {"factors": 12, "hidden": 24, "window": 6, "rate": 0.02, "epochs": 14, "batch": 300},
    "history-classifier": {"factors": 12, "hidden": 24, "window": 6, "rate": 0.02, "epochs": 14, "batch": 300},
    "auto-rec": {"factors": 16, "rate": 0.01, "epochs": 40, "batch": 800, "reg": 1e-4},
    "neu-mf": {"factors": 12, "hidden": 16, "rate": 0.02, "epochs": 14, "batch": 300},
    "two-tower": {"factors": 12, "hidden": 16, "rate": 0.02, "epochs": 14, "batch": 300},
    "mult-vae": {"factors": 12, "hidden": 24, "rate": 0.02, "epochs": 16, "batch": 300},
    "gru4rec": {"factors": 12, "window": 9, "rate": 0.02, "epochs": 16, "batch": 300},
    "sasrec": {"factors": 12, "layers": 1, "window": 9, "rate": 0.02, "epochs": 16, "batch": 300},
    "sparse-ease": {"neighbours": 6, "rank": 3},
    "ranked": {"members": [{"model": "item-knn", "params": {}}, {"model": "transitions", "params": {}}], "trees": 30},
    "gbm-rating": {"folds": 2},
    "fm": {"members": [{"model": "item-knn", "params": {}}, {"model": "transitions", "params": {}}], "factors": 4},
    "fm-rating": {"folds": 2},
    "deepfm": {
        "members": [{"model": "item-knn", "params": {}}, {"model": "transitions", "params": {}}],
        "epochs": 4,
        "factors": 4,
        "hidden": 8,
    },
    "deepfm-rating": {"folds": 2, "epochs": 15, "factors": 4, "hidden": 8},
    "slim": {"tolerance": 1e-6},
}
