"""The attributes and vectors of items as plain arrays: the form in which models receive a catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Ints, Longs
from penchant.errors import DataError

_IDS = re.compile(r"(^|[_\- ])id$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """One row per item: sparse attributes (``indptr``, ``indices``, ``data`` over ``names``) and dense ``vectors``.

    Either part may be missing: no attribute columns, or vectors ``None``. An unknown item has an empty row and a zero
    vector. The constructor checks shapes and that every number is finite.
    """

    n_items: int
    indptr: Longs  # (n_items + 1,)
    indices: Ints  # (known attributes,) columns, ascending within an item
    data: Floats  # (known attributes,)
    names: list[str] = field(default_factory=list)  # one per column: "genre=Drama" for a value, "year" for a number
    vectors: Floats | None = None  # (n_items, dimensions)

    def __post_init__(self) -> None:
        for name, dtype in (("indptr", np.int64), ("indices", np.int32), ("data", np.float32)):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=dtype))
        if self.indptr.shape != (self.n_items + 1,) or self.indptr[0] != 0 or (np.diff(self.indptr) < 0).any():
            raise DataError(f"item features: indptr must have {self.n_items + 1} numbers, start at 0 and not decrease")
        events = int(self.indptr[-1])
        if self.indices.shape != (events,) or self.data.shape != (events,):
            raise DataError(f"item features: {events} attributes are expected, {len(self.indices)} are given")
        if events and (self.indices.min() < 0 or self.indices.max() >= len(self.names)):
            raise DataError(f"item features: attribute columns must be in [0, {len(self.names)})")
        if self.vectors is not None:
            object.__setattr__(self, "vectors", np.ascontiguousarray(self.vectors, dtype=np.float32))
            if self.vectors.ndim != 2 or len(self.vectors) != self.n_items:
                raise DataError(f"item features: vectors have shape {self.vectors.shape}, not ({self.n_items}, ...)")
        if not np.isfinite(self.data).all() or (self.vectors is not None and not np.isfinite(self.vectors).all()):
            raise DataError("item features must be finite numbers")

    @classmethod
    def from_columns(
        cls, n_items: int, columns: Mapping[str, Sequence[object]], vectors: Floats | None = None
    ) -> ItemFeatures:
        """Features from catalogue columns, each with one entry per item.

        - Text gives one attribute per value, a list one per member, a boolean one where it is true.
        - A number gives one attribute: its distance from the mean in standard deviations.
        - ``None`` and NaN are unknown.
        - Columns of ids (``id``, ``imdb_id``) name items rather than describe them, and are left out.
        """
        names: dict[str, int] = {}
        rows: list[dict[int, float]] = [{} for _ in range(n_items)]
        for column, entries in columns.items():
            if len(entries) != n_items:
                raise DataError(f"item features: {len(entries)} entries for {n_items} items", column=column)
            if _IDS.search(column):
                continue
            numbers = _numbers(entries)
            if numbers is not None:
                known = np.isfinite(numbers)
                spread = float(numbers[known].std()) if known.any() else 0.0
                if spread > 0:
                    index = names.setdefault(column, len(names))
                    for at in np.flatnonzero(known):
                        rows[at][index] = float((numbers[at] - numbers[known].mean()) / spread)
                continue
            for item, entry in enumerate(entries):
                for value in entry if isinstance(entry, (list, tuple, set, np.ndarray)) else (entry,):
                    if value is None or value is False or (isinstance(value, float) and not np.isfinite(value)):
                        continue
                    name = column if value is True else f"{column}={value}"
                    rows[item][names.setdefault(name, len(names))] = 1.0
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        ordered = [sorted(row.items()) for row in rows]
        return cls(
            n_items,
            indptr,
            np.array([index for row in ordered for index, _ in row], dtype=np.int32),
            np.array([value for row in ordered for _, value in row], dtype=np.float32),
            list(names),
            vectors,
        )

    def __repr__(self) -> str:
        size = 0 if self.vectors is None else self.vectors.shape[1]
        return f"ItemFeatures({self.n_items:,} items, {len(self.names):,} attributes, vectors of {size})"


def _numbers(entries: Sequence[object]) -> NDArray[np.float64] | None:
    """The entries as numbers, NaN where unknown; None unless every known entry is a number."""
    known = [e for e in entries if e is not None]
    if not known or not all(
        isinstance(e, (int, float, np.number)) and not isinstance(e, (bool, np.bool_)) for e in known
    ):
        return None
    return np.array([np.nan if e is None else float(e) for e in entries], dtype=np.float64)  # type: ignore[arg-type]  # all numbers
