"""The section of ``docs/benchmarks.md`` on texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.peers import ROOT

RESULTS = ROOT / "bench" / "results" / "text"
HEAD = (
    "Opinions of reviews, item texts as vectors, and whether they help. Intervals are 95 % by bootstrap: of an "
    "AUC over texts, of a recall over histories, of a difference over the same cases. Times are those of one core.\n"
)
PARTS = {
    "zh": "Chinese reviews",
    "zh-domains": "Chinese reviews of a domain left out",
    "giftcards": "English reviews",
    "cost": "Speed and memory",
    "vectors": "Item texts as vectors",
    "help": "Do opinions help models?",
}


def section(
    table: Callable[..., str], where: Callable[[dict[str, Any]], str], goals: Callable[[list[dict[str, Any]]], str]
) -> str:
    """The section, of the parts that have a result."""
    parts = ["## Words\n", HEAD]
    for name, title in PARTS.items():
        file: Path = RESULTS / f"{name}.json"
        if not file.exists():
            continue
        result = json.loads(file.read_text(encoding="utf-8"))
        parts.append(f"### {title}\n")
        parts.append(_BODIES[name](result, table))
        if result["goals"]:
            parts.append(goals(result["goals"]))
        parts.append(f"`{result['command']}`; {where(result['machine'])}.\n")
    return "\n".join(parts)


def _zh(result: dict[str, Any], table: Callable[..., str]) -> str:
    facts = result["facts"]
    rows = [
        ("learned", f"{result['accuracy']:.4f}", f"{result['auc']:.4f}", f"{result['ece']:.4f}"),
        ("word list", f"{result['lexicon_balanced_accuracy']:.4f}", f"{result['lexicon_auc']:.4f}", "-"),
    ]
    return (
        f"Reviews of ten domains, the split of the set; learned from {facts['texts']:,} reviews in "
        f"{result['learning_seconds']:.0f} s with {result['learning_peak_mib']:,.0f} MiB. The accuracy of the word "
        "list is the mean of that on positive and on negative reviews.\n\n"
        + table(("opinions", "accuracy", "AUC", "ECE"), rows)
    )


def _zh_domains(result: dict[str, Any], table: Callable[..., str]) -> str:
    rows = [(name, f"{value:.4f}") for name, value in result["auc"].items()]
    return "Learned on nine domains, tested on the tenth.\n\n" + table(("domain left out", "AUC"), rows)


def _giftcards(result: dict[str, Any], table: Callable[..., str]) -> str:
    shown = {"learned, out of fold": result["learned"], "word list": result["lexicon"]}
    if result["peer"] is not None:
        shown["VADER"] = result["peer"]
    rows = [(name, f"{one['auc']:.4f}", f"{one['low']:.4f} to {one['high']:.4f}") for name, one in shown.items()]
    return (
        f"Gift cards: {result['texts']:,} reviews, of which {result['negative']} are negative; stars of 4 and 5 "
        "against 1 and 2. Equal texts stay in one fold.\n\n" + table(("opinions", "AUC", "interval"), rows)
    )


def _cost(result: dict[str, Any], table: Callable[..., str]) -> str:
    ours, peer = result["scoring"], result["peer"]
    rows = [("learned", f"{ours['texts_a_second']:,.0f}", f"{result['same_texts']['accuracy']:.4f}",
             f"{result['same_texts']['auc']:.4f}")]  # fmt: skip
    if peer is not None:
        rows.append(("SnowNLP", f"{peer['texts_a_second']:,}", f"{peer['accuracy']:.4f}", f"{peer['auc']:.4f}"))
    heard = [
        (name, *(f"{one[key]:.2f}" for key in ("mean", "p99", "longest")))
        for name, one in result["milliseconds_of_a_comment"].items()
    ]
    return (
        f"Chinese reviews scored from a saved folder in a process of its own, which took {ours['peak_mib']:,.0f} MiB; "
        f"accuracy and AUC on the same 1,500 reviews.\n\n"
        + table(("opinions", "texts a second", "accuracy", "AUC"), rows)
        + "\nWhat a comment adds to an event of the service, in milliseconds:\n\n"
        + table(("opinions", "mean", "99th percentile", "a text of 4 KiB"), heard)
    )


def _vectors(result: dict[str, Any], table: Callable[..., str]) -> str:
    rows = [
        (name, way, *(f"{both[among]['mean']:.4f} ({both[among]['low']:.4f} to {both[among]['high']:.4f})"
                      for among in ("cold", "all")))
        for name, ways in result["recall@20"].items() for way, both in ways.items()
    ]  # fmt: skip
    return (
        "A fifth of the items is held out; recall@20 of held-out items for histories of the others, ranked among the "
        "held-out items and among all. The score of an item is the sum of its cosines with the history.\n\n"
        + table(("Amazon catalogue", "vectors", "among cold items", "among all"), rows)
    )


def _help(result: dict[str, Any], table: Callable[..., str]) -> str:
    def rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
        return [
            (f"`{model}`", use, f"{one['mean']:.4f}",
             f"{one['less_stars']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})" if "low" in one else "-")
            for model, uses in found.items() for use, one in uses.items() if use != "cases"
        ]  # fmt: skip

    cases = next(iter(result["ranking"].values()))["cases"]
    return (
        f"Gift cards, split by time: the newest fifth judges ({result['later_reviews']} reviews of new pairs, {cases} "
        "people with a list). Opinions are learned from earlier reviews, out of fold; no text of a review that is "
        "predicted is read. The error of ratings (RMSE), lower is better:\n\n"
        + table(("model", "values", "RMSE", "difference to stars"), rows(result["rating"]))
        + "\nNDCG@10 of lists from positives (4 and 5 stars), each counting 1 or 1 + opinion:\n\n"
        + table(("model", "positives", "NDCG@10", "difference to stars"), rows(result["ranking"]))
    )


_BODIES: dict[str, Callable[[dict[str, Any], Callable[..., str]], str]] = {
    "zh": _zh, "zh-domains": _zh_domains, "giftcards": _giftcards, "cost": _cost, "vectors": _vectors, "help": _help,
}  # fmt: skip
