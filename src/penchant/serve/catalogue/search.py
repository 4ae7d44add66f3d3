"""Search as one types: every word somewhere in the title, whatever the case, the accents and the order."""

from __future__ import annotations

import heapq
import unicodedata

import numpy as np

from penchant.serve.answers.models import Loaded

MOST = 100  # characters of a question


def folded(text: str) -> str:
    """A text without case and accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def search(loaded: Loaded, question: str, k: int) -> list[int]:
    """Positions of shown items, titles that begin with the question first, then those more people had; an item whose id
    is the question comes before all. Without words: all items, most people first."""
    shelf, asked = loaded.shelf, folded(question[:MOST]).strip()
    words = asked.split()
    titles = _titles(loaded)
    mask = shelf.select(None).mask
    exact = shelf.position.get(question.strip(), -1)
    counts = loaded.recommender.item_counts
    found = [
        (at != exact, not title.startswith(asked), -int(counts[at]) if at < shelf.n_model else 0, at)
        for at, title in enumerate(titles[: len(mask)])
        if mask[at] and (at == exact or all(word in title for word in words))
    ]
    return [at for *_, at in heapq.nsmallest(k, found)]


def _titles(loaded: Loaded) -> list[str]:
    """The folded titles (ids where there is none), made anew when the catalogue has changed."""
    shelf = loaded.shelf
    kept = loaded.kept.get("folded")
    if kept is not None and kept[0] == shelf.version:
        return kept[1]  # type: ignore[no-any-return]  # kept holds many kinds
    with shelf.lock:
        version = shelf.version
        titles = [folded(title or item) for title, item in zip(shelf.titles, shelf.ids, strict=True)]
    loaded.kept["folded"] = version, titles
    return titles


def had(loaded: Loaded, at: int) -> int:
    """How many training histories hold an item."""
    counts = loaded.recommender.item_counts
    return int(counts[at]) if 0 <= at < len(np.atleast_1d(counts)) else 0
