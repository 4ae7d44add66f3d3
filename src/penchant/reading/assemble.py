"""From batches of raw rows to one sorted event table."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Any

import numpy as np

from penchant.errors import DataError, ParameterError
from penchant.interactions import Interactions
from penchant.reading.columns import RATING_NAMES, assign, parse_columns, plain
from penchant.reading.report import ReadReport, Source
from penchant.recipe import Recipe
from penchant.vocab import Vocab, normalise_id


def read(sources: list[Any], **options: Any) -> Interactions:
    """Read files and tables into one event table."""
    import polars as pl

    columns = parse_columns(options["columns"])
    kinds = options["kinds"] or {}
    if isinstance(kinds, str):
        kinds = dict(part.split("=") for part in kinds.split(","))
        kinds = {k: float(v) for k, v in kinds.items()}
    frames = []
    report = ReadReport()
    for source in sources:
        if isinstance(source, pl.DataFrame):
            loaded = [("table", source)]
        else:
            names = sorted(glob.glob(str(source))) or [str(source)]
            loaded = [
                (n, pl.read_parquet(n) if n.endswith(".parquet") else pl.read_csv(n, infer_schema_length=None))
                for n in names
            ]
        for name, frame in loaded:
            roles = assign(frame.columns, columns, name)
            report.sources.append(Source(name, "table", {r: frame.columns[i] for r, i in roles.items()}))
            frames.append(frame.select(**{r: pl.col(frame.columns[i]) for r, i in roles.items()}))
    data = pl.concat(frames, how="diagonal_relaxed")
    by = options["by"] or ("user" if "user" in data.columns else "session")
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    user = np.array([users.setdefault(normalise_id(u), len(users)) for u in data[by]], dtype=np.int32)
    item = np.array([items.setdefault(normalise_id(i), len(items)) for i in data["item"]], dtype=np.int32)
    values_are = options["values"]
    value_name = report.columns.get("value", "")
    if values_are is None:
        values_are = (
            ("rating" if plain(value_name) in RATING_NAMES else "weight") if "value" in data.columns else "none"
        )
        if values_are == "none" and kinds:
            values_are = "weight"
    recipe = Recipe(kinds, options["positive"], values_are, options["max_history"])
    value, liked = recipe.weigh(
        data["kind"].to_list() if "kind" in data.columns else None,
        data["value"].cast(pl.Float32).to_numpy() if "value" in data.columns else None,
    )
    time = data["time"].cast(pl.Int64).fill_null(2**40).to_numpy() if "time" in data.columns else None
    position = data["position"].to_numpy() if "position" in data.columns else np.zeros(len(item))
    order = np.lexsort((position, time if time is not None else np.zeros(len(item)), user))
    parts = data["split"].cast(pl.String).to_numpy().astype(np.str_) if "split" in data.columns else None
    if options["items"] is not None:
        frame = (
            options["items"] if isinstance(options["items"], pl.DataFrame) else pl.read_parquet(str(options["items"]))
        )
        for i in frame["item"]:
            items.setdefault(normalise_id(i), len(items))
    report.rows = report.kept = len(item)
    vocab = Vocab(items, integers=all(re.fullmatch(r"0|-?[1-9]\d*", i) for i in items))

    def pick(array: Any) -> Any:
        return None if array is None else array[order]

    return Interactions(
        vocab,
        list(users),
        user[order],
        item[order],
        pick(value),
        values_are if value is not None else "none",
        pick(liked),
        pick(time),
        pick(parts),
        by == "session",
        recipe,
        report,
    )
