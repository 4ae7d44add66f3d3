"""What a person wrote without an item, as a need: read once, then known by the words that titles hold and a vector."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from penchant.core.histories import Floats
from penchant.recommender.held import Held
from penchant.recommender.search import MOST_NEED, Asked, titles
from penchant.text.clean import cleaned
from penchant.text.comment import TEXT
from penchant.text.search import folded, relevance

NEED = "need"  # of what is kept of a text
MOST_WORDS = 32  # of a text that are kept, the first that stand in titles
LONGEST = 40  # characters of such a word
SHOWN = 100  # characters of a kept text in a reason
_joined: WeakKeyDictionary[Held, tuple[list[str], str]] = WeakKeyDictionary()


def read_needs(recommender: Held, version: str, texts: Sequence[str]) -> list[dict[str, Any] | None]:
    """What is kept of each text: the words that stand in titles, and its vector in half precision, which counts for the
    model of this ``version`` only. None for a text that says nothing, and where items have no vectors of texts.

    Cost: one encoding, and a look through the titles for each word.
    """
    encoder, vectors = recommender.text, None if recommender.catalog is None else recommender.catalog.vectors
    if encoder is None or vectors is None or not texts:
        return [None] * len(texts)
    read = [cleaned(text)[:MOST_NEED] for text in texts]
    held = _all_titles(recommender)
    kept: list[dict[str, Any] | None] = []
    for text, vector in zip(read, encoder.encode(read), strict=True):
        words = [one for one in dict.fromkeys(folded(text).split()) if len(one) <= LONGEST and one in held][:MOST_WORDS]
        said: dict[str, Any] = {"words": words} if words else {}
        if vector.any():
            said |= {"vector": base64.b64encode(vector.astype("<f2").tobytes()).decode(), "version": version}
        kept.append(said or None)
    return kept


def asked_by(recommender: Held, version: str, comment: Mapping[str, Any]) -> Asked | None:
    """What a text asks for, from what is kept of it (``context.comment``); None where the model makes nothing of it."""
    need = comment.get(NEED)
    vectors = None if recommender.catalog is None else recommender.catalog.vectors
    if not isinstance(need, Mapping) or recommender.text is None or vectors is None:
        return None
    near: Floats | None = None
    if need.get("version") == version:
        vector = np.frombuffer(base64.b64decode(need["vector"]), "<f2").astype(np.float32)
        near = vectors[: recommender.model.n_items] @ vector
    found = relevance(" ".join(need.get("words", ())), titles(recommender), near)
    if not found.any():
        return None
    text = comment.get(TEXT)
    return Asked(found, f"you wrote: {text[:SHOWN]}" if isinstance(text, str) else "from what you wrote")


def _all_titles(recommender: Held) -> str:
    """The titles of all items in one text, in which a word is found fast; made once."""
    listed, known = titles(recommender), _joined.get(recommender)
    if known is None or known[0] is not listed:
        known = _joined[recommender] = (listed, "\n".join(listed))
    return known[1]
