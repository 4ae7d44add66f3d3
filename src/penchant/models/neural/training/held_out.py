"""The metric of early stopping: the NDCG of full rankings on events that training does not see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from penchant.core.histories import Histories, Ints
from penchant.core.metrics import judge, ndcg
from penchant.core.rank import Scored, rank, rank_by_popularity
from penchant.errors import DataError
from penchant.models.neural.training.trainable import MOST_CASES, SHARE, Trainable

if TYPE_CHECKING:
    from penchant.core.split import Split

K = 10
BLOCK = 2**24  # scores at once


@dataclass(frozen=True, eq=False)
class Cases:
    """Given and true events; the metric is NDCG@10 over all items, or minus the RMSE for rating models."""

    given: Histories
    truth: Histories
    seen: Histories
    popularity_rank: Ints
    metric: str = f"ndcg@{K}"

    def measure(self, model: Trainable, weights: dict[str, Tensor]) -> float:
        """The mean over the cases, computed by torch without an export."""
        model.set_tables({name: weight.detach().cpu().numpy() for name, weight in weights.items()})
        table, found = model.item_vectors, []
        device = next(iter(weights.values())).device
        vectors = np.zeros((len(self.given), model.vector_width), dtype=np.float32)
        with torch.no_grad():
            for rows, arrays in model.batches(
                self.given, table if model.input_vectors is None else model.input_vectors
            ):
                said = (torch.from_numpy(array).to(device) for array in arrays.values())
                vectors[rows] = model.encode(weights, *said).cpu().numpy()
        step = max(1, BLOCK // len(table))
        for lo in range(0, len(vectors), step):
            part = slice(lo, min(lo + step, len(vectors)))
            scores = model.score_vectors(vectors[part])
            truth = self.truth[part]
            if self.metric == "-rmse":
                assert truth.values is not None
                found.append((scores[truth.rows, truth.items] - truth.values) ** 2)
                continue
            ranked = rank(
                Scored(scores, model.item_counts, model.name), self.given[part], K, exclude=self.seen[part],
                popularity_rank=self.popularity_rank,
                threads=torch.get_num_threads(),
            )  # fmt: skip
            found.append(ndcg(judge(ranked.items, truth), K))
        mean = float(np.nanmean(np.concatenate(found)))
        return -(mean**0.5) if self.metric == "-rmse" else mean


def cases(model: Trainable, train: Histories, valid: Split | None, seed: int) -> tuple[Cases | None, Histories]:
    """The cases, and the remaining training data: without ``valid``, one history in ten holds back its last event.

    None where the model never stops early, or where no history can hold back an event. Raises ``DataError`` for a
    validation part without a single true item.
    """
    if not model.patience:
        return None, train
    popularity_rank, rates = rank_by_popularity(model.item_counts), model.predicts_ratings
    metric = "-rmse" if rates else f"ndcg@{K}"
    if valid is not None:
        given, truth = valid.given, valid.truth
        if rates and valid.ratings is not None:
            truth = valid.ratings
        if rates and truth.values is None:
            model.notes.append("the validation part has no ratings: all passes were trained")
            return None, train
        filled = truth.lengths > 0
        if not filled.any():
            raise DataError(
                f"{model.name}: the validation part has no true item, which early stopping needs",
                fix="Use another split, or train a fixed number of passes with patience=none.",
            )
        seen = valid.given if valid.seen is None else valid.seen
        if valid.repeat:
            seen = seen.without_events()
        rows = np.flatnonzero(filled)
        if len(rows) > MOST_CASES:
            rows = np.sort(np.random.default_rng([seed, 1]).permutation(rows)[:MOST_CASES])
        shown = given if model.uses_negatives else given.positives()
        return Cases(shown[rows], truth[rows], seen[rows], popularity_rank, metric), train
    able = np.flatnonzero(train.lengths >= 3)
    if len(able) == 0:
        model.notes.append("no history has three events, so none can hold one back: all passes were trained")
        return None, train
    rng = np.random.default_rng([seed, 1])
    rows = np.sort(rng.permutation(able)[: min(MOST_CASES, max(1, round(SHARE * len(able))))])
    last = np.zeros(len(train.items), dtype=np.bool_)
    last[train.indptr[rows + 1] - 1] = True
    rest = replace(train.where(~last), now=train.now)
    if (seen_too := train.shown) is not None:  # what was shown later, or was taken in the end, is no negative
        rest = replace(rest, shown=seen_too.not_taken(train) if train.times is None else seen_too.until(rest))
    given, truth = rest[rows], train.where(last)[rows]
    again = np.isin(
        truth.rows * np.int64(train.n_items) + truth.items, given.rows * np.int64(train.n_items) + given.items
    )
    seen = given if not again.any() else given.without_events()
    return Cases(given, truth, seen, popularity_rank, metric), rest
