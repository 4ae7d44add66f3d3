"""ITEM on the command line: an exact id, else a unique part of a title."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penchant.errors import UnknownItemError

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog
    from penchant.data.vocab import Vocab

_ARTICLE = re.compile(r"^(the|a|an|la|le|les|el|der|die|das)\s+(.+)$", re.IGNORECASE)
SUGGESTIONS = 5


def resolve_items(vocab: Vocab, catalog: Catalog | None, texts: Sequence[str]) -> list[str]:
    """The ids of ITEM arguments.

    ``The Matrix`` also finds ``Matrix, The``. Raises ``UnknownItemError``, with titles that share its words, or
    ``AmbiguousItemError`` with the list of matches.
    """
    return [_resolve(vocab, catalog, text) for text in texts]


def _resolve(vocab: Vocab, catalog: Catalog | None, text: str) -> str:
    if catalog is None:
        index = vocab.index(text)
        if index < 0:
            raise UnknownItemError(f"no item has the id {text!r}; there are no titles to search")
        return vocab.ids[index]
    try:
        return vocab.ids[catalog.resolve(text)]
    except UnknownItemError as unknown:
        if hasattr(unknown, "matches"):
            raise
        turned = _ARTICLE.match(text.strip())
        if turned and catalog.find(f"{turned[2]}, {turned[1]}"):
            return vocab.ids[catalog.resolve(f"{turned[2]}, {turned[1]}")]
        near = _near(catalog, text)
        hint = f"; similar titles: {' · '.join(near)}" if near else ""
        raise UnknownItemError(f"{unknown}{hint}") from None


def _near(catalog: Catalog, text: str) -> list[str]:
    """Titles that share the most words with the text, or else titles with a similar spelling."""
    import difflib

    titles = [title for title in catalog.titles if title]
    words = {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 2}
    shared = [(len(words & set(re.findall(r"\w+", title.casefold()))), title) for title in titles]
    most = max((count for count, _ in shared), default=0)
    if most:
        return [title for count, title in shared if count == most][:SUGGESTIONS]
    folded = {title.casefold(): title for title in titles}
    return [folded[found] for found in difflib.get_close_matches(text.casefold(), folded, SUGGESTIONS, cutoff=0.5)]
