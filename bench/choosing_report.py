"""Generate ``docs/choosing-a-model.md``, which model to use for which data, from the committed results."""

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
CLOSE = 0.02  # how far below the best a cheaper model may be, as a share of the best
NOT_ALONE = ("blend", "random")  # not standalone models

HEAD = """\
# Choosing a model

Which model for which data, with numbers. `python -m bench report` generates this page from `bench/results/accuracy/`.
Every number was measured on the test part of a public data set, with parameters chosen on its validation part;
[Benchmarks](benchmarks.md) has intervals, published numbers and commands. Your log may differ: `penchant fit` without
`-m` compares the strong models on it, and `penchant evaluate` ends with [a verdict](evaluation.md#the-verdict).

## In one minute

- Start with **`item-knn`** or **`transitions`**: they fit in seconds, explain every item, and are hard to beat. Use
  `transitions` where the *last* events matter most (shops, anything with an order), `item-knn` where a history is a
  set.
- **`ease`** where there are up to about twenty thousand items, enough memory, and long histories. It solves a dense
  system of items × items numbers: time grows with the cube of the items, memory with the square. `sparse-ease` handles
  more items.
- **`graph-filter`** or **`user-knn`** where histories are sets and items many.
- **`session-knn`** where there are only sessions.
- **`buy-again`** where people buy the same things again: lists with `--repeat` that know their rhythm.
- **`content-knn`** or **`two-tower`** where new items arrive every day: they use item attributes.
- **`svd`** or **`svdpp`** to predict ratings; `item-knn` on small logs.
- `als`, `slim` and `rp3beta` are close on some of these sets and best on none. `bpr`, `warp`, `logistic-mf` and
  `pure-svd` were not measured on them; they are included for comparison.
- A **`blend`** of these models for the last few percent, at the cost of all its members.
- A **network** where it beats these models on data like yours, and the gain is worth minutes instead of seconds.
  `gru4rec`, `history-mlp`, `two-tower`, `neu-mf` and `auto-rec` were not measured on these sets: compare them on yours.

## What was best, and what it costs

*Take first* is the fastest to fit among the models within 2 % of the best single classical model. *Blend* and *network*
are the gain over that best model, with the time of their fit. A network whose interval does not lie above that of the
best classical model (for errors: below) is not worth its cost there. Times are those of the measured fit, the first in
its process, some on a busy machine; [Benchmarks](benchmarks.md#speed-and-memory) has careful timings.

"""
KINDS = (
    ("What people buy, in its order", ("amazon-beauty", "amazon-sports", "yelp-s3rec")),
    ("Long histories of films, in their order", ("ml-1m-last",)),
    ("Histories as sets", ("gowalla", "amazon-cds", "ml-1m-bars")),
    ("Sessions", ("diginetica", "retailrocket")),
    ("Ratings", ("ml-1m", "ml-100k", "filmtrust", "douban-monti")),
)
NOTES = {
    "What people buy, in its order": "People whose answer is an item that they had before are left out here. The "
    "tables of [Benchmarks](benchmarks.md) count them as misses, as the published numbers do, so they are lower.",
    "Sessions": "Users are unknown; every prefix of a session asks for the next item.",
    "Ratings": "The error of the predicted rating: lower is better.",
}


@dataclass(frozen=True)
class Row:
    """One model on one set, averaged over its seeds."""

    name: str
    model: str  # a row may have the name of a model variant
    deep: bool
    value: float
    low: float
    high: float
    fit_seconds: float
    answer_ms: float  # per case, in a batch
    peak_mib: float

    @property
    def shown(self) -> str:
        """The display name."""
        return f"`{self.name}`" if self.name in (self.model, *NOT_ALONE) else f"`{self.model}` as {self.name}"


def write() -> Path:
    """Write the page."""
    PAGE.write_text(page())
    return PAGE


def page() -> str:
    """Return the page as text."""
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
    """The results on a set, best first."""
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
    """The single classical models: no networks, blends or random."""
    return [row for row in measured if not row.deep and row.name not in NOT_ALONE]


def _gain(name: str, row: Row, best: Row) -> str:
    return f"{100 * _sign(name) * (row.value / best.value - 1):+.1f} %"


def _summary(name: str, measured: Sequence[Row]) -> list[str]:
    """One row of the first table."""
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
    """The models for one kind of data: the metric on each set, and the costs on the first set that has the model."""
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
    return report.table(head, lines) + f"\n{costs}; answers are computed in one batch.\n"


def _value(row: Row | None, best: Row) -> str:
    if row is None:
        return "-"
    return f"**{row.value:.4f}**" if row is best else f"{row.value:.4f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
