"""Why an item is in a list, as a sentence and as a bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAMED = 3  # reasons that the sentence names; the bar shows all
SHADES = 6  # colours of past items in a bar; 0 is neutral
WIDTH = 1000.0  # of a bar, in its own units


def reasons(entry: Mapping[str, Any], shade_of: Mapping[str, int], top: float) -> dict[str, Any]:
    """The reasons of an entry: the largest parts for and against it, and the segments of its bar.

    A segment is as long as its part of the score; ``top`` is the score that fills the bar. Without shades (too many
    past items), the named items get the first colours, and all others together the neutral one.
    """
    why = entry.get("why") or {"method": "exact", "parts": []}  # only the first items of a long history have reasons
    parts = _together(why["parts"])
    gained = sum(part["contribution"] for part in parts if part["contribution"] > 0)
    supporting = [
        {**part, "share": part["contribution"] / gained, "shade": shade_of.get(part["item"], 0)}
        for part in parts
        if part["contribution"] > 0
    ]
    if not shade_of:
        for n, part in enumerate(supporting[:NAMED], 1):
            part["shade"] = n
    against = [part for part in parts[::-1] if part["contribution"] < 0]
    return {
        "for": supporting[:NAMED],
        "more": max(0, len(supporting) - NAMED),
        "against": against[:NAMED],
        "method": why["method"],
        "words": _words(why.get("reasons", ())),
        "bar": _bar(supporting, max(0.0, entry["score"]), top),
    }


def _words(told: Sequence[Mapping[str, Any]]) -> list[str]:
    """The largest reasons for it beside the history, in words: the context, what other models say."""
    most = sorted((one for one in told if one["contribution"] > 0), key=lambda one: -one["contribution"])
    return [one["words"] for one in most if one["name"] != "other"][:NAMED]


def _together(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One part per item, the largest first."""
    sums: dict[str, dict[str, Any]] = {}
    for part in parts:
        known = sums.setdefault(part["item"], {**part, "contribution": 0.0})
        known["contribution"] += part["contribution"]
    return sorted(sums.values(), key=lambda part: -part["contribution"])


def _bar(parts: Sequence[Mapping[str, Any]], score: float, top: float) -> list[dict[str, Any]]:
    """The segments of a bar; those of the neutral colour are joined at the end."""
    length = WIDTH * min(1.0, score / top) if top > 0 else 0.0
    widths = [(length * part["share"], part["shade"]) for part in parts if part["shade"]]
    widths.append((length * sum(part["share"] for part in parts if not part["shade"]), 0))
    segments, start = [], 0.0
    for width, shade in widths:
        if width >= 0.5:
            segments.append({"x": round(start, 1), "width": round(width, 1), "shade": shade})
        start += width
    return segments


def shades(items: Sequence[str]) -> dict[str, int]:
    """A colour for each of the newest past items, the neutral one for older ones; ``items`` oldest first."""
    known = list(dict.fromkeys(items))
    return {item: n % SHADES + 1 if n >= len(known) - SHADES else 0 for n, item in enumerate(known)}


def with_reasons(entries: Sequence[Mapping[str, Any]], shade_of: Mapping[str, int]) -> list[dict[str, Any]]:
    """Every entry of a list with its reasons."""
    top = max((entry["score"] for entry in entries), default=0.0)
    return [{**entry, "reasons": reasons(entry, shade_of, top)} for entry in entries]
