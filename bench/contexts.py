"""What a context is worth: models that use it against the best that do not, on the same held-out rows.

``python -m bench contexts [--set SET]`` measures every model with parameters for a set with contexts, models of
contexts also blind to them, on all held-out rows, on those that state a context, and on those that state a mood.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import machine
from bench.accuracy import PARAMS, Entry
from bench.duel import RESULTS
from bench.sets import PEOPLE, SETS

if TYPE_CHECKING:
    from penchant.core.split import Split

DONE = RESULTS / "contexts"
DRAWS = 2000
BLIND = ", blind"


@dataclass(frozen=True, eq=False)
class Measure:
    """What every held-out row adds to the metrics of a set, by model; and which rows belong to each segment."""

    sums: dict[str, np.ndarray]  # (rows, metrics)
    counts: dict[str, np.ndarray]
    group: np.ndarray  # (rows,) the person
    segments: dict[str, np.ndarray]
    seconds: dict[str, float]
    notes: list[str]


def names() -> list[str]:
    """The sets with contexts."""
    return [name for name, one in SETS.items() if one.contexts]


def work(chosen: Sequence[str], models: Sequence[str]) -> None:
    """Measure the sets, and write a result for each."""
    for name in chosen or names():
        rows = [file.stem.removeprefix(f"{name}-") for file in sorted(PARAMS.glob(f"{name}-*.json"))]
        rows = [row for row in rows if not models or row in models]
        DONE.mkdir(parents=True, exist_ok=True)
        text = json.dumps(judged(name, rows), indent=1, ensure_ascii=False)
        (DONE / f"{name}.json").write_text(text + "\n")


def judged(name: str, rows: Sequence[str]) -> dict[str, Any]:
    """The metrics of every model on every segment, and each against the best that is blind to contexts."""
    found, metrics = measured(name, rows), SETS[name].metrics
    table = []
    for segment, members in found.segments.items():
        if not members.any():
            continue
        means = {row: drawn(found, row, members, metrics[0]) for row in found.sums}
        lower = metrics[0] in {"rmse", "mae"}
        blind = [row for row in found.sums if row.endswith(BLIND) or f"{row}{BLIND}" not in found.sums]
        best = min(blind, key=lambda row: float(means[row][0]) * (1 if lower else -1))
        for row in found.sums:
            ratio = means[row] / means[best]
            table.append(
                {
                    "segment": segment,
                    "rows": int(members.sum()),
                    "row": row,
                    "metrics": {m: value(found, row, members, at, m) for at, m in enumerate(metrics)},
                    "against": best,
                    "ratio": [float(ratio[0]), *(float(q) for q in np.quantile(ratio[1:], [0.025, 0.975]))],
                }
            )
    return {
        "set": name,
        "rows": table,
        "moods": inferred(name),
        "notes": found.notes,
        "params": {row: Entry(name, row, 0).choice() for row in rows},
        "seconds": found.seconds,
        "command": f"python -m bench contexts --set {name}",
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "scipy", "numba", "lightgbm"),
    }


def inferred(name: str) -> dict[str, float] | None:
    """How well a mood is inferred from an item and its rating, on held-out rows; None where nobody states one."""
    from penchant.core.histories import Histories
    from penchant.evaluation.cases import asked_ratings
    from penchant.ranking.moods import Moods
    from penchant.ranking.moods import judged as judge

    bench_set = SETS[name]
    if "mood" not in bench_set.contexts:
        return None
    column = bench_set.contexts.index("mood")
    shares, answers = [], []
    for split in bench_set.load()[0]:
        truth, asked = asked_ratings(split), split.given.asked
        assert truth is not None and asked is not None and (truth.lengths <= 1).all()  # every held-out row is a case
        stated = np.flatnonzero((asked[:, column] >= 0) & (truth.lengths == 1))
        one = truth[stated]
        alone = Histories(one.indptr, one.items, one.n_items, one.values, one.values_are, ordered=False)
        shares.append(Moods.fit(split.train, column).infer(alone))
        answers.append(asked[stated, column].astype(np.int64))
    return judge(np.concatenate(shares), np.concatenate(answers))


def value(found: Measure, row: str, members: np.ndarray, at: int, metric: str) -> float:
    """The mean of one metric."""
    mean = float(found.sums[row][members, at].sum() / found.counts[row][members, at].sum())
    return mean**0.5 if metric == "rmse" else mean


def drawn(found: Measure, row: str, members: np.ndarray, metric: str) -> np.ndarray:
    """The first metric, then that of every bootstrap sample of people; the same people for every model."""
    people, inverse = np.unique(found.group[members], return_inverse=True)
    above = np.bincount(inverse, found.sums[row][members, 0], len(people))
    below = np.bincount(inverse, found.counts[row][members, 0], len(people))
    weights = np.random.default_rng(0).multinomial(len(people), np.full(len(people), 1 / len(people)), DRAWS)
    every = np.vstack([np.ones(len(people)), weights])
    mean = (every @ above) / np.maximum(every @ below, 1e-12)
    return np.asarray(np.sqrt(mean) if metric == "rmse" else mean)


def measured(name: str, rows: Sequence[str]) -> Measure:
    """Fit every model on every fold, and blind once more where it uses contexts."""
    import time

    from penchant.core.run import Run
    from penchant.evaluation.measure import measure, parse_metrics
    from penchant.models import registry

    bench_set = SETS[name]
    metrics = parse_metrics(bench_set.metrics)
    splits, catalog = bench_set.load()
    features = None if catalog is None else catalog.features()
    sums: dict[str, list[np.ndarray]] = {}
    counts: dict[str, list[np.ndarray]] = {}
    seconds: dict[str, float] = {}
    notes = list(dict.fromkeys(note for split in splits for note in split.notes))
    for row in rows:
        choice = Entry(name, row, 0).choice()
        for label, seen in _ways(row, registry.from_saved(choice).uses_context):
            start = time.process_time()
            for split in map(seen, splits):
                model = registry.from_saved(choice)
                model.fit(split.train, valid=split.held_out, run=Run(), features=features)
                one = measure(model, split, metrics, run=Run(), progress=False)
                sums.setdefault(label, []).append(one.sums)
                counts.setdefault(label, []).append(one.counts)
                notes += [f"{label}: {note}" for note in model.notes if "candidates hold" in note]
            seconds[label] = round(time.process_time() - start, 1)
            print(f"{name}, {label}: {seconds[label]} s of CPU", flush=True)
    group = [split.group for split in splits if split.group is not None]
    asked = np.concatenate([split.given.asked for split in splits if split.given.asked is not None])
    stated = [at for at, column in enumerate(bench_set.contexts) if column not in PEOPLE]
    segments = {"all": np.ones(len(asked), dtype=np.bool_), "a context is stated": (asked[:, stated] >= 0).any(axis=1)}
    if "mood" in bench_set.contexts:
        segments["a mood is stated"] = asked[:, bench_set.contexts.index("mood")] >= 0
    joined = [{row: np.concatenate(parts) for row, parts in kept.items()} for kept in (sums, counts)]
    return Measure(*joined, np.concatenate(group), segments, seconds, list(dict.fromkeys(notes)))


def _ways(row: str, uses_context: bool) -> Iterator[tuple[str, Callable[[Split], Split]]]:
    yield row, lambda split: split
    if uses_context:
        yield f"{row}{BLIND}", without


def without(split: Split) -> Split:
    """The same cases, with training and requests that know no context.

    The events that are given keep theirs, which such a model does not read: they decide which ratings are in question.
    """
    train, given = replace(split.train, context=None, asked=None), replace(split.given, asked=None)
    return replace(split, train=train, given=given, valid=None)


def section(table: Callable[..., str], where: Callable[[dict[str, Any]], str]) -> str:
    """The section of ``docs/benchmarks.md``."""
    about = (
        "Every held-out row is asked in its own context. *Blind* is the same model, fitted and asked without contexts. "
        "The last column is the first metric as a share of that of the best model that is blind to contexts, with its "
        "95 % interval over people. Parameters are chosen on validation rows (`bench/params`).\n"
    )
    parts = ["## Contexts\n", about]
    for file in sorted(DONE.glob("*.json")):
        result = json.loads(file.read_text())
        metrics = SETS[result["set"]].metrics
        lines = [
            (
                one["segment"],
                f"{one['rows']:,}",
                f"`{one['row']}`",
                *(f"{one['metrics'][metric]:.4f}" for metric in metrics),
                f"`{one['against']}`",
                f"{one['ratio'][0]:.3f} ({one['ratio'][1]:.3f} to {one['ratio'][2]:.3f})",
            )
            for one in result["rows"]
        ]
        parts.append(f"### {result['set']}\n\n{SETS[result['set']].about[0].upper()}{SETS[result['set']].about[1:]}.\n")
        parts.append(table(("rows that", "number", "model", *metrics, "against", "share"), lines))
        parts.append("".join(f"- {note}\n" for note in [*_moods(result.get("moods")), *result["notes"]]))
        parts.append(f"`{result['command']}`; {where(result['machine'])}.\n")
    return "\n".join(parts)


def _moods(found: dict[str, float] | None) -> list[str]:
    """How good inferred moods are, in a sentence."""
    if found is None:
        return []
    said = (
        f"moods inferred from one item and its rating, on {found['events']:,.0f} held-out rows: macro-F1 "
        f"{found['macro_f1']:.3f} and accuracy {found['accuracy']:.3f}, against {found['majority_macro_f1']:.3f} and "
        f"{found['majority_accuracy']:.3f} of always the most frequent mood; calibration error "
        f"{found['calibration_error']:.3f}"
    )
    return [said]
