"""Two logs as shops export them, and whether the commands give what they give for the clean Parquet file."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.duel import Goal, Numbers, Question, Side

SETS = {"complete-journey-sample": "quantity", "amazon-giftcards-reviews": "rating"}
MODELS = ("popular", "item-knn")
FITTED = "item-knn:neighbours=50"
COUNTS = (
    "users",
    "items",
    "pairs",
    "density_percent",
    "history",
    "popularity",
    "positives",
    "cold",
)  # of inspect: what a log is, whatever its file looked like
ASKED = {  # what is compared, and how far apart the exports may be
    "inspect": ("figures of inspect that differ", 0.0),
    "fit": ("sizes of fit that differ", 0.0),
    "evaluate": ("largest difference between means of evaluate", 1e-12),
    "lists": ("lists of recommend with other items", 0.0),
    "scores": ("largest relative difference between scores of recommend", 1e-6),
}

Answers = dict[str, Any]


def prepare(folder: Path) -> None:
    """Write the clean tables: those of the sets, in order of user, time and session."""
    import polars as pl

    from bench.sets import table

    for name, number in SETS.items():
        rows = table(name)
        if "timestamp" in rows.columns:
            rows = rows.with_columns(time=pl.from_epoch("timestamp"))
        else:
            rows = rows.with_columns(pl.col("time").str.to_datetime())
        if "session" not in rows.columns:  # one day of one person
            rows = rows.with_columns(session=pl.struct("user", "time").rank("dense") + 1_000_000)
        whole = pl.col("user", "session", "item").cast(pl.String)
        rows = rows.sort("user", "time", "session", maintain_order=True)
        rows.select(whole, number, pl.col("time").cast(pl.Datetime("us"))).write_parquet(folder / f"{name}.parquet")


def ours(folder: Path) -> Numbers:
    """How far the answers of the four commands are from those for the clean twin: the most of all exports."""
    import polars as pl

    from bench.contenders._exports import EXPORTS, KINDS, bought, is_guest

    start, other_bits = time.perf_counter(), 0
    numbers: Numbers = {f"{name}: {what}": 0.0 for name in SETS for what in ASKED}
    for name in SETS:
        clean = pl.read_parquet(folder / f"{name}.parquet")
        own = pl.when(is_guest()).then("session").otherwise("user")
        kind: list[str] = list(KINDS)
        twins: dict[str, tuple[pl.DataFrame, list[str]]] = {
            "guests": (clean.with_columns(user=own), []),
            "refunds by quantity": (bought(clean), []),
            "refunds by kind": (bought(clean).with_columns(kind=pl.lit("buy")), kind),
        }
        known: dict[str, Answers] = {}
        for label, (write, ending) in EXPORTS.items():
            twin = label if label in twins else "clean"
            if twin not in known:
                rows, options = twins.get(twin, (clean, []))
                rows.write_parquet(folder / "twin.parquet")
                known[twin] = _answers(folder / "twin.parquet", options, folder)
            path = folder / f"{label.replace(' ', '-')}.{ending}"
            path.unlink(missing_ok=True)
            found = _answers(path, write(clean, path), folder)
            apart = _apart(found, known[twin])
            print(f"{name}, {label}: {apart}", file=sys.stderr)
            for what, value in apart.items():
                numbers[f"{name}: {what}"] = max(value, numbers[f"{name}: {what}"])
            other_bits += label != "guests" and found != known[twin]
    return numbers | {"other bits": other_bits, "seconds": time.perf_counter() - start}


def _answers(log: Path, options: list[str], folder: Path) -> Answers:
    """What the four commands answer."""
    model, lists = folder / "model", folder / "lists.jsonl"
    reading = [str(log), *options]
    models = [part for name in MODELS for part in ("-m", name)]
    inspected = _command("inspect", *reading)
    evaluated = _command("evaluate", *reading, *models)
    fitted = _command("fit", *reading, "-m", FITTED, "-o", str(model), "--force")
    _command("recommend", str(model), "--all", "--log", *reading, "-o", str(lists), "--force")
    answers = [json.loads(line) for line in lists.read_text().splitlines()]
    return {
        "inspect": {key: inspected["statistics"][key] for key in COUNTS},
        "split": evaluated["split"],
        "evaluate": {one["name"]: one["metrics"] for one in evaluated["models"]},
        "fit": [fitted["fitted_on"][key] for key in ("events", "items", "histories")],
        "model": [file.read_bytes() for file in sorted(model.glob("*.safetensors"))],
        "recommend": {
            str(one.get("user") or one.get("session")): [(i["item"], i["score"]) for i in one["items"]]
            for one in answers
        },
    }


def _apart(one: Answers, other: Answers) -> dict[str, float]:
    """How far two sets of answers are apart, each by its measure in ``ASKED``."""
    means = [
        (metric["mean"], other["evaluate"][model][name]["mean"])
        for model, metrics in one["evaluate"].items()
        for name, metric in metrics.items()
    ]  # None: the model has no such metric
    alike = one["split"] == other["split"] and all((a is None) == (b is None) for a, b in means)
    lists = [(found, other["recommend"].get(who, [])) for who, found in one["recommend"].items()]
    scores = [abs(a[1] - b[1]) / max(abs(b[1]), 1e-9) for found, known in lists for a, b in zip(found, known)]  # noqa: B905  # other lengths are other items
    return {
        "inspect": float(sum(one["inspect"][key] != other["inspect"][key] for key in COUNTS)),
        "fit": float(sum(a != b for a, b in zip(one["fit"], other["fit"], strict=True))),
        "evaluate": max(abs(a - b) for a, b in means if a is not None) if alike else float("inf"),
        "lists": float(sum([i for i, _ in found] != [i for i, _ in known] for found, known in lists)),
        "scores": max(scores),
    }


def _command(*arguments: str) -> Any:
    from penchant.cli.main import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main([*arguments, "--json"])
    if code:
        raise RuntimeError(f"penchant {' '.join(arguments)} ended with {code}")
    return json.loads(out.getvalue())


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goals: the same counts, metrics and lists for every export; but for the guests, bit for bit."""
    goals = [
        Goal(f"{name}: {text}", mine[f"{name}: {what}"], limit, at_least=False)
        for name in SETS
        for what, (text, limit) in ASKED.items()
    ]
    return [*goals, Goal("exports but the guests with any other bit", mine["other bits"], 0, at_least=False)]


QUESTION = Question(
    title="Exports of shops beside the clean Parquet file",
    how="German, American, Excel, SQLite, indented JSON, nested Parquet, guests, refunds by quantity and by kind, each "
    "against its twin in Parquet, through inspect, evaluate, fit and recommend --all; guests against a log in which "
    "their sessions are users, refunds against the log without what was taken back; the histories of guests come after "
    "those of users, so that sums may differ by rounding there",
    prepare=prepare,
    judge=judge,
    rounds=1,
)
