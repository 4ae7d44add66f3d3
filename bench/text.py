"""``python -m bench text``: opinions of Chinese and English reviews, and item texts as vectors for cold items.

Each part writes ``bench/results/text/PART.json``: ``zh`` (its split), ``zh-domains`` (each domain in turn is left out),
``giftcards`` (folds grouped by text; 33 negative reviews, so with an interval), ``vectors`` (two catalogues), ``help``
(whether opinions help models) and ``cost`` (memory, speed and milliseconds of texts).
VADER and SnowNLP are asked in the same run where the Python of ``PENCHANT_TEXT_PEERS`` has them. Times are processor
times of one core.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from bench import machine
from bench.peers import ROOT
from bench.text_help import hearing, helping, scored_apart
from penchant.core.histories import Bools
from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.text.aspects import Aspects
from penchant.text.encoders import make_encoder
from penchant.text.learned_opinion import LearnedOpiner, auc
from penchant.text.lexicon import LexiconOpiner
from penchant.text.ngrams import Ngrams
from penchant.training.item_text import COLD, recall_of

RESULTS = ROOT / "bench" / "results" / "text"
DATA = ROOT / os.environ.get("PENCHANT_DATA", "../shared/data")
BINS, DRAWS, PEER_ROWS = 15, 1000, 1500
PEER = """
import json, sys, time
texts, start = json.load(sys.stdin), time.process_time()
if sys.argv[1] == "snownlp":
    from snownlp import SnowNLP
    found = [SnowNLP(text).sentiments if text.strip() else 0.5 for text in texts]
else:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    one = SentimentIntensityAnalyzer()
    found = [one.polarity_scores(text)["compound"] for text in texts]
