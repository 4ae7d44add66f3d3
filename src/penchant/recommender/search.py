"""Search in a recommender: by words, by meaning, by taste; and lists for a stated need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from penchant.core.histories import Bools, Floats, Histories
from penchant.core.rank import Scored, rank, rank_by_popularity
from penchant.errors import ParameterError
from penchant.recommender.answer import Reason, Why
from penchant.recommender.fallback import Lists
from penchant.recommender.held import Held
from penchant.text.search import folded, personalised, relevance

if TYPE_CHECKING:
    from penchant.data.vocab import Vocab

NEED = 0.7  # of a stated need against taste, where no weight was chosen on validation
MOST_NEED = 500  # characters of a need that are read
_titles: WeakKeyDictionary[Held, tuple[Vocab, list[str]]] = WeakKeyDictionary()


def search(recommender: Held, text: str, k: int, given: Histories | None) -> tuple[list[int], list[float]]:
    """The items that answer a question best, and their relevance; raises ``ParameterError`` for one that is no text."""
    if not isinstance(text, str):
        raise ParameterError(f"a question is a text, not {type(text).__name__}")
    found = relevance(text, titles(recommender), meaning(recommender, text))
    if given is not None:
        found = personalised(found, recommender.model.score(given)[0])
    available = recommender.available()
    found = found if available is None else np.where(available, found, 0)
    order = np.lexsort((rank_by_popularity(recommender.item_counts), -found))[:k]
    chosen = order[found[order] > 0].tolist()
    return chosen, found[chosen].tolist()


class Asked(NamedTuple):
    """What a person wants: the relevance of each item, ``(n_items,)``, and how a reason names it."""

    found: Floats
    says: str

    @classmethod
    def of(cls, recommender: Held, need: str) -> Asked:
        """A stated need; raises ``ParameterError`` for one that is no text."""
        if not isinstance(need, str):
            raise ParameterError(f"a need is a text, not {type(need).__name__}")
        need = need[:MOST_NEED]
        found = relevance(need, titles(recommender), meaning(recommender, need))
        return cls(found, f"what was asked for: {need}")


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a person says they want, and what their history says, of each item: from 0 to 1, ``(n_items,)``."""

    says: str  # how a reason names the need
    weight: float  # of the need
    said: Floats
    taste: Floats
    possible: Bools  # items that the model can score

    @classmethod
    def of(cls, recommender: Held, given: Histories, need: str | Asked, weight: float | None = None) -> Wanted:
        """For one history. Taste is the rank of an item in the scores of the model; the need is the relevance of the
        item, as in search. ``weight`` is otherwise the one that fitting has chosen. Raises ``ParameterError`` for a
        need that is no text.
        """
        asked = need if isinstance(need, Asked) else Asked.of(recommender, need)
        scores = recommender.model.score(given)[0]
        order = np.argsort(np.lexsort((-rank_by_popularity(recommender.item_counts), scores)))
        chosen = weight_of(recommender) if weight is None else weight
        said = (asked.found / max(float(asked.found.max(initial=0)), 1e-9)).astype(np.float32)
        return cls(asked.says, chosen, said, (order / max(len(order) - 1, 1)).astype(np.float32), np.isfinite(scores))

    @property
    def scores(self) -> Floats:
        """``weight`` · need + (1 - ``weight``) · taste; -inf for what the model cannot score."""
        blended = self.weight * self.said + (1 - self.weight) * self.taste
        return np.where(self.possible, blended, -np.inf).astype(np.float32)

    def whys(self, items: Sequence[int]) -> list[Why]:
        """What the need and the history add to the score of each item."""
        return [self._why(item) for item in items]

    def _why(self, item: int) -> Why:
        share = f"{self.weight:.0%} of the score"
        need, taste = self.weight * float(self.said[item]), (1 - self.weight) * float(self.taste[item])
        reasons = [
            Reason("need", f"{self.says} ({share})", need),
            Reason("taste", "the history", taste),
        ]
        return Why("exact", 0.0, [], sorted(reasons, key=lambda reason: -reason.contribution))


def weight_of(recommender: Held) -> float:
    """The weight of a need: the one that fitting has chosen on held-out items, else ``NEED``."""
    chosen = recommender.fitted_on.get("need")
    weight = chosen.get("weight") if isinstance(chosen, dict) else None
    usable = isinstance(weight, (int, float)) and not isinstance(weight, bool) and 0 <= weight <= 1
    return float(weight) if usable and weight is not None else NEED


def rank_by_need(
    recommender: Held, given: Histories, need: str | Asked, k: int, *, allow: Bools | None, repeat: bool, why: bool
) -> tuple[Lists, list[Why] | None]:
    """The list for a stated need, without the items of ``given`` unless ``repeat``, and its reasons if asked for."""
    wanted = Wanted.of(recommender, given, need)
    scored = Scored(wanted.scores[None, :], recommender.item_counts, recommender.model.name)
    nothing = Histories.from_lists([[]], recommender.model.n_items)
    ranked = rank(scored, given, k, exclude=nothing if repeat else given, allow=allow, threads=1)
    whys = wanted.whys(ranked.items[0][ranked.items[0] >= 0].tolist()) if why else None
    return Lists(ranked.items, ranked.scores, np.zeros(1, dtype=np.bool_)), whys


def titles(recommender: Held) -> list[str]:
    """The folded title of each item, or its id; made once."""
    known = _titles.get(recommender)
    if known is None or known[0] is not recommender.vocab:
        n = range(recommender.model.n_items)
        made = [folded(recommender.title(at) or recommender.vocab.ids[at]) for at in n]
        known = _titles[recommender] = (recommender.vocab, made)
    return known[1]


def meaning(recommender: Held, text: str) -> Floats | None:
    """The cosine of each item's text with another, ``(n_items,)``; None where the items have no such vectors."""
    vectors = None if recommender.catalog is None else recommender.catalog.vectors
    if recommender.text is None or vectors is None:
        return None
    cosine: Floats = vectors[: recommender.model.n_items] @ recommender.text.encode([text])[0]
    return cosine
