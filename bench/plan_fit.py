"""Fit ``src/penchant/planning/coefficients.json`` to the measurements of ``bench.plan``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from bench.plan import RESULTS, Log, shape_of

USER, ITEM = 70.0, 200.0  # bytes of an id as text, and of one in a vocabulary
MIB = 2**20
NEURAL = "neural"


def results(which: str = "[0-9]*-*.json") -> list[dict[str, Any]]:
    """The measurements on generated logs, small ones first, or those in files of other names."""
    found = [json.loads(file.read_text()) for file in RESULTS.glob(which) if not file.name.startswith("shape-")]
    return sorted(found, key=lambda one: (one["rows"], one["model"]))


def refit() -> None:
    """Write the coefficients."""
    from penchant.models.registry import MODELS, parse
    from penchant.planning.coefficients import FILE
    from penchant.planning.speed import measure

    done = [one for one in results() if one["model"] in MODELS]
    kernels = [one for one in done if MODELS[one["model"]].extra != NEURAL]
    least = [one for one in done if one["model"] == "popular" and log_of(one).name.isdecimal()]
    steps = {one["rows"]: one["steps"] for one in least}
    small, large = least[0], least[-1]
    between = {key: large["log"][key] - small["log"][key] for key in ("events", "users", "items")}
    ids = USER * between["users"] + ITEM * between["items"]

    def grows(step: str) -> float:
        """The growth of the peak from the smallest log to the largest, in bytes."""
        return MIB * (steps[large["rows"]][step]["peak_mib"] - steps[small["rows"]][step]["peak_mib"])

    event = max(1.0, (grows("save") - ids) / between["events"])
    held = event * small["log"]["events"] + USER * small["log"]["users"] + ITEM * small["log"]["items"]
    base = MIB * steps[small["rows"]]["save"]["peak_mib"] - held
    row = grows("read") / between["events"]
    merge = _merging(done)
    torch = [one for one in done if MODELS[one["model"]].extra == NEURAL]
    loading = median(_cpu(one, "start") + _cpu(one, "load") for one in kernels)
    out: dict[str, Any] = {
        "machine": measure(),
        "start": {
            "seconds": loading + max(0.0, _cpu(small, "read") - _slope(least, "read", "cpu") * small["rows"]),
            "bytes": base,
            "read bytes": MIB * steps[small["rows"]]["read"]["peak_mib"] - row * small["rows"],
            "neural seconds": max(0.0, median(_cpu(one, "start") + _cpu(one, "load") for one in torch) - loading),
            "neural bytes": MIB * min(one["steps"]["load"]["peak_mib"] for one in torch) - base,
        },
        "read": {"parquet": {"row": _slope(least, "read", "cpu"), "row bytes": row}, "text": _text()},
        "log": {
            "event": event,
            "user": USER,
            "item": ITEM,
            "merge seconds": merge,
            "fit event": max(0.0, (grows("fit") - ids) / between["events"] - event),
        },
        "save": _saving(done),
        "index": _index(),
        "models": {},
    }
    for name in MODELS:
        of = [one for one in done if one["model"] == name]
        if not of:
            continue
        shapes = [shape_of(log_of(one)) for one in of]
        costs = [parse(one["spec"]).cost(shape) for one, shape in zip(of, shapes, strict=True)]
        fits = [_cpu(one, "fit") - merge * shape.merged for one, shape in zip(of, shapes, strict=True)]
        out["models"][name] = {
            "fit": coefficients([cost.fit for cost in costs], [max(took, 1e-3) for took in fits]),
            "answer": coefficients(
                [cost.answer for cost in costs], [_cpu(one, "answer") / one["answered"] for one in of]
            ),
            "measured": max(one["rows"] for one in of),
        }
    out["models"]["blend"] = {"fit": {}, "answer": {"items": out["models"]["popular"]["answer"]["items"]},
                              "measured": out["models"]["popular"]["measured"]}  # fmt: skip
    FILE.write_text(json.dumps(_rounded(out), indent=1) + "\n")


def coefficients(work: Sequence[Mapping[str, float]], took: Sequence[float]) -> dict[str, float]:
    """Seconds of one of each kind, none below zero, with the least relative error over the measurements.

    Each kind is given a little of every measurement, so that none is free because the others explain these logs.
    """
    from scipy.optimize import nnls

    kinds = list(dict.fromkeys(kind for one in work for kind in one))
    amounts = np.array([[one.get(kind, 0.0) for kind in kinds] for one in work])
    if never := [kind for kind, most in zip(kinds, amounts.max(axis=0), strict=True) if most == 0]:
        raise ValueError(f"no measurement has any work of the kinds {', '.join(never)}")
    seconds = np.maximum(np.array(took), 1e-6)
    scale = np.maximum(amounts.max(axis=0), 1e-12)
    relative = amounts / scale / seconds[:, None]
    # a weak pull to an equal share of the largest measurement
    pull = 0.02 / np.maximum(seconds.max() / len(kinds), 1e-9)
    system = np.vstack([relative, np.eye(len(kinds)) * pull])
    found, _ = nnls(system, np.concatenate([np.ones(len(seconds)), np.full(len(kinds), 0.02)]))
    return {kind: float(x / s) for kind, x, s in zip(kinds, found, scale, strict=True)}


def log_of(one: dict[str, Any]) -> Log:
    """The log of a measurement."""
    return Log(one["rows"], one.get("plain", False), one.get("dense", False), one.get("set", ""))


def _merging(done: Sequence[dict[str, Any]]) -> float:
    """Seconds an event of merging repeats: what ``popular`` takes longer where people repeat items."""
    of = {(one["rows"], log_of(one).plain): one for one in done if one["model"] == "popular" and not log_of(one).dense}
    rows = max(rows for rows, plain in of if plain)
    with_repeats, without = of[rows, False], of[rows, True]
    each = [_cpu(one, "fit") / one["log"]["events"] for one in (with_repeats, without)]
    return max(0.0, each[0] - each[1])


def _cpu(one: dict[str, Any], step: str) -> float:
    return float(one["steps"][step]["cpu"])


def _slope(done: Sequence[dict[str, Any]], step: str, what: str) -> float:
    """The growth by row, from the smallest logs to the largest."""
    of: dict[int, list[float]] = {}
    for one in done:
        of.setdefault(one["rows"], []).append(one["steps"][step][what])
    low, high = min(of), max(of)
    return max(1e-12, (median(of[high]) - median(of[low])) / (high - low))


def _text() -> dict[str, float]:
    of = sorted((one for one in results() if one["model"] == "read-text"), key=lambda one: one["rows"])
    low, high = of[0], of[-1]
    rows = high["rows"] - low["rows"]
    cpu = _cpu(high, "read") - _cpu(low, "read")
    peak = high["steps"]["read"]["peak_mib"] - low["steps"]["read"]["peak_mib"]
    size = high["size"] - low["size"]
    return {"row": cpu / 2 / rows, "byte": cpu / 2 / size, "row bytes": MIB * peak / rows}


def _saving(done: Sequence[dict[str, Any]]) -> dict[str, float]:
    work = [{"seconds": 1.0, "byte": one["saved_bytes"], "item": one["log"]["items"]} for one in done]
    return {**coefficients(work, [_cpu(one, "save") for one in done]), "item bytes": 300.0}


def _index() -> dict[str, float]:
    """Seconds of a product while an index is built, and of a list from it over √items, by ``python -m bench index``."""
    from penchant.core.nearest_items import building

    done = [json.loads(file.read_text()) for file in (RESULTS.parent / "index").glob("[0-9]*.json")]
    products = [one["build_seconds"] / building(one["items"], one["width"] - 1).products for one in done]
    lists = [row["ms"] / 1000 / one["items"] ** 0.5 for one in done for row in one["filters"] if row["share"] == 1]
    return {"product": median(products), "list": median(lists)}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