print(json.dumps([found, time.process_time() - start]))
"""


def work(parts: list[str]) -> int:
    """Measure the parts (all unless named), print and write them; returns the number of missed goals."""
    missed = 0
    for name in parts or list(PARTS):
        busy = machine.busy()
        found, goals = PARTS[name]()
        rows = [
            {"text": text, "value": round(float(value), 4), "limit": limit, "at_least": least,
             "met": bool(value >= limit if least else value <= limit)}
            for text, value, limit, least in goals
        ]  # fmt: skip
        result = {
            "command": f"python -m bench text {name}", **found, "goals": rows, "busy_before": busy,
            "machine": machine.describe(), "versions": machine.versions("penchant", "numpy", "scipy"),
        }  # fmt: skip
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        for goal in rows:
            print(f"{name}: {goal['text']}: {goal['value']:.4g} ({'met' if goal['met'] else 'MISSED'})", flush=True)
            missed += not goal["met"]
    return missed


Goals = list[tuple[str, float, float, bool]]


def _zh() -> tuple[dict[str, Any], Goals]:
    frame = _reviews()
    train, test = frame.filter(pl.col.split == "train"), frame.filter(pl.col.split == "test")
    start = time.process_time()
    opiner, _ = LearnedOpiner.learn(train["text"].to_list(), train["label"].to_numpy())
    learning = time.process_time() - start
    texts, positive = test["text"].to_list(), test["label"].to_numpy() > 0
    p = opiner.score(texts, words=0).probability
    listed = LexiconOpiner().score(texts, words=0).opinion
    balanced = 0.5 * float((listed[positive] > 0).mean() + (listed[~positive] <= 0).mean())
    facts = {
        "accuracy": float(((p > 0.5) == positive).mean()), "auc": auc(p, positive), "ece": ece(p, positive),
        "learning_seconds": learning, "learning_peak_mib": machine.peak_mib(),
        "lexicon_balanced_accuracy": balanced, "lexicon_auc": auc(listed, positive), "facts": opiner.facts,
    }  # fmt: skip
    return facts, [
        ("accuracy on test rows", facts["accuracy"], 0.93, True),
        ("AUC on test rows", facts["auc"], 0.975, True),
        ("ECE of 15 bins of equal count", facts["ece"], 0.03, False),
        ("balanced accuracy of the word list", balanced, 0.80, True),
    ]


def _cost() -> tuple[dict[str, Any], Goals]:
    frame = _reviews()
    train, test = frame.filter(pl.col.split == "train"), frame.filter(pl.col.split == "test")
    opiner, _ = LearnedOpiner.learn(train["text"].to_list(), train["label"].to_numpy())
    texts, positive = test["text"].to_list(), test["label"].to_numpy() > 0
    apart = scored_apart(opiner, DATA / "zh-reviews" / "reviews.parquet")
    drawn = np.random.default_rng(0).permutation(len(texts))[:PEER_ROWS]
    p = opiner.score([texts[at] for at in drawn], words=0).probability
    ours = {"accuracy": round(float(((p > 0.5) == positive[drawn]).mean()), 4), **_interval(p, positive[drawn])}
    heard = {
        "word list": hearing(texts, None), "word list, aspects": hearing(texts, None, Aspects.learn(texts[:2000])),
        "learned": hearing(texts, opiner),
    }  # fmt: skip
    facts = {
        "scoring": apart, "same_texts": ours, "milliseconds_of_a_comment": heard,
        "peer": _peer("snownlp", [texts[at] for at in drawn], positive[drawn], 0.5),
    }  # fmt: skip
    return facts, [
        ("texts a second, one core", apart["texts_a_second"], 20_000, True),
        ("peak MiB of scoring", apart["peak_mib"], 200, False),
        ("ms of a comment, 99th percentile", max(one["p99"] for one in heard.values()), 3, False),
        ("ms of a comment of 4 KiB", max(one["longest"] for one in heard.values()), 3, False),
    ]


def _help() -> tuple[dict[str, Any], Goals]:
    return helping(pl.read_parquet(DATA / "amazon-giftcards-reviews" / "interactions.parquet")), []


def _zh_domains() -> tuple[dict[str, Any], Goals]:
    frame = _reviews()
    found = {}
    for domain in sorted(frame["domain"].unique().to_list()):
        train, test = frame.filter(pl.col.domain != domain), frame.filter(pl.col.domain == domain)
        opiner, _ = LearnedOpiner.learn(train["text"].to_list(), train["label"].to_numpy())
        positive = test["label"].to_numpy() > 0
        found[domain] = round(auc(opiner.score(test["text"].to_list(), words=0).probability, positive), 4)
        print(domain, found[domain], flush=True)
    mean = float(np.mean(list(found.values())))
    return {"auc": found, "mean": mean}, [("mean AUC on the domain left out", mean, 0.93, True)]


def _giftcards() -> tuple[dict[str, Any], Goals]:
    frame = pl.read_parquet(DATA / "amazon-giftcards-reviews" / "interactions.parquet")
    frame = frame.filter((pl.col.rating >= 4) | (pl.col.rating <= 2))
    whole = pl.concat_str(pl.col.summary.fill_null(""), pl.col.text.fill_null(""), separator=". ")
    texts = frame.select(whole).to_series().to_list()
    positive = frame["rating"].to_numpy() >= 4
    _, held_out = LearnedOpiner.learn(texts, frame["rating"].to_numpy())
    listed = LexiconOpiner().score(texts, words=0).opinion
    return {
        "texts": len(texts), "negative": int((~positive).sum()), "learned": _interval(held_out, positive),
        "lexicon": _interval(listed, positive), "peer": _peer("vader", texts, positive, 0.0),
    }, []  # fmt: skip


def _vectors() -> tuple[dict[str, Any], Goals]:
    sets, goals = {}, Goals()
    for name in ("office", "industrial"):
        folder = DATA / f"amazon-{name}-text"
        items = pl.read_parquet(folder / "items.parquet")
        log = read_interactions(folder / "interactions.parquet", items=items, rejected=False)
        catalog = Catalog.read(items, log.vocab)
        texts = catalog.texts()
        cold = np.random.default_rng(0).random(len(texts)) < COLD
        ways = {way: make_encoder(way, texts).encode(texts) for way in ("learned", "static")}
        scores: dict[str, Callable[[Any], Any]] = {
            way: lambda given, v=vectors: (given @ v) @ v.T for way, vectors in ways.items()
        }
        rows = tf_idf(texts)
        scores["tf-idf cosine"] = lambda given, x=rows: ((given @ x) @ x.T).toarray()
        scores["brand popularity"] = _brands(catalog.attributes["brand"], log, cold)
        found = {
            way: {among: recall_of(score, log, cold, among=mask) for among, mask in (("cold", cold), ("all", None))}
            for way, score in scores.items()
        }
        sets[name] = {
            way: {among: _mean(values) for among, values in both.items()} for way, both in found.items()
        }  # fmt: skip
        for among in ("cold", "all"):
            ours, best, brand = (found[way][among] for way in ("learned", "tf-idf cosine", "brand popularity"))
            above, worse = _mean(ours - brand), _mean(ours - best)
            goals.append((f"{name}, among {among}: above brand popularity, low end", above["low"], 0.0, True))
            goals.append((f"{name}, among {among}: less TF-IDF cosine, high end", worse["high"], 0.0, True))
    return {"recall@20": sets}, goals


PARTS = {
    "zh": _zh, "giftcards": _giftcards, "vectors": _vectors, "help": _help, "cost": _cost, "zh-domains": _zh_domains,
}  # fmt: skip


def tf_idf(texts: list[str]) -> sp.csr_matrix:
    """Sublinear TF-IDF rows of length one, without a decomposition."""
    counts = Ngrams((1, 4), 2, 20).counts(texts)
    holders = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = (holders > 1) & (holders < 0.5 * len(texts))
    rarity = np.where(kept, np.log(len(texts) / np.maximum(holders, 1)), 0)
    rows = sp.csr_matrix(
        ((1 + np.log(counts.data)) * rarity[counts.indices], counts.indices, counts.indptr), counts.shape
    )
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scaled = (sp.diags(1 / np.where(length > 0, length, 1)) @ rows).astype(np.float32).tocsr()
    scaled.eliminate_zeros()
    return scaled


def _brands(brands: list[Any], log: Any, cold: Bools) -> Callable[[Any], Any]:
    """The popularity of an item's brand among the items that are not cold."""
    _, brand = np.unique([str(one or at) for at, one in enumerate(brands)], return_inverse=True)
    counts = np.bincount(log.items, minlength=len(cold)) * ~cold
    popularity = np.bincount(brand, weights=counts)[brand].astype(np.float32)
    return lambda given: np.tile(popularity, (given.shape[0], 1))


