"""Clicks in lists of news that people were shown: ``python -m bench impressions``.

Impressions of mind-sample, the first 80 % by time for fitting. Every later list with a click and an item that was not
clicked is a case: the items of the list in the order of a model, judged by AUC and NDCG@10. Nothing of the last 20 %
is known to any model. Popularity by time counts the clicks of the last hours before the cut, with the number of hours
that is best on the last fifth of the first 80 %.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import machine
from bench.duel import RESULTS
from bench.sets import table

if TYPE_CHECKING:
    from penchant.core.histories import Histories

FILE = RESULTS / "second-stage" / "mind-sample.json"
CUT = 0.8
HOURS = (3, 6, 12, 24, 48, 168)
MEMBERS = ("item-knn", "als", "user-knn")
WORTH = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(10) + 2))])  # of the first places together
COMMAND = "python -m bench impressions"
Doubles = np.ndarray


@dataclass(frozen=True, eq=False)
class Lists:
    """Lists with their clicks; list ``r`` was shown to the person of ``given`` row ``r``."""

    train: Histories
    given: Histories
    lists: Histories
    clicked: np.ndarray  # (items of all lists,)
    group: np.ndarray  # (lists,) the person


def read(until: float = 1.0) -> Lists:
    """The impressions before a share of them, by time, as a log, and those after 80 % of these as cases."""
    from penchant.core.histories import Histories
    from penchant.core.shown import Shown

    rows = table("mind-sample", "impressions").sort("time", "impression")
    rows = rows.head(int(until * len(rows)))
    moments = rows["time"].dt.epoch("s").to_numpy()
    histories, shown, clicks = (rows[name].to_list() for name in ("history", "candidates", "clicks"))
    ids = np.unique(np.concatenate([np.array(one or [], np.int64) for one in (*histories, *shown)]))
    people, person = np.unique(rows["user"].to_numpy(), return_inverse=True)
    cut = moments[int(CUT * len(moments))]
    begin = int(moments.min()) - 86_400
    events: list[list[tuple[int, int]]] = [[] for _ in people]
    seen: list[list[tuple[int, int]]] = [[] for _ in people]
    cases = []
    for n, who in enumerate(person.tolist()):
        if not events[who]:
            events[who] += [(begin, int(item)) for item in np.searchsorted(ids, histories[n] or [])]
        items = np.searchsorted(ids, shown[n])
        marks = np.array(clicks[n], dtype=np.bool_)
        if moments[n] < cut:
            seen[who] += [(int(moments[n]), int(item)) for item in items]
            events[who] += [(int(moments[n]), int(item)) for item in items[marks]]
        elif marks.any() and not marks.all():
            cases.append((who, int(moments[n]), items, marks))
    size = len(ids)

    def logged(of: list[list[tuple[int, int]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        flat = np.array([pair for one in of for pair in one], dtype=np.int64).reshape(-1, 2)
        indptr = np.concatenate([[0], np.cumsum([len(one) for one in of])]).astype(np.int64)
        return indptr, flat[:, 1].astype(np.int32), flat[:, 0]

    indptr, items, times = logged(events)
    places, offered, at = logged(seen)
    log = Histories(indptr, items, size, times=times, shown=Shown(places, offered, at))
    who = np.array([one[0] for one in cases], dtype=np.int64)
    given = replace(log[who], now=np.array([one[1] for one in cases]))
    lists = Histories.from_lists([one[2].tolist() for one in cases], size)
    return Lists(log[log.lengths > 0], given, lists, np.concatenate([one[3] for one in cases]), who)


def judged(of: Lists, scores: Doubles) -> Doubles:
    """AUC and NDCG@10 of every list ``(lists, 2)``; ties as in the mean of all orders."""
    n = len(of.lists)
    out = np.zeros((n, 2))
    for r in range(n):
        span = slice(int(of.lists.indptr[r]), int(of.lists.indptr[r + 1]))
        mine, good = scores[span], of.clicked[span]
        less = (mine[good][:, None] > mine[~good][None, :]) + 0.5 * (mine[good][:, None] == mine[~good][None, :])
        first = (mine[None, :] > mine[good][:, None]).sum(1)
        alike = (mine[None, :] == mine[good][:, None]).sum(1)
        found = (WORTH[np.minimum(first + alike, 10)] - WORTH[np.minimum(first, 10)]) / alike
        out[r] = less.mean(), found.sum() / WORTH[min(10, int(good.sum()))]
    return out


def by_time(of: Lists, hours: float) -> Doubles:
    """Clicks of the last hours of the log, for every item of the lists."""
    train = of.train
    assert train.times is not None and train.shown is not None and train.shown.times is not None
    late = train.times > train.shown.times.max() - 3600 * hours
    late &= train.times >= train.shown.times.min()
    return np.bincount(train.items[late], minlength=train.n_items)[of.lists.items].astype(np.float64)


def main() -> int:
    """Measure, and write the result."""
    from penchant.core.run import Run
    from penchant.evaluation.bootstrap import by_group, ends, resample
    from penchant.models import registry
    from penchant.ranking.ranked import Ranked

    earlier, of = read(CUT), read()
    worth = {hours: float(judged(earlier, by_time(earlier, hours))[:, 0].mean()) for hours in HOURS}
    hours = max(worth, key=lambda one: worth[one])
    found: dict[str, Doubles] = {f"popular, the last {hours} hours": judged(of, by_time(of, hours))}
    run = Run(threads=1)
    for name in ("popular", *MEMBERS):
        member = registry.parse(name).fit(of.train, run=run)
        scores = np.concatenate(
            [member.score(of.given[lo : lo + 200])[of.lists[lo : lo + 200].rows, of.lists[lo : lo + 200].items]
             for lo in range(0, len(of.lists), 200)]
        )  # fmt: skip
        found[name] = judged(of, scores)
    start = time.process_time()
    model = Ranked(members=list(MEMBERS)).fit(of.train, run=run)
    seconds = time.process_time() - start
    found["ranked"] = judged(of, model.order(of.given, of.lists))
    rows = []
    for name, values in found.items():
        gain = by_group(np.concatenate([values, found["ranked"] - values], axis=1), of.group)
        size = by_group(np.ones((len(of.group), 4)), of.group)
        drawn = resample(gain, size)
        rows.append({
            "row": name, "auc": float(values[:, 0].mean()), "ndcg@10": float(values[:, 1].mean()),
            "below ranked": [[float(gain[:, 2 + n].sum() / len(of.group)), *ends(drawn[:, 2 + n])] for n in (0, 1)],
        })  # fmt: skip
    result: dict[str, Any] = {
        "lists": len(of.lists), "people": len(np.unique(of.group)), "rows": rows, "hours": worth, "notes": model.notes,
        "fit_seconds": round(seconds, 1), "command": COMMAND, "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "lightgbm"),
    }  # fmt: skip
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for row in rows:
        print(f"{row['row']}: AUC {row['auc']:.4f}, NDCG@10 {row['ndcg@10']:.4f}, below ranked {row['below ranked']}")
    return 0


def section(tabled: Callable[..., str], where: Callable[[dict[str, Any]], str]) -> str:
    """The section of ``docs/benchmarks.md``; empty without a result."""
    if not FILE.exists():
        return ""
    result = json.loads(FILE.read_text())
    lines = [
        (f"`{row['row']}`", f"{row['auc']:.4f}", f"{row['ndcg@10']:.4f}",
         *("" if row["row"] == "ranked" else f"{one[0]:+.4f} ({one[1]:+.4f} to {one[2]:+.4f})"
           for one in row["below ranked"]))
        for row in result["rows"]
    ]  # fmt: skip
    return "\n".join([
        "### Lists that people were shown, mind-sample\n",
        f"Fitted on the first 80 % of 5,000 impressions by time; {result['lists']:,} later lists, each with a click,",
        "are put in order. The last columns are the gain of `ranked` in AUC and in NDCG@10, with the 95 % interval",
        "over people. The hours of popularity by time are chosen before the cut.\n",
        tabled(("order by", "AUC", "NDCG@10", "gain in AUC", "gain in NDCG@10"), lines),
        f"`{result['command']}`; {where(result['machine'])}.\n",
    ])  # fmt: skip
