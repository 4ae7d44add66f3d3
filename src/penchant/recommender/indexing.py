"""Building the index of a model: only where exact lists are slow, and only if it finds what they hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from penchant.core.histories import Histories, Ints
from penchant.core.nearest_items import HISTORIES, RECALL, K, build, library
from penchant.core.rank import rank
from penchant.errors import DataError, ParameterError
from penchant.models.kinds.base import Model
from penchant.models.kinds.products import ProductModel

SLOW_MS = 5.0  # an exact list that takes no longer needs no index
TIMED = 9  # lists, after one that is not


def check_can_have_index(model: Model) -> ProductModel:
    """The model, fitted or not. Raises ``ParameterError`` by name where its scores are not inner products, and
    ``MissingExtraError`` without the extra ``index``."""
    if not isinstance(model, ProductModel) or not model.has_products:
        raise ParameterError(f"{model.name} has no index: its scores are not inner products with item vectors")
    library()
    return model


def build_index(
    fitted: Model,
    histories: Histories,
    popularity_rank: Ints,
    *,
    recall: float = RECALL,
    slower_than: float = SLOW_MS,
    threads: int = 0,
    seed: int = 0,
) -> str:
    """Give a model an index, if it helps; returns a sentence that says so. See ``Recommender.build_index``."""
    model = check_can_have_index(fitted)
    if not 0 < recall <= 1:
        raise ParameterError(f"recall must be > 0 and ≤ 1, got {recall!r}")
    if not slower_than >= 0:
        raise ParameterError(f"slower_than must be ≥ 0 milliseconds, got {slower_than!r}")
    model.index = None
    used = histories if model.uses_negatives else histories.positives()
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(used.lengths > 0))[:HISTORIES]
    if not len(drawn):
        raise DataError("an index needs histories with an event that the model knows")

    def one(row: int, exact: bool) -> None:
        only = histories[drawn[row : row + 1]]
        rank(model, only, min(K, model.n_items), popularity_rank=popularity_rank, threads=1, exact=exact)

    timed = min(TIMED, len(drawn))
    exact_ms = _milliseconds(lambda row: one(row, True), timed)
    if exact_ms <= slower_than:
        return f"no index: an exact list takes {exact_ms:.2g} ms, not more than {slower_than:g}"
    vectors, bias = model.item_side()
    made, said = build(
        vectors, bias, model.products(histories[drawn]).vectors, recall=recall, threads=threads, seed=seed
    )
    if made is None:
        return said
    model.index = made
    index_ms = _milliseconds(lambda row: one(row, False), timed)
    if index_ms >= exact_ms:
        model.index = None
        return f"no index: a list from it takes {index_ms:.2g} ms, an exact one {exact_ms:.2g}"
    model.index = replace(made, facts=replace(made.facts, exact_ms=exact_ms, index_ms=index_ms))
    return f"{said}; a list takes {index_ms:.2g} instead of {exact_ms:.2g} ms"


def _milliseconds(work: Callable[[int], None], times: int) -> float:
    """The median processor time of this thread, after a first call that may compile."""
    from statistics import median

    work(0)
    taken = []
    for row in range(times):
        start = time.thread_time()
        work(row)
        taken.append(1000 * (time.thread_time() - start))
    return round(median(taken), 3)
