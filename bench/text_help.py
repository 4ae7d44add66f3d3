"""Parts of ``python -m bench text``: whether opinions help models, and what texts cost.

``help``: gift cards, split by time; opinions are those of *earlier* reviews, learned out of fold from their stars, and
never of a review that is predicted. ``cost``: the memory and speed of scoring from a saved folder in a fresh process,
and what hearing a comment adds to an event of the service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant.core.histories import Histories
from penchant.data.read import read_interactions
from penchant.recommender.folder.opinion import save_opinion
from penchant.text.aspects import Aspects
from penchant.text.comment import MOST_BYTES, hear
from penchant.text.learned_opinion import LearnedOpiner
from penchant.training.fit import fit

DRAWS, K, LATE = 1000, 10, 0.2  # bootstrap draws, length of lists, newest share of the reviews that judges
RATERS, RANKERS = ("bias", "svd:factors=8,epochs=20", "user-knn"), ("item-knn", "als:factors=16", "ease")
SCORE = """
import json, sys, time
import polars as pl
from bench import machine
from penchant.recommender.folder.opinion import load_opinion
opiner = load_opinion(sys.argv[1])
texts = pl.scan_parquet(sys.argv[2]).filter(pl.col.split == "test").select("text").collect()["text"].to_list()
opiner.score(texts[:2000], words=0)
start = time.process_time()
opiner.score(texts, words=0)
seconds = time.process_time() - start
print(json.dumps({"texts": len(texts), "texts_a_second": len(texts) / seconds, "peak_mib": machine.peak_mib()}))
"""


def scored_apart(opiner: LearnedOpiner, reviews: Path) -> dict[str, Any]:
    """Score the test texts with a saved folder, in a process that has done nothing else."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "opinion"
        save_opinion(opiner, folder)
        done = subprocess.run(
            [sys.executable, "-c", SCORE, str(folder), str(reviews)], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def hearing(texts: list[str], opiner: LearnedOpiner | None, aspects: Aspects | None = None) -> dict[str, float]:
    """Milliseconds of processor time that a comment takes: the mean, the 99th percentile, and that of 4 KiB."""
    kept = [text for text in texts if 0 < len(text.encode()) <= MOST_BYTES]
    long = (" ".join(kept) * 2).encode()[:MOST_BYTES].decode("utf-8", "ignore")
    hear(kept[0], None, opiner, aspects)
    took = []
    for text in [*kept[:2000], *[long] * 50]:
        start = time.process_time()
        hear(text, None, opiner, aspects)
        took.append((time.process_time() - start) * 1000)
    usual = took[:-50]
    return {
        "mean": float(np.mean(usual)),
        "p99": float(np.quantile(usual, 0.99)),
        "longest": float(np.median(took[-50:])),
    }


def helping(frame: pl.DataFrame) -> dict[str, Any]:
    """Errors of ratings and NDCG of lists, with stars alone and with each use of opinions, on the same reviews."""
    frame = frame.sort("timestamp", "user", "item").with_columns(
        review=pl.concat_str(pl.col.summary.fill_null(""), pl.col.text.fill_null(""), separator=". ")
    )
    at = int(frame.height * (1 - LATE))
    early = frame.head(at).select("user", "item", "rating", "timestamp", "review")
    known = early.select("user", "item").with_columns(seen=True)
    late = frame.tail(frame.height - at).join(known, on=["user", "item"], how="left").filter(pl.col.seen.is_null())
    late = late.unique(["user", "item"], keep="first", maintain_order=True)
    rating = {
        name: {use: _errors(name, early, late, use) for use in ("stars", "replace", "blend", "weight")}
        for name in RATERS
    }
    ranking = {name: {use: _hits(name, early, late, use) for use in ("stars", "weight")} for name in RANKERS}
    return {
        "later_reviews": late.height,
        "rating": {n: _compared(found, root=True) for n, found in rating.items()},
        "ranking": {n: _compared(found, root=False) for n, found in ranking.items()},
    }


def _errors(model: str, early: pl.DataFrame, late: pl.DataFrame, use: str) -> np.ndarray:
    """Squared errors of the later stars."""
    texts: dict[str, Any] = {} if use == "stars" else {"text": "review", "opinion": use, "opiner": "learn"}
    log = read_interactions(early, values="rating", rejected=False, **texts)
    rec: Any = fit(log, model)
    rows = {user: row for row, user in enumerate(log.user_ids)}
    known = late.filter(pl.col.item.cast(pl.String).is_in(log.vocab.ids))
    nobody = Histories.from_lists([[]], log.n_items, values=[[]], values_are="rating")
    out = []
    for user, item, stars in known.select("user", "item", "rating").iter_rows():
        row = rows.get(str(user))
        given = nobody if row is None else log.histories()[row : row + 1]
        asked = Histories.from_lists([[rec.index(item)]], log.n_items)
        out.append((float(rec.model.predict(given, asked)[0]) - stars) ** 2)
    return np.array(out)


def _hits(model: str, early: pl.DataFrame, late: pl.DataFrame, use: str) -> np.ndarray:
    """NDCG@10 of the liked later items of each person with earlier reviews."""
    if use == "stars":
        log = read_interactions(early, values="rating", positive="value>=4", rejected=False)
    else:
        liked = early.filter(pl.col.rating >= 4).drop("rating")
        _, held_out = LearnedOpiner.learn(early["review"].to_list(), early["rating"].to_numpy())
        counts = 2 * held_out[(early["rating"] >= 4).to_numpy()]  # 1 + opinion, out of fold
        log = read_interactions(liked.with_columns(weight=counts), values="weight", weight="raw", rejected=False)
    rec = fit(log, model)
    wanted: dict[str, set[str]] = {}
    for user, item in late.filter(pl.col.rating >= 4).select("user", "item").iter_rows():
        wanted.setdefault(str(user), set()).add(str(item))
    people = {str(user) for user in early.filter(pl.col.rating >= 4)["user"].unique().to_list()}
    rows = {user: row for row, user in enumerate(log.user_ids)}
    out = []
    for user in sorted(people & wanted.keys()):
        answer = rec.recommend(log.histories()[rows[user] : rows[user] + 1], K)
        found = [str(item.item) in wanted[user] for item in answer.items]
        gain = sum(hit / np.log2(place + 2) for place, hit in enumerate(found))
        out.append(gain / sum(1 / np.log2(place + 2) for place in range(min(K, len(wanted[user])))))
    return np.array(out)


def _compared(found: dict[str, np.ndarray], *, root: bool) -> dict[str, Any]:
    """Each use, and its difference to stars alone, with bootstrap intervals over the same cases."""
    rng = np.random.default_rng(0)
    n = len(found["stars"])
    draws = [rng.integers(0, n, n) for _ in range(DRAWS)]

    def mean(values: np.ndarray) -> float:
        return float(np.sqrt(values.mean()) if root else values.mean())

    out: dict[str, Any] = {"cases": n}
    for use, values in found.items():
        out[use] = {"mean": round(mean(values), 4)}
        if use != "stars":
            apart = [mean(values[rows]) - mean(found["stars"][rows]) for rows in draws]
            low, high = np.quantile(apart, [0.025, 0.975])
            out[use] |= {"less_stars": round(mean(values) - mean(found["stars"]), 4), "low": round(float(low), 4),
                         "high": round(float(high), 4)}  # fmt: skip
    return out
