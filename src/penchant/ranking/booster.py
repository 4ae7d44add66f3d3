"""Fit boosted trees with LightGBM, from the extra ``rank``: the only code that imports it."""

from __future__ import annotations

from typing import Any

import numpy as np

from penchant.core.histories import Floats, Ints, Longs
from penchant.core.run import Run
from penchant.errors import MissingExtraError
from penchant.ranking.trees import trimmed

BINS = 255


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
    start: Floats | None = None,
    places: Ints | None = None,
) -> bytes:
    """The text of trees that predict ``target`` from ``table`` ``(rows, features)``.

    ``group`` are the sizes of the lists that ``lambdarank`` orders, ``start`` what is known before the first tree.
    ``places`` are those at which each row was shown, 0 where it was not: what a place is worth by itself is learned
    apart, and left out of the trees (Hu et al., "Unbiased LambdaMART", WWW 2019, in LightGBM's form). The result does
    not depend on the number of threads. Raises ``MissingExtraError`` without LightGBM.
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
    data = lightgbm.Dataset(
        np.ascontiguousarray(table, dtype=np.float32),
        target,
        group=group,
        init_score=start,
        position=places,
        feature_name=names,
        params=params,
        free_raw_data=True,
    )
    booster = lightgbm.train(params, data, trees)
    return trimmed(booster.model_to_string()).encode()
