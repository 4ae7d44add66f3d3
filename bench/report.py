"""Generate ``docs/benchmarks.md`` from the committed results, beside published numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from bench import (
    baskets,
    contexts,
    experiments,
    impressions,
    index_report,
    loop_report,
    off_policy,
    plan_report,
    ranked,
    serve_report,
    text_report,
)
from bench.accuracy import DONE
from bench.duel import RESULTS
from bench.machine import BUSY
from bench.peers import ROOT
from bench.sets import SETS

PAGE = ROOT / "docs" / "benchmarks.md"
PUBLISHED = ROOT / "bench" / "published.json"
LOWER_IS_BETTER = ("rmse", "mae")

HEAD = """\
# Benchmarks

This page is generated from `bench/results/` and `bench/published.json` by `python -m bench report`; nothing in it is
written by hand. Every result file holds the machine, the versions and the command that made it.

The data sets are not part of the project, because their terms do not allow it: `PENCHANT_DATA` names the folder that
holds them. Parameters come from `bench/params/SET-MODEL.json`, each with the command, seed and validation curve that
chose it; the test part of a set is read once, after that.
"""
SPEED = """\
## Speed and memory

Ours and theirs run in turn, each in a process of its own, the peer in an environment of its own at pinned versions
(`bench/peers/*.txt`); medians over the rounds. The harness refuses to measure while something else uses the processors.
"""
ACCURACY = """\
## Accuracy

All items are ranked unless a table says *sampled*, and seen items are left out. A row in bold was measured here: the
mean over its seeds, with the 95 % bootstrap interval of the first metric, and the file that its parameters come from
with the number of trials of the search. Parameters are chosen on the validation part alone; what is fitted for the
test leaves that part out where the set has one of its own (`leave-last`), and else is fitted on all training rows. A
row in italics is published: its numbers are those its source prints, and a dash means that the source does not say.
"""


def write() -> Path:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
    return PAGE


def page() -> str:
    """Return the page as text."""
    published = json.loads(PUBLISHED.read_text())
    speed = [json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))]
    speed = [result for result in speed if "medians" in result]  # ours and theirs in turn
    accuracy = [json.loads(file.read_text()) for file in sorted(DONE.glob("*.json"))]
    parts = [HEAD, SPEED, *(_comparison(result) for result in speed if "medians" in result)]  # not those of one side
    parts += [
        section(json.loads((RESULTS / "serve" / file).read_text()))
        for file, section in SERVICE.items()
        if (RESULTS / "serve" / file).exists()
    ]
    parts.append(loop_report.section(_where, _goals))
    parts.append(index_report.section(table, _where, _goals))
    parts.append(plan_report.section(table, _where))
    parts.append(contexts.section(table, _where))
    parts.append(baskets.section(table, _where))
    parts += [experiments.section(table, _where, _goals), off_policy.section(table, _where, _goals)]
    parts.append(text_report.section(table, _where, _goals))
    parts += [ranked.section(table, _where), impressions.section(table, _where)]
    parts.append(ACCURACY)
    used: list[str] = []
    for name in SETS:
        ours = [result for result in accuracy if result["set"] == name]
        if ours:
            theirs = published["rows"].get(name, [])
            used += [source for source in dict.fromkeys(row["source"] for row in theirs) if source not in used]
            parts.append(_set(name, ours, theirs))
    if used:
        parts.append("## Sources\n\n" + "\n".join(f"- {name}: {published['sources'][name]}" for name in used) + "\n")
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; number columns are right-aligned."""
    rows = list(rows)
    columns = list(zip(*rows, strict=True)) or [()] * len(head)
    numbers = [all(cell.strip("*-")[:1].isdigit() or cell == "-" for cell in column) for column in columns]
    lines = [" | ".join(head), " | ".join("---:" if number else "---" for number in numbers), *map(" | ".join, rows)]
    return "".join(f"| {line} |\n" for line in lines)


def _goals(goals: Iterable[dict[str, Any]]) -> str:
    """The goals, and whether each was met."""
    rows = [
        (
            goal["text"],
            _number(goal["value"]),
            ("at least " if goal["at_least"] else "at most ") + _number(goal["limit"]),
            "met" if goal["met"] else "missed",
        )
        for goal in goals
    ]
    return table(("goal", "measured", "limit", ""), rows)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _where(machine: dict[str, Any]) -> str:
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"


