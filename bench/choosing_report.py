"""``docs/choosing-a-model.md``: which model for which data, generated from the committed results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from bench import report
from bench.accuracy import DONE
from bench.peers import ROOT
from bench.sets import SETS
from penchant.evaluation.verdict import BASELINES, is_deep

PAGE = ROOT / "docs" / "choosing-a-model.md"
CLOSE = 0.02  # a model this near the best, relatively, may be taken for its price
NOT_ALONE = ("blend", "random")  # what is no model of its own

HEAD = """\
# Choosing a model

Which model for which data, with the numbers. This page is generated from `bench/results/accuracy/` by
`python -m bench report`: every figure was measured on the test part of a public set, with parameters that were chosen
on its validation part ([Benchmarks](benchmarks.md) has intervals, published numbers and commands). Nothing here is a
promise about your log: `penchant fit` without `-m` compares the strong models on it, and `penchant evaluate` ends with
[a verdict](evaluation.md#the-verdict).

## In one minute

- Begin with **`item-knn`** or **`transitions`**: seconds to fit, reasons for every item, hard to beat. `transitions`
  where what came *last* decides (shops, anything with an order), `item-knn` where a history is a set.
- **`ease`** where there are up to some twenty thousand items and much memory, and histories are long. It solves a dense
  system of items × items numbers: time grows with the cube of the items, memory with the square. `sparse-ease` goes
  further.
- **`graph-filter`** or **`user-knn`** where histories are sets and items many.
- **`session-knn`** where there are only sessions.
- **`content-knn`** or **`two-tower`** where items are new every day: they know an item by what it is.
- **`svd`** or **`svdpp`** where the question is a rating; `item-knn` on small logs.
- `als`, `slim` and `rp3beta` come near on some sets and are the best on none of these; `bpr`, `warp`, `logistic-mf` and
  `pure-svd` were not measured on them, and are there to be compared with.
- A **`blend`** of what is above for the last few per cent, at the price of all its members.
- A **network** where it was measured to beat these on data like yours, and what it gains is worth minutes instead of
  seconds. `gru4rec`, `history-mlp`, `two-tower`, `neu-mf` and `auto-rec` were not measured on these sets: compare them
  on yours.

## What was best, and what it costs

*Take first* is the model that fits fastest among those within 2 % of the best single classical one. *Blend* and
*network* are the gain over that best one, with the time of their fit; a network whose interval does not lie above that
of the best classical model (of errors: below) is not worth its price there. Times are those of the one fit whose model
was measured, the first in its process and some on a busy machine; [Benchmarks](benchmarks.md#speed-and-memory) has
times that were taken with care.

"""
KINDS = (
    ("What people buy, in its order", ("amazon-beauty", "amazon-sports", "yelp-s3rec")),
    ("Long histories of films, in their order", ("ml-1m-last",)),
    ("Histories as sets", ("gowalla", "amazon-cds", "ml-1m-bars")),
    ("Sessions", ("diginetica", "retailrocket")),
    ("Ratings", ("ml-1m", "ml-100k", "filmtrust", "douban-monti")),
)
NOTES = {
    "What people buy, in its order": "People whose answer is something they had before are left out here; the tables "
    "of [Benchmarks](benchmarks.md) count them as misses, as the published ones do.",
    "Sessions": "Nobody is known; every prefix of a session asks for what comes next.",
    "Ratings": "The error of the predicted rating: lower is better.",
}


@dataclass(frozen=True)
class Row:
    """One model on one set, the mean over its seeds."""

    name: str
    model: str  # a row may be named after the form that a model takes in it
    deep: bool
    value: float
    low: float
    high: float
    fit_seconds: float
    answer_ms: float  # a case, many at once
    peak_mib: float

    @property
    def shown(self) -> str:
        """As readers have to call it."""
        return f"`{self.name}`" if self.name in (self.model, *NOT_ALONE) else f"`{self.model}` as {self.name}"


def write() -> Path:
    """Generate the page."""
    PAGE.write_text(page())
    return PAGE


def page() -> str:
    """The page as text."""
    measured = {name: rows(name) for _, names in KINDS for name in names}
    parts = [HEAD + report.table(("set", "metric", "take first", "best single", "blend", "network"), [
        _summary(name, measured[name]) for _, names in KINDS for name in names if _single(measured[name])
    ])]  # fmt: skip
    for title, names in KINDS:
        shown = [name for name in names if measured[name]]
        if shown:
            parts.append(f"## {title}\n\n" + (f"{NOTES[title]}\n\n" if title in NOTES else "") + _kind(shown, measured))
    return "\n".join(parts)


def rows(name: str) -> list[Row]:
    """What was measured on a set, the best first."""
    results: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(DONE.glob(f"{name}-*.json")):
        result = json.loads(file.read_text())
        if result["set"] == name:
            results.setdefault(str(result.get("row", result["model"])), []).append(result)
    metric = SETS[name].metrics[0]
    found = [_row(label, runs, metric) for label, runs in results.items() if label != "random"]
    return sorted(found, key=lambda row: -_sign(name) * row.value)


def _row(label: str, runs: Sequence[dict[str, Any]], metric: str) -> Row:
    values = {key: mean(run["metrics"][metric][key] for run in runs) for key in ("mean", "low", "high")}
    cases = runs[0]["split"]["cases"]
    return Row(
        label,
        runs[0]["model"],
        is_deep(runs[0]["model"], runs[0]["params"]),
        values["mean"],
        values["low"],
        values["high"],
        mean(run["fit_seconds"] for run in runs),
        1000 * mean(run["score_seconds"] for run in runs) / cases,
        max(run["peak_mib"] for run in runs),
    )


def _sign(name: str) -> int:
    return -1 if SETS[name].metrics[0] in report.LOWER_IS_BETTER else 1


def _single(measured: Sequence[Row]) -> list[Row]:
    """The classical models by themselves."""
    return [row for row in measured if not row.deep and row.name not in NOT_ALONE]


def _gain(name: str, row: Row, best: Row) -> str:
    return f"{100 * _sign(name) * (row.value / best.value - 1):+.1f} %"


def _summary(name: str, measured: Sequence[Row]) -> list[str]:
    """A line of the first table."""
    best, *others = _single(measured)
    near = [best, *(row for row in others if abs(row.value / best.value - 1) <= CLOSE)]
    first = min(near, key=lambda row: row.fit_seconds)
    blends = [row for row in measured if row.name == "blend" and not row.deep]
    networks = [row for row in measured if row.deep and row.model != "blend"]
    return [
        name,
        SETS[name].metrics[0],
        f"{first.shown} ({_seconds(first.fit_seconds)})",
        f"{best.shown} {best.value:.4f} ({_seconds(best.fit_seconds)})",
        f"{_gain(name, blends[0], best)} ({_seconds(blends[0].fit_seconds)})" if blends else "not measured",
        _network(name, networks[0], best) if networks else "not measured",
    ]


def _network(name: str, network: Row, best: Row) -> str:
    above = network.low > best.high if _sign(name) > 0 else network.high < best.low
    said = f"{network.shown} {_gain(name, network, best)} ({_seconds(network.fit_seconds)})"
    return said if above else f"{said}: not worth it"


def _kind(names: Sequence[str], measured: dict[str, list[Row]]) -> str:
    """The models of one kind of data: the metric on each set, and the costs on the first of them that has the model."""
    order = list(dict.fromkeys(row.name for name in names for row in measured[name]))
    by_name = {name: {row.name: row for row in measured[name]} for name in names}
    lines = []
    for model in order:
        here = [by_name[name].get(model) for name in names]
        cost = next(row for row in here if row is not None)
        label = cost.shown + (" *baseline*" if model in BASELINES else " *network*" if cost.deep else "")
        values = [_value(row, measured[name][0]) for name, row in zip(names, here, strict=True)]
        lines.append([label, *values, _seconds(cost.fit_seconds), f"{cost.answer_ms:.2f}", f"{cost.peak_mib:.0f}"])
    head = ("model", *(f"{name} {SETS[name].metrics[0]}" for name in names), "fit", "ms an answer", "peak MiB")
    costs = f"Costs are those on {names[0]}" + (", else on the first set that has the model" if len(names) > 1 else "")
    return report.table(head, lines) + f"\n{costs}; answers are worked out for everybody together.\n"


def _value(row: Row | None, best: Row) -> str:
    if row is None:
        return "-"
    return f"**{row.value:.4f}**" if row is best else f"{row.value:.4f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
