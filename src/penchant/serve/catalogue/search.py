"""Search as you type: by the words of titles, and by meaning where texts have vectors."""

from __future__ import annotations

import heapq

from penchant.core.histories import Floats
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.text.search import LEAST, folded

MOST = 100  # characters of a question


def search(catalogue: LiveCatalogue, question: str, k: int, taste: Floats | None = None) -> list[int]:
    """Positions of the visible items that match, best first.

    Order: an item whose id is the question, then titles with every word (case, accents and word order do not matter),
    those that begin with the question first, then what is nearest by meaning; within these, by a person's ``taste``
    (scores of the items that the model knows), else by the number of training histories. Without words: all items.
    """
    asked = folded(question[:MOST]).strip()
    words = asked.split()
    titles = catalogue.derive("folded titles", lambda: _titles(catalogue))
    mask = catalogue.select(None).mask
    exact = catalogue.vocab.index(question.strip())

    def liked(at: int) -> float:
        if taste is None:
            return -float(catalogue.count(at))
        return -float(taste[at]) if at < len(taste) else float("inf")

    found = [
        (at != exact, not title.startswith(asked), liked(at), at)
        for at, title in enumerate(titles[: len(mask)])
        if mask[at] and (at == exact or all(word in title for word in words))
    ]
    best = [at for *_, at in heapq.nsmallest(k, found)]
    if len(best) < k and words and catalogue.meanings.encoder is not None:
        best += _near(catalogue, question[:MOST], k - len(best), {at for *_, at in found})
    return best


def _near(catalogue: LiveCatalogue, question: str, k: int, but: set[int]) -> list[int]:
    """The visible items whose text is nearest to the question, without those found already."""
    assert catalogue.meanings.encoder is not None
    cosine = catalogue.meaning(catalogue.meanings.encoder.encode([question])[0])
    if cosine is None:
        return []
    mask = catalogue.select(None).mask
    near = ((-float(cosine[at]), at) for at in range(len(mask)) if mask[at] and at not in but and cosine[at] >= LEAST)
    return [at for _, at in heapq.nsmallest(k, near)]


def _titles(catalogue: LiveCatalogue) -> list[str]:
    """The folded titles; the id where an item has none."""
    return [folded(title or item) for title, item in zip(catalogue.titles, catalogue.ids, strict=True)]