def _service(result: dict[str, Any]) -> str:
    """The service under load: goals, latencies, memory."""
    quantiles = ("p50", "p90", "p99", "p999")
    rows = [(what, rate, *(_number(ms[q]) for q in quantiles)) for what, rate, ms in serve_report.lines(result)]
    return "\n".join([
        f"### The service under load, with the {result['users']:,} users and {result['items']:,} items of gowalla\n",
        f"{_sentence(result['what'])}, with {result['model']}: the server on one core, the generator on another, keys",
        f"checked, every event flushed before it is acknowledged. On {_where(result['machine'])}.",
        f"Command: `{result['command']}`\n",
        _goals(serve_report.goals(result)),
        table(("load", "a second", *(f"{q.replace('p999', 'p99.9')} ms" for q in quantiles)), rows),
        serve_report.memory(result),
    ])  # fmt: skip


def _requests(result: dict[str, Any]) -> str:
    """Requests made from the OpenAPI document."""
    rows = [
        (part["phase"], _number(part["operations"]), _number(part["requests"]), _number(len(part["failures"])))
        for part in result["phases"]
    ]
    logged = sum(result["logged_failures"].values())
    return "\n".join([
        "### The service asked by its OpenAPI document\n",
        f"{_sentence(result['what'])} by schemathesis {result['versions']['schemathesis']}, with keys: every answer",
        "has a documented status, type, headers and schema, and no answer is a failure of the service.",
        f"Failures in its log: {logged}. Command: `{result['command']}`\n",
        table(("phase", "operations", "requests", "failures"), rows),
    ])  # fmt: skip


def _hostile(result: dict[str, Any]) -> str:
    """Light answers beside hostile callers."""
    quantiles = ("p50", "p90", "p99")
    rows = [
        (what, *(_number(ms[q]) for q in quantiles), _number(ready), others)
        for what, ms, ready, others in serve_report.hostile_lines(result)
    ]
    busy = "" if result["busy_before"] <= BUSY else f" **The machine was busy** ({result['busy_before']:.0%} before)."
    return "\n".join([
        "### The service beside callers that would starve the others\n",
        f"{_sentence(result['what'])}: {result['parts']['alone']['asked_a_second']:,.0f} answers a second, alone and",
        f"beside others, with {result['stored_events']:,} events in the store. On {_where(result['machine'])}.{busy}",
        f"Command: `{result['command']}`\n",
        _goals(serve_report.hostile_goals(result)),
        table(("beside", *(f"{q} ms" for q in quantiles), "slowest /readyz ms", "what the others got"), rows),
    ])  # fmt: skip


def _workers(result: dict[str, Any]) -> str:
    """Several workers: memory, and answers a second."""
    rows = [(workers, *map(_number, numbers)) for workers, *numbers in serve_report.workers_lines(result)]
    rate = f"{result['goals']['rate']:,.0f}"
    busy = "" if result["busy_before"] <= BUSY else f" **The machine was busy** ({result['busy_before']:.0%} before)."
    return "\n".join([
        "### The service with several workers\n",
        f"{_sentence(result['what'])}, with {result['speed']['model']} of gowalla, service and generator on the same",
        f"cores. On {_where(result['machine'])}.{busy} Command: `{result['command']}`\n",
        _goals(serve_report.workers_goals(result)),
        table(("workers", "most answers a second", f"a second, asked for {rate}", "p99 ms", "processor ms"), rows),
    ])  # fmt: skip


SERVICE: dict[str, Callable[[dict[str, Any]], str]] = {
    "load.json": _service,
    "hostile.json": _hostile,
    "workers.json": _workers,
    "schemathesis.json": _requests,
}


