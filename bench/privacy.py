"""What privacy costs: lists of private models against epsilon, beside private popularity, over simulated releases.

``python -m bench privacy [--set SET] [--model MODEL]`` fits each private model five times for every epsilon. The noise
comes from numpy with a stated seed: these are simulations, which no ledger counts, of what a release would draw. Points
that are there already are not measured again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import machine
from bench.duel import RESULTS
from bench.peers import ROOT
from bench.sets import SETS

if TYPE_CHECKING:
    from penchant.core.split import Split
    from penchant.data.interactions import Interactions
    from penchant.recommender.recommender import Recommender

DONE = RESULTS / "privacy"
PAGE = ROOT / "docs" / "privacy.md"
MARKS = "<!-- curves: python -m bench privacy -->", "<!-- end of the curves -->"
NAMES = ("ml-1m-bars", "gowalla")
MODELS = ("popular", "item-knn", "ease", "als", "mult-vae")
EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
RELEASES, DELTA, K = 5, 1e-6, 20
DRAWS = 2000
WIDE, MOST_ITEMS = ("ease", "mult-vae"), 10_000  # what they cost without a promise grows with all items
COLOURS = ("#888888", "#c0504d", "#3b6fb6", "#6a9a3c", "#8a5fb0")


def draw_of(seed: int) -> Callable[[int], np.ndarray]:
    """Simulated noise: normal numbers, rounded to the grid."""
    from penchant.privacy.mechanism.sampler import SIGMA

    rng = np.random.default_rng(seed)
    return lambda size: np.rint(SIGMA * rng.standard_normal(size)).astype(np.int64)


def cases(recommender: Recommender, log: Interactions, split: Split) -> np.ndarray:
    """NDCG@20 of every case of a split; items that were not released are missed."""
    from penchant.core.histories import Histories
    from penchant.core.metrics import judge, ndcg
    from penchant.core.rank import rank, rank_by_popularity

    released = log.vocab.encode(recommender.vocab.ids)
    index = np.full(log.n_items, -1, dtype=np.int32)
    index[released] = np.arange(len(released))
    given = split.given.positives()
    here = index[given.items]
    some = given.where(here >= 0)
    known = Histories(some.indptr, index[some.items], len(released))
    order = rank_by_popularity(recommender.item_counts)
    ranked = rank(recommender.model, known, min(K, len(released)), popularity_rank=order)
    items = np.where(ranked.items >= 0, released[ranked.items], -1).astype(np.int32)
    return np.nan_to_num(ndcg(judge(items, split.truth), K))


def measured(name: str, models: Sequence[str]) -> None:
    """Every point of a set that is missing."""
    from penchant.privacy.accounting import Promise
    from penchant.privacy.mechanism.fit import fit_private
    from penchant.training.fit import fit

    bench_set = SETS[name]
    log, split = bench_set.read(), bench_set.load()[0][0]
    baseline: dict[float, np.ndarray] = {}

    def releases(model: str, epsilon: float) -> tuple[np.ndarray, list[int]]:
        promise = Promise(epsilon, DELTA, len(split.train), name)
        found, items = [], []
        for release in range(RELEASES):
            made = fit_private(log, model, promise, draw=draw_of(release))
            found.append(cases(made, log, split))
            items.append(len(made.vocab))
        return np.array(found), items

    def popular(epsilon: float) -> np.ndarray:
        if epsilon not in baseline:
            baseline[epsilon] = releases("popular", epsilon)[0].mean(axis=0)
        return baseline[epsilon]

    for model in models:
        file = DONE / f"{name}-{model}.json"
        points = json.loads(file.read_text())["points"] if file.exists() else {}
        for epsilon in EPSILONS:
            if str(epsilon) in points:
                continue
            values, items = releases(model, epsilon)
            low, high = interval(values.mean(axis=0) - popular(epsilon))
            points[str(epsilon)] = {
                "releases": [round(float(v), 5) for v in values.mean(axis=1)], "items": items,
                "over_popular": [round(low, 5), round(high, 5)],
            }  # fmt: skip
            print(name, model, epsilon, points[str(epsilon)], flush=True)
            _write(file, name, model, points)
        if "inf" not in points and not (model in WIDE and log.n_items > MOST_ITEMS):
            points["inf"] = {"releases": [round(float(cases(fit(log, model), log, split).mean()), 5)]}
            _write(file, name, model, points)


def interval(gains: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean over cases."""
    rng = np.random.default_rng(0)
    means = [gains[rng.integers(0, len(gains), len(gains))].mean() for _ in range(DRAWS)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _write(file: Path, name: str, model: str, points: dict[str, Any]) -> None:
    DONE.mkdir(parents=True, exist_ok=True)
    result = {
        "set": name, "model": model, "metric": f"ndcg@{K}", "delta": DELTA, "points": points,
        "command": f"python -m bench privacy --set {name} --model {model}", "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "dp-accounting"),
    }  # fmt: skip
    file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def results() -> dict[str, dict[str, dict[str, Any]]]:
    """What was measured: by set, then model."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for name in NAMES:
        files = {model: DONE / f"{name}-{model}.json" for model in MODELS}
        found = {model: json.loads(file.read_text()) for model, file in files.items() if file.exists()}
        if found:
            out[name] = found
    return out


def section() -> str:
    """The tables and pictures for the page."""
    parts = []
    for name, models in results().items():
        picture = ROOT / "docs" / "images" / f"privacy-{name}.svg"
        picture.write_text(curves(name, models), encoding="utf-8")
        head = ["model", *(f"ε = {e:g}" for e in EPSILONS), "no promise"]
        rows = []
        for model, found in models.items():
            cells = [_cell(found["points"].get(str(e))) for e in (*EPSILONS, "inf")]
            rows.append([f"`{model}`", *cells])
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        picture_of = f"![NDCG@20 against epsilon on {name}](images/privacy-{name}.svg)"
        parts.append(
            f"### {name}\n\n{table}\nNDCG@20, the mean of five simulated releases and their standard deviation, with "
            f"delta = {DELTA:g}. A star: above private `popular` with its 95 % interval. Without a promise: the model "
            f"with its defaults; a dash: not fitted over more than {MOST_ITEMS:,} items.\n\n{picture_of}\n"
        )
    return "\n".join([*parts, audits()])


def audits() -> str:
    """The table of audits; empty where none was made."""
    file = DONE / "audit.json"
    if not file.exists():
        return ""
    found = json.loads(file.read_text())
    lines = [["model", "AUC, score", "AUC, likelihood ratio", "right guesses of coins", "epsilon at least", "claim"]]
    lines.append(["---", "---:", "---:", "---:", "---:", "---"])
    for name, row in found["models"].items():
        areas = [f"{a['auc']['mean']:.3f} ({a['auc']['low']:.3f}–{a['auc']['high']:.3f})" for a in row["attacks"]]
        planted = row["canaries"]
        guesses = f"{planted['right']} of {planted['guesses']}" if planted else "-"
        bound = f"{planted['epsilon_at_least']:.2f}" if planted else "-"
        claim = "none" if row["epsilon"] is None else "refuted" if found["refuted"][name] else "stands"
        promised = f", ε = {row['epsilon']:g}" if row["epsilon"] else ""
        lines.append([f"`{name.partition(', epsilon')[0]}`{promised}", *areas, guesses, bound, claim])
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return (
        f"### Attacks on {found['set']}\n\n{table}\n2,000 members and 2,000 others, half of the people in training, "
        "two shadow models; `python -m bench privacy-audit`. 95 % intervals and bounds; claims are tested together "
        "(Holm). Models without a claim are as they are, or made leaky on purpose.\n"
    )


def _cell(point: dict[str, Any] | None) -> str:
    if point is None:
        return "-"
    values = point["releases"]
    if len(values) == 1:
        return f"{values[0]:.3f}"
    star = "*" if point["over_popular"][0] > 0 else ""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}{star}"


def curves(name: str, models: dict[str, dict[str, Any]]) -> str:
    """NDCG against epsilon, as SVG."""
    top = 1.1 * max(max(p["releases"]) for found in models.values() for p in found["points"].values())
    ticks = [*(str(e) for e in EPSILONS), "inf"]
    x = {tick: 60 + 90 * n for n, tick in enumerate(ticks)}
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 300" font-size="12" font-family="sans-serif">',
        f'<rect width="760" height="300" fill="white"/><text x="60" y="18">NDCG@20 on {name}</text>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = 260 - 230 * share
        out.append(f'<line x1="55" y1="{y}" x2="610" y2="{y}" stroke="#ddd"/>')
        out.append(f'<text x="50" y="{y + 4}" text-anchor="end">{top * share:.2f}</text>')
    out += [
        f'<text x="{at}" y="280" text-anchor="middle">{"no promise" if tick == "inf" else "ε = " + tick}</text>'
        for tick, at in x.items()
    ]
    for n, (model, found) in enumerate(models.items()):
        colour = COLOURS[n % len(COLOURS)]
        spots = [
            (x[t], [260 - 230 * v / top for v in found["points"][t]["releases"]]) for t in ticks if t in found["points"]
        ]
        line = " ".join(f"{at},{np.mean(ys):.1f}" for at, ys in spots)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{at}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for at, ys in spots for y in ys]
        out.append(f'<text x="620" y="{40 + 18 * n}" fill="{colour}">{model}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def write() -> Path:
    """Put the curves between their marks in the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{section()}\n{MARKS[1]}{after}", encoding="utf-8")
    return PAGE


def work(names: Sequence[str], models: Sequence[str]) -> Path:
    """Measure what is missing, then draw it."""
    for name in names or NAMES:
        measured(name, models or MODELS)
    return write()
