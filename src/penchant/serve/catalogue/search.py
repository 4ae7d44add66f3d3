"""Search as you type: every word must occur in the title; case, accents and word order do not matter."""

from __future__ import annotations

import heapq
import unicodedata

from penchant.serve.catalogue.live import LiveCatalogue

MOST = 100  # characters of a question


def folded(text: str) -> str:
    """A text without case and accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def search(catalogue: LiveCatalogue, question: str, k: int) -> list[int]:
    """Positions of the visible items that match, best first.

    Order: an item whose id is the question, then titles that begin with the question, then the number of training
    histories. Without words: all items by the number of training histories.
    """
    asked = folded(question[:MOST]).strip()
    words = asked.split()
    titles = catalogue.derive("folded titles", lambda: _titles(catalogue))
    mask = catalogue.select(None).mask
    exact = catalogue.vocab.index(question.strip())
    found = [
        (at != exact, not title.startswith(asked), -catalogue.count(at), at)
        for at, title in enumerate(titles[: len(mask)])
        if mask[at] and (at == exact or all(word in title for word in words))
    ]
    return [at for *_, at in heapq.nsmallest(k, found)]


def _titles(catalogue: LiveCatalogue) -> list[str]:
    """The folded titles; the id where an item has none."""
    return [folded(title or item) for title, item in zip(catalogue.titles, catalogue.ids, strict=True)]
