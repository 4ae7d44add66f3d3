"""The answers of one tree's penchant, as arrays: a script that ``bench.equality`` runs with that tree on its path.

``python -P bench/answers.py JSON`` fits a model or loads a saved one, asks it the same questions on every tree and
writes an ``.npz``. It must run on trees with a different module layout, so it imports only ``penchant`` and its
registry, and uses only public names.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import penchant as pc

try:
    from penchant.models import registry
except ImportError:  # its former location
    from penchant import registry

K, ALIKE = 20, 10  # list length; number of items to query for similar items
MADE_UP, LONGEST, LONG, SHORT = 40, 600, 24, 15  # rows; events: in the longest, most in others, most with reasons
REASONED, EXPLAINED = 8, 12
ASKED = 10  # number of ratings to predict per history
DAY = 86_400
LIKED = 3.5  # the lowest rating that counts as positive, in logs with ratings
Arrays = dict[str, np.ndarray]


def read(asked: dict[str, Any]) -> tuple[Any, Any]:
    """Return the log and its item catalogue."""
    options = {"positive": asked["positive"]} if asked["positive"] else {}
    if asked["table"] is None:
        return pc.load_movielens_small(**options)
    return pc.read_interactions(asked["table"], rejected=False, **options), None


def trained_on(log: Any, rows: int) -> Any:
    """A sample of the histories in the log, unchanged."""
    known = log.histories()
    filled = np.flatnonzero(np.diff(known.indptr) > 0)
    return known[np.sort(np.random.default_rng(0).permutation(filled)[:rows])]


def made_up(log: Any) -> Any:
    """Made-up histories: short ones, one with repeats, one longer than any window, one of rare items.

    They always have times, and have ratings if the log has them.
    """
    known, rng = log.histories(), np.random.default_rng(1)
    counts = np.bincount(known.items, minlength=known.n_items)
    rare = np.argsort(counts, kind="stable")[:5].tolist()
    rows = [rng.choice(known.items, size=rng.integers(1, LONG + 1)).tolist() for _ in range(MADE_UP)]
    a, b = rows[0][0], int(known.items[-1])
    rows += [[a, b, a, a, b, a], [a], rng.choice(known.items, size=LONGEST).tolist(), rare]
    rows += [rng.integers(0, known.n_items, size=6).tolist() for _ in range(MADE_UP // 4)]
    start = 1_100_000_000
    times = [(start + np.cumsum(rng.integers(0, 5 * DAY, size=len(row)))).tolist() for row in rows]
    rated = known.values is not None and known.values_are == "rating"
    values = [(rng.integers(1, 11, size=len(row)) / 2).tolist() for row in rows] if rated else None
    return pc.Histories.from_lists(
        rows, known.n_items, values=values, values_are="rating" if rated else "none", times=times
    )


def empty(n_items: int) -> Any:
    """Two histories without events, one of them with a query time."""
    return pc.Histories(np.zeros(3, np.int64), np.empty(0, np.int32), n_items, now=np.array([0, 1_200_000_000]))


def disliking(given: Any) -> list[Any]:
    """Single rows in which every third event is a dislike."""
    rows = [given[r : r + 1].items.tolist() for r in range(4)]
    weights = [[-1.0 if n % 3 == 1 else 1.0 for n in range(len(row))] for row in rows]
    return [
        pc.Histories.from_lists([row], given.n_items, values=[of], values_are="weight")
        for row, of in zip(rows, weights, strict=True)
    ]


def answers(rec: Any, log: Any, rows: int) -> Arrays:
    """All answers by name; names that begin with ``empty`` are for histories without a liked item."""
    trained, made = trained_on(log, rows), made_up(log)
    nobody = empty(trained.n_items)
    foretells = hasattr(rec.model, "predict") and trained.values_are == "rating"
    found: Arrays = {"asked.ids": np.array(log.vocab.ids)}
    for name, given in (("trained", trained), ("made", made)):
        for part in ("indptr", "items", "values", "times", "liked"):
            if (array := getattr(given, part, None)) is not None:
                found[f"asked.{name}.{part}"] = array
    for name, given in (("trained.", trained), ("made.", made), ("empty.", nobody)):
        found |= {f"{name}{key}": array for key, array in _of_batch(rec.model, given, foretells).items()}
    single = [made[r : r + 1] for r in np.flatnonzero(np.diff(made.indptr) <= SHORT)[:REASONED]]
    found |= {
        f"single.{key}": array for key, array in _lists([rec.recommend(row, K, why=True) for row in single]).items()
    }
    liked = [row.values is None or bool(row.values.max() >= LIKED) for row in single]
    for name, wanted in (("events.", True), ("empty.events.", False)):  # a history without a like has no events
        events = [_events(log, row) for row, like in zip(single, liked, strict=True) if like is wanted]
        found |= {f"{name}{key}": array for key, array in _lists([rec.recommend(row, K) for row in events]).items()}
    found |= {f"empty.recommend.{key}": array for key, array in _lists([rec.recommend([], K)]).items()}
    if not foretells:
        disliked = [rec.recommend(row, K, why=True) for row in disliking(made)]
        found |= {f"disliked.{key}": array for key, array in _lists(disliked).items()}
    alike = np.unique(np.concatenate([trained.items[:ALIKE], made.items[:ALIKE]]))[:ALIKE]
    found["similar.dense"] = np.stack([np.asarray(rec.model.similar(int(item))) for item in alike])
    listed = [rec.similar(log.vocab.ids[item], ALIKE) for item in alike]
    found |= {f"similar.{key}": array for key, array in _lists(listed, ALIKE).items()}
    found |= _explained(rec.model, made, found["made.list.items"])
    if nothing := [name for name, array in found.items() if not array.size and not name.startswith("empty.")]:
        raise SystemExit(f"nothing was asked under {', '.join(nothing)}: it would be equal always")
    return found


def _of_batch(model: Any, given: Any, foretells: bool) -> Arrays:
    ranked = pc.rank(model, given, K)
    found = {"scores": model.score(given), "list.items": ranked.items, "list.scores": ranked.scores}
    if foretells:
        rng = np.random.default_rng(2)
        asked = [rng.integers(0, given.n_items, size=ASKED).tolist() for _ in range(len(given))]
        found["predict"] = model.predict(given, pc.Histories.from_lists(asked, given.n_items))
    return found


def _events(log: Any, row: Any) -> list[Any]:
    """A row as a client sends it: item ids, times, and ratings if the log has them."""
    events = [{"item": log.vocab.ids[item]} for item in row.items]
    for name, array in (("time", row.times), ("value", row.values)):
        if array is not None:
            events = [event | {name: value} for event, value in zip(events, array.tolist(), strict=True)]
    return events


def _lists(lists: list[Any], k: int = K) -> Arrays:
    """Answers with item ids; for reasons, the contributions sorted by size."""
    items = np.full((len(lists), k), "", dtype="<U40")
    scores, reasons = np.full((len(lists), k), -np.inf), np.zeros((len(lists), k, LONG))
    for n, answer in enumerate(lists):
        for m, entry in enumerate(answer):
            items[n, m], scores[n, m] = str(entry.item), entry.score
            gave = [] if entry.why is None else [part.contribution for part in entry.why.parts]
            reasons[n, m, : len(gave)] = gave
    fallback = np.array([answer.fallback for answer in lists])
    return {"items": items, "scores": scores, "fallback": fallback, "reasons": np.sort(reasons)}


def _explained(model: Any, given: Any, best: np.ndarray) -> Arrays:
    """The contribution of each event to the top item, for a sample of histories."""
    rows = np.flatnonzero((np.diff(given.indptr) <= 4 * SHORT) & (best[:, 0] >= 0))[:EXPLAINED]
    said = [model.explain(given[r : r + 1], int(best[r, 0])) for r in rows]
    return {
        "explain.parts": np.concatenate([one.parts for one in said] or [np.empty(0)]),
        "explain.score": np.array([[one.score, one.base] for one in said]),
        "explain.method": np.array([one.method for one in said]),
    }


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Run the request; return the object to print at the end."""
    tree = Path(pc.__file__).resolve()
    if not tree.is_relative_to(Path(asked["tree"]).resolve()):
        raise SystemExit(f"penchant was imported from {tree}, not from {asked['tree']}")
    if "model" not in asked:
        return {"models": list(registry.MODELS)}
    start = time.perf_counter()
    log, catalog = read(asked)
    if asked["load"]:
        rec = pc.load(asked["load"])
    else:
        model = registry.from_json({"model": asked["model"], "params": asked["params"]})
        rec = pc.fit(log, model, catalog=catalog, run=pc.Run(threads=asked["threads"]))
        rec.save(asked["save"], force=True)
    np.savez(asked["out"], **answers(rec, log, asked["rows"]))
    return {"seconds": round(time.perf_counter() - start, 1)}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
