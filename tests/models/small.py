"""Hyper-parameters under which a model learns the tiny planted logs in about a second; without a line: its defaults."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "blend": {"members": [{"model": "ease", "params": {"reg": 20.0}}, {"model": "content-knn", "params": {}}]},
    "graph-filter": {"rank": 9},
    "pure-svd": {"factors": 7},
    "slim": {"tolerance": 1e-6},
}
