"""Fit boosted trees with LightGBM, from the extra ``rank``: the only code that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Floats, Ints, Longs
from penchant.core.run import Run
from penchant.errors import MissingExtraError
from penchant.ranking.trees import trimmed

BINS = 255
SHARE = 5  # one list of so many decides how many trees are kept
FEWEST = 200  # lists below which all trees are kept
NEAR = 2  # trees before and after, over whose numbers the NDCG is averaged


def boost(
    table: Floats,
    target: Floats,
    names: list[str],
    *,
    objective: str,
    trees: int,
    leaves: int,
    rate: float,
    min_rows: int,
    reg: float,
    share: float,
    run: Run,
    group: Longs | None = None,
    start: NDArray[np.floating] | None = None,
    places: Ints | None = None,
    choose: bool = False,
) -> bytes:
    """The text of trees that predict ``target`` from ``table`` ``(rows, features)``.

    ``group`` are the sizes of the lists that ``lambdarank`` orders, ``start`` what is known before the first tree.
    ``places`` are those at which each row was shown, 0 where it was not: what a place is worth by itself is learned
    apart, and left out of the trees (Hu et al., "Unbiased LambdaMART", WWW 2019, in LightGBM's form). With
    ``choose``, a fifth of the lists decides how many trees are kept: none unless they raise its NDCG@10 by more than
    the standard error. The
    result does not depend on the number of threads. Raises ``MissingExtraError`` without LightGBM.
    """
    try:
        import lightgbm
    except ModuleNotFoundError as missing:
        raise MissingExtraError("rank", "learning an order of candidates") from missing
    params: dict[str, Any] = {
        "objective": objective,
        "num_leaves": leaves,
        "learning_rate": rate,
        "min_data_in_leaf": min_rows,
        "min_sum_hessian_in_leaf": 0.0 if objective == "lambdarank" else 1e-3,
        "min_gain_to_split": 1e-9,
        "lambda_l2": reg,
        "feature_fraction": share,
        "max_bin": BINS,
        "seed": run.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": run.threads,
        "verbosity": -1,
        "boost_from_average": False,
        "feature_pre_filter": False,
    }
    whole = _Part(np.ascontiguousarray(table, dtype=np.float32), target, group, start, places)

    def data(part: _Part, of: Any = None) -> Any:
        return lightgbm.Dataset(
            part.table, part.target, group=part.group, init_score=part.start, position=part.places, feature_name=names,
            params=params, free_raw_data=True, reference=of,
        )  # fmt: skip

    if not choose or group is None or len(group) < FEWEST:
        return trimmed(lightgbm.train(params, data(whole), trees).model_to_string()).encode()
    judge = np.arange(len(group)) % SHARE == SHARE - 1
    learn, held = whole.some(~judge), whole.some(judge)
    used = data(learn)
    told: dict[str, dict[str, list[float]]] = {}
    booster = lightgbm.train(
        params | {"metric": "ndcg", "eval_at": [10]}, used, trees, valid_sets=[data(held, used)], valid_names=["held"],
        callbacks=[lightgbm.record_evaluation(told)],
    )  # fmt: skip
    values = np.array(told["held"]["ndcg@10"])
    smooth = np.convolve(np.pad(values, NEAR, mode="edge"), np.full(2 * NEAR + 1, 1 / (2 * NEAR + 1)), mode="valid")
    kept = int(np.argmax(smooth)) + 1
    added = np.asarray(booster.predict(held.table, num_iteration=kept, num_threads=run.threads or -1), dtype=np.float64)
    gain = held.ndcg(added if held.start is None else held.start + added)
    gain -= 0.0 if held.start is None else held.ndcg(held.start)
    if held.start is not None and gain.mean() <= gain.std() / np.sqrt(len(gain)):
        return no_trees(names)
    return trimmed(booster.model_to_string(num_iteration=kept)).encode()


@dataclass(frozen=True, eq=False)
class _Part:
    """Some lists."""

    table: Floats
    target: Floats
    group: Longs | None
    start: NDArray[np.floating] | None
    places: Ints | None

    def some(self, chosen: Bools) -> _Part:
        """Those of the chosen lists."""
        assert self.group is not None
        rows = np.repeat(chosen, self.group)
        start = None if self.start is None else self.start[rows]
        places = None if self.places is None else self.places[rows]
        return _Part(self.table[rows], self.target[rows], self.group[chosen], start, places)

    def ndcg(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """NDCG@10 of each list in the order of some scores."""
        assert self.group is not None
        question = np.repeat(np.arange(len(self.group)), self.group)
        order = np.lexsort((-scores, question))
        place = np.arange(len(order)) - np.repeat(np.cumsum(self.group) - self.group, self.group)
        gains = self.target[order] / np.log2(place + 2) * (place < 10)
        many = np.bincount(question, self.target > 0, len(self.group)).astype(np.int64)
        ideal = np.cumsum(1 / np.log2(np.arange(10) + 2))[np.clip(many, 1, 10) - 1]
        return np.asarray(np.bincount(question, gains, len(self.group)) / ideal)


def no_trees(names: Sequence[str]) -> bytes:
    """The text of no trees, where there is nothing to learn from."""
    head = ["tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", f"max_feature_idx={len(names) - 1}"]
    return "\n".join([*head, f"feature_names={' '.join(names)}", "", "end of trees", ""]).encode()