def ece(p: Any, positive: Any) -> float:
    """The expected calibration error over bins of equal count."""
    order = np.argsort(p)
    return sum(abs(p[b].mean() - positive[b].mean()) * len(b) for b in np.array_split(order, BINS)) / len(p)


def _reviews() -> pl.DataFrame:
    return pl.read_parquet(DATA / "zh-reviews" / "reviews.parquet")


def _interval(score: Any, positive: Any) -> dict[str, float]:
    """AUC with a bootstrap interval over texts."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(score), len(score))
        drawn.append(auc(np.asarray(score)[rows], positive[rows]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return {"auc": round(auc(np.asarray(score), positive), 4), "low": round(low, 4), "high": round(high, 4)}


def _mean(values: Any) -> dict[str, float]:
    """A mean with a bootstrap interval over histories."""
    rng = np.random.default_rng(0)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(DRAWS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _peer(name: str, texts: list[str], positive: Any, middle: float) -> dict[str, Any] | None:
    """What a peer says of the same texts; None without its Python."""
    python = os.environ.get("PENCHANT_TEXT_PEERS")
    if python is None:
        return None
    done = subprocess.run(
        [python, "-c", PEER, name], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    found, seconds = json.loads(done.stdout)
    score = np.array(found)
    return {
        "name": name, "texts": len(texts), "accuracy": round(float(((score > middle) == positive).mean()), 4),
        **_interval(score, positive), "texts_a_second": round(len(texts) / seconds),
    }  # fmt: skip