def _comparison(result: dict[str, Any]) -> str:
    """One comparison: its goals, then the numbers of each side."""
    names = list(dict.fromkeys(name for numbers in result["medians"].values() for name in numbers))
    sides = [
        (_side(who, result), *(_number(numbers[name]) if name in numbers else "-" for name in names))
        for who, numbers in result["medians"].items()
    ]
    return "\n".join([
        f"### {result['title']}\n",
        f"{_sentence(result['how'])}. {_count(result['rounds'], 'round')} on {_where(result['machine'])}.",
        f"Command: `{result['command']}`\n",
        _goals(result["goals"]),
        table(("", *(name.replace("peak_mib", "peak MiB") for name in names)), sides),
    ])  # fmt: skip


def _side(who: str, result: dict[str, Any]) -> str:
    return "penchant " + result["versions"].get("penchant", "") if who == "ours" else who


def _set(name: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    """One set: measured and published rows in one table, best first."""
    metrics = SETS[name].metrics
    first, sign = metrics[0], 1 if metrics[0] in LOWER_IS_BETTER else -1
    split = ours[0]["split"]
    left_out = split.get("left_out", 0)
    share = split["cases"] / (split["cases"] + left_out)  # published tables count these cases as misses
    rows: list[tuple[float, list[str]]] = []
    for row in dict.fromkeys(map(_row, ours)):
        runs = [result for result in ours if _row(result) == row]
        means = {m: share * mean(run["metrics"][m]["mean"] for run in runs) for m in metrics}
        low, high = (share * mean(run["metrics"][first][end] for run in runs) for end in ("low", "high"))
        cells = [
            _name(runs[0]), *(f"{means[m]:.4f}" for m in metrics), f"{low:.4f} to {high:.4f}",
            f"{mean(run['fit_seconds'] for run in runs):.1f}", f"{mean(run['score_seconds'] for run in runs):.1f}",
            f"{max(run['peak_mib'] for run in runs):.0f}", _origin(name, runs),
        ]  # fmt: skip
        rows.append((sign * means[first], cells))
    for other in theirs:
        values = [f"*{other[m]:.4f}*" if m in other else "-" for m in metrics]
        place = sign * other[first] if first in other else float("inf")
        rows.append((place, [f"*{other['model']}*", *values, "-", "-", "-", "-", other["source"]]))
    rows.sort(key=lambda row: row[0])
    head = ("model", *metrics, f"95 % of {first}", "fit s", "answers s", "peak MiB", "parameters or source")
    about = [f"{SETS[name].about}. Split `{SETS[name].split}`, {split['cases']:,} cases."]
    if left_out:
        about.append(
            f"Of {left_out:,} more people the answer is something they had before, which no list here may hold; our "
            "definition leaves them out, the published tables count them as misses, and so does this one."
        )
    if split["repeat"]:
        about.append("Seen items may be answers.")
    if first not in LOWER_IS_BETTER and SETS[name].attributes is None:
        about.append("Its items have no attributes: there is no content-knn.")
    told = {_row(result): result["chosen"]["note"] for result in ours if "note" in result.get("chosen", {})}
    about += [f"Of {row}: {note}." for row, note in told.items()]
    about.append(f"Command: `python -m bench accuracy --set {name}`")
    return f"### {name}\n\n" + "\n".join(about) + "\n\n" + table(head, (cells for _, cells in rows))


def _row(result: dict[str, Any]) -> str:
    """The row name: that of its parameter file, which a search may name differently from the model."""
    return str(result.get("row", result["model"]))


def _name(result: dict[str, Any]) -> str:
    """The row name, with the model name if it differs; for a blend, its members and weights."""
    if result["model"] != "blend":
        of = "" if _row(result) == result["model"] else f" ({result['model']})"
        return f"**{_row(result)}**{of}"
    members, weights = result["params"]["members"], result["params"]["weights"]
    parts = sorted(zip(weights, (member["model"] for member in members), strict=True), reverse=True)
    return "**blend** of " + ", ".join(f"{model} {weight:.2f}" for weight, model in parts)


def _origin(name: str, runs: list[dict[str, Any]]) -> str:
    """The source of the parameters of a row."""
    trials = runs[0].get("chosen", {}).get("trials")
    searched = f", {_count(trials, 'trial')}" if trials else ""
    seeds = "" if len(runs) == 1 else f", {len(runs)} seeds"
    return f"`{name}-{_row(runs[0])}.json`{searched}{seeds}"


def _count(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.3g}"
