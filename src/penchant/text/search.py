"""Search by words and by meaning."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from penchant.core.histories import Bools, Floats

WHOLE, SOME = 2.0, 1.0  # what an item gets that has all words in its title, and the most for some of them
LEAST = 0.15  # cosine from which a meaning is near
TASTE = 0.5  # what the item that a person likes best gets more


def folded(text: str) -> str:
    """A text without case and accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def relevance(question: str, titles: Sequence[str], meaning: Floats | None = None) -> Floats:
    """How well each item answers a question; ``(n_items,)``, 0 where it does not.

    ``titles`` are folded; ``meaning`` is the cosine of each item's text with the question. An item with all words in
    its title is above every other; then count the share of the words, each as much as it is rare, and the meaning.
    """
    words = folded(question).split()
    found = np.zeros(len(titles), dtype=np.float32)
    if words:
        held = np.array([[word in title for title in titles] for word in words], dtype=np.bool_).reshape(len(words), -1)
        rarity = np.log1p(len(titles) / np.maximum(held.sum(axis=1), 1)) * held.any(axis=1)
        share = (rarity[:, None] * held).sum(axis=0) / max(float(rarity.sum()), 1e-9)
        found += np.where(held.all(axis=0), WHOLE, SOME * share * held.any(axis=1).mean()).astype(np.float32)
    if meaning is not None:
        found += np.where(meaning >= LEAST, meaning, 0)
    return found


def personalised(found: Floats, scores: Floats, known: Bools | None = None) -> Floats:
    """Relevance moved by taste: the items found, by rank of a person's scores, get up to ``TASTE`` more."""
    hits = np.flatnonzero((found > 0) & np.isfinite(scores) & (True if known is None else known))
    if len(hits) < 2:
        return found
    order = np.argsort(np.argsort(scores[hits], kind="stable"), kind="stable")
    moved = found.copy()
    moved[hits] += (TASTE * order / (len(hits) - 1)).astype(np.float32)
    return moved
