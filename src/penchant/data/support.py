"""k-anonymous support: what fewer than k histories hold never reaches a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penchant.core.histories import Ints
from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions
from penchant.data.recipe import MOST_SUPPORT
from penchant.data.vocab import Vocab
from penchant.errors import DataError, ParameterError


def supported(log: Interactions, k: int, catalog: Catalog | None = None) -> tuple[Interactions, Catalog | None, str]:
    """A log without what fewer than k histories hold, the catalogue over its items, and a note of what was left out.

    - An item needs k histories in which it is a positive. Events of rarer items go, and so do these items, unless the
      catalogue describes them: what a public table lists
      says nothing about people. Rows marked ``test`` do not count.
    - Values of contexts that rarer occur are missing afterwards, and unknown to the recipe.
    - ``recipe.min_support`` is k; by it, models of pairs leave out pairs that fewer histories share.

    The log itself is returned for k = 1. Raises ``ParameterError`` for k below 1 or above ``MOST_SUPPORT``, and for a
    log with aspects, whose words few people may have written; ``DataError`` where nothing is left. Cost: a few passes.
    """
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST_SUPPORT:
        raise ParameterError(f"min_support is a whole number from 1 to {MOST_SUPPORT:,}, not {k!r}")
    if k == 1:
        return log, catalog, ""
    if log.aspects is not None:
        raise ParameterError("min_support: aspects are words of single texts: leave out one of the two")
    learned = log if log.parts is None else log.where(np.asarray(log.parts != "test"))
    counts = learned.histories().positives().counts()  # those that a folder shows
    enough = counts >= k
    kept = log.where(enough[log.items])
    if not len(kept):
        raise DataError(f"min_support {k:,}: no item was seen in so many histories")
    known = catalog.described() if catalog is not None else set()
    stay = enough | np.array([item in known for item in log.vocab.ids], dtype=np.bool_)
    index = np.where(stay, np.cumsum(stay) - 1, -1)
    vocab = Vocab([log.vocab.ids[at] for at in np.flatnonzero(stay).tolist()], integers=log.vocab.integers)
    recipe, context = replace(kept.recipe, min_support=k), kept.context
    if context is not None:
        values, context = _contexts(kept, context, k)
        recipe = replace(recipe, contexts=values)
    shown = None if kept.shown is None else kept.shown.over(np.where(enough, index, -1))
    found = replace(
        kept, vocab=vocab, items=index[kept.items].astype(np.int32), recipe=recipe, context=context, shown=shown
    )
    rare = int(((counts > 0) & ~enough).sum())
    note = f"min_support {k:,}: {rare:,} items and {len(log) - len(kept):,} events were left out"
    return found, None if catalog is None else catalog.over(vocab), note


def _contexts(log: Interactions, codes: Ints, k: int) -> tuple[dict[str, tuple[str, ...]], Ints]:
    """The values of contexts that at least k histories have, and the codes of the events under them."""
    fresh, names = codes.copy(), dict[str, tuple[str, ...]]()
    for at, (name, values) in enumerate(log.recipe.contexts.items()):
        column = codes[:, at].astype(np.int64)
        stated = column >= 0
        pairs = np.unique(log.users[stated].astype(np.int64) * len(values) + column[stated])
        enough = np.bincount(pairs % max(1, len(values)), minlength=len(values)) >= k
        if log.recipe.people.get(name):  # parts of a number, which its bounds name
            number, names[name] = np.where(enough, np.arange(len(values)), -1), values
        else:
            number = np.where(enough, np.cumsum(enough) - 1, -1)
            names[name] = tuple(value for value, there in zip(values, enough, strict=True) if there)
        fresh[stated, at] = number[column[stated]]
    return names, fresh
