"""Which items a list may hold, from the ids that a caller names."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from penchant.core.histories import Bools
from penchant.errors import ParameterError
from penchant.recommender.held import Held


def mask_of(recommender: Held, allow: Iterable[object] | Bools | None, exclude: Iterable[object]) -> Bools | None:
    """A mask of the items that are available, allowed and not excluded, ``(n_items,)``; None if all are.

    Raises ``ParameterError`` for a mask of another shape and for anything but a list of ids.
    """
    n_items = recommender.model.n_items
    mask: Bools | None = None
    if isinstance(allow, np.ndarray) and allow.dtype == np.bool_:
        if allow.shape != (n_items,):
            raise ParameterError(f"allow is a mask over {n_items} items, not of shape {allow.shape}")
        mask = allow
    elif allow is not None:
        mask = np.zeros(n_items, dtype=np.bool_)
        mask[_indexes(recommender, allow, "allow")] = True
    available, banned = recommender.available(), _indexes(recommender, exclude, "exclude")
    if available is not None:
        mask = available if mask is None else mask & available
    if banned:
        mask = np.ones(n_items, dtype=np.bool_) if mask is None else mask.copy()
        mask[banned] = False
    return mask


def _indexes(recommender: Held, ids: Iterable[object], what: str) -> list[int]:
    if isinstance(ids, (str, bytes)):
        raise ParameterError(f"{what} is a list of ids, not the text {str(ids)[:80]!r}")
    if isinstance(ids, np.ndarray) and (ids.ndim != 1 or len(np.unique(ids)) < len(ids)):
        raise ParameterError(f"{what} is a list of ids, each once: a mask over the items is an array of booleans")
    found = (recommender.index(item_id) for item_id in ids)
    return [index for index in found if index >= 0]
