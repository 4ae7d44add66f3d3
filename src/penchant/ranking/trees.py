"""Boosted trees from LightGBM's text: checked, then used without LightGBM."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Floats, Ints, Longs
from penchant.errors import FormatError

MOST_BYTES = 256 * 2**20
MOST_LEAVES = 64  # of one tree: one for each bit of a word
DEEPEST = 64  # features on the path to a leaf
END = "end of trees"
BLOCK = 256  # rows
_NAN, _LEFT = 8, 2  # of a decision: missing values are NaN; they go left
Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trees:
    """The sum of boosted trees over ``names``: nodes to walk, and every leaf as the conditions that lead to it."""

    names: list[str]
    roots: Longs  # (trees + 1,) of the nodes of each tree
    feature: Ints  # (nodes,)
    threshold: Floats  # (nodes,) the largest float32 that goes left
    missing_left: Bools  # (nodes,)
    keeps: NDArray[np.uint64]  # (nodes,) the leaves that remain for what goes right
    leaves: Longs  # (trees + 1,) of the leaves of each tree
    values: Doubles  # (leaves,) those of a tree from left to right
    starts: Longs  # (leaves + 1,) of the conditions of each leaf
    condition: Ints  # (conditions,) their features
    low: Floats  # (conditions,)
    high: Floats  # (conditions,)
    takes_missing: Bools  # (conditions,)
    cover: Doubles  # (conditions,)
    base: float = field(default=0.0)  # the mean over the training rows

    @property
    def n_trees(self) -> int:
        """How many trees are summed."""
        return len(self.roots) - 1

    def predict(self, rows: Floats, *, threads: int = 1) -> Doubles:
        """The sum of the trees for each of ``rows`` ``(rows, features)``, float32; NaN is missing."""
        from penchant.kernels.threads import over_blocks
        from penchant.kernels.trees import sum_trees

        columns = np.ascontiguousarray(rows.T, dtype=np.float32)
        out = np.zeros(len(rows))

        def work(lo: int, hi: int) -> None:
            sum_trees(
                lo, hi, columns, self.roots, self.feature, self.threshold, self.missing_left, self.keeps, self.leaves,
                self.values, out,
            )  # fmt: skip

        over_blocks(work, len(rows), size=BLOCK, threads=threads)
        return out

    def contributions(self, rows: Floats) -> Doubles:
        """What each feature adds to the sum for each of ``rows``: with ``base`` they add up to ``predict``."""
        from penchant.kernels.trees import shares

        rows = np.ascontiguousarray(rows, dtype=np.float32)
        out = np.zeros((len(rows), len(self.names)))
        shares(
            0, len(rows), rows, self.starts, self.condition, self.low, self.high, self.takes_missing, self.cover,
            self.values, out,
        )  # fmt: skip
        return out


def trimmed(text: str) -> str:
    """The part of LightGBM's text that trees are made of: without importances and the settings of training."""
    return text[: text.index(END)] + END + "\n"


def parse(content: bytes, name: str = "the file of trees") -> Trees:
    """The trees of LightGBM's text format; raises ``FormatError`` for anything but a sum of trees over numbers."""
    try:
        return _parse(content.decode("ascii"), name)
    except (UnicodeDecodeError, ValueError, KeyError, IndexError, OverflowError) as wrong:
        raise FormatError(f"{name} is not LightGBM's text of trees, or is damaged ({wrong})") from None


def _parse(text: str, name: str) -> Trees:
    if len(text) > MOST_BYTES:
        raise FormatError(f"{name} is larger than any that Penchant writes")
    if not text.startswith("tree\n") or END not in text:
        raise FormatError(f"{name} is not LightGBM's text of trees, or is truncated")
    head, *blocks = re.split(r"^Tree=\d+\n", text[: text.index(END)], flags=re.MULTILINE)
    about = _fields(head)
    if about["num_class"] != "1" or about["num_tree_per_iteration"] != "1" or "average_output" in head.split():
        raise FormatError(f"{name} is not one sum of trees")
    names = about["feature_names"].split(" ")
    if len(set(names)) < len(names) or int(about["max_feature_idx"]) != len(names) - 1:
        raise FormatError(f"{name}: the names of the features are not one for each")
    builder = _Builder(name, len(names))
    for block in blocks:
        builder.add(_fields(block))
    return builder.done(names)


def _fields(block: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in block.splitlines():
        key, sign, value = line.partition("=")
        if sign:
            if key in found:
                raise ValueError(f"{key} is there twice")
            found[key] = value
    return found


class _Builder:
    """Collects the nodes and leaves of one tree after the other."""

    def __init__(self, name: str, n_features: int) -> None:
        self.name, self.n_features = name, n_features
        self.roots, self.leaves = [0], [0]
        self.parts: dict[str, list[np.ndarray]] = {}
        self.conditions: list[tuple[int, float, float, bool, float]] = []
        self.lengths: list[int] = []
        self.base = 0.0

    def add(self, tree: dict[str, str]) -> None:
        """One tree."""
        leaves = int(tree["num_leaves"])
        if tree["num_cat"] != "0" or tree.get("is_linear", "0") != "0" or not 1 <= leaves <= MOST_LEAVES:
            raise FormatError(f"{self.name}: only trees of up to {MOST_LEAVES:,} leaves over numbers are read")
        values = self._numbers(tree["leaf_value"], leaves)
        if leaves == 1:
            self._keep("values", values)
            self.lengths.append(0)
            self.roots.append(self.roots[-1])
            self.leaves.append(self.leaves[-1] + 1)
            self.base += float(values[0])
            return
        nodes = leaves - 1
        feature = self._whole(tree["split_feature"], nodes, 0, self.n_features - 1)
        threshold = self._numbers(tree["threshold"], nodes, infinite=True)  # all that is not missing goes left
        kind = self._whole(tree["decision_type"], nodes, 0, 15)
        if not np.isin(kind, [0, _LEFT, _NAN, _NAN | _LEFT]).all():
            raise FormatError(f"{self.name}: a split is over categories, or takes zero for missing")
        left = self._whole(tree["left_child"], nodes, -leaves, nodes - 1)
        right = self._whole(tree["right_child"], nodes, -leaves, nodes - 1)
        count = self._numbers(tree["leaf_count"], leaves)
        inner = self._numbers(tree["internal_count"], nodes)
        both = np.concatenate([left, right])
        if not np.array_equal(np.sort(both), np.delete(np.arange(-leaves, nodes), leaves)):
            raise FormatError(f"{self.name}: the children of its nodes are not one tree")  # the root is nobody's child
        if (count <= 0).any() or (inner <= 0).any():
            raise FormatError(f"{self.name}: a leaf or a node counts no rows")
        exact = threshold.astype(np.float32)
        exact = np.where(exact > threshold, np.nextafter(exact, np.float32(-np.inf)), exact).astype(np.float32)
        to_left = np.where(kind & _NAN, (kind & _LEFT) > 0, threshold >= 0)  # without missing values NaN counts as 0
        children = np.stack([left, right], axis=1)
        order, keeps = self._from_left(children)
        self._conditions(feature, exact, to_left, children, count, inner, order)
        self.base += float((values * count).sum() / count.sum())
        self._keep("feature", feature.astype(np.int32))
        self._keep("threshold", exact)
        self._keep("missing_left", to_left)
        self._keep("keeps", keeps)
        self._keep("values", values[order])
        self.roots.append(self.roots[-1] + nodes)
        self.leaves.append(self.leaves[-1] + leaves)

    def _from_left(self, children: Longs) -> tuple[Longs, NDArray[np.uint64]]:
        """The leaves from left to right, and for every node those that remain for what goes right."""
        order: list[int] = []
        spans: dict[int, tuple[int, int]] = {}
        waiting: list[tuple[int, bool]] = [(0, False)]
        while waiting:
            node, is_done = waiting.pop()
            if node < 0:
                spans[node] = (len(order), len(order) + 1)
                order.append(~node)
            elif is_done:
                left, right = (spans[int(child)] for child in children[node])
                spans[node] = (left[0], right[1])
            elif len(spans) > 2 * len(children) or len(waiting) > 2 * MOST_LEAVES:
                raise FormatError(f"{self.name}: the children of its nodes are not one tree")
            else:
                waiting += [(node, True), (int(children[node, 1]), False), (int(children[node, 0]), False)]
        if len(order) != len(children) + 1:
            raise FormatError(f"{self.name}: the children of its nodes are not one tree")
        words = [2**64 - 1]  # of no leaf
        for node in range(len(children)):
            lo, hi = spans[int(children[node, 0])]
            words.append((2**64 - 1) ^ ((2 ** (hi - lo) - 1) << lo))
        return np.array(order, dtype=np.int64), np.array(words[1:], dtype=np.uint64)

    def _conditions(
        self, feature: Longs, threshold: Floats, to_left: Bools, children: Longs, count: Doubles, inner: Doubles,
        order: Longs,
    ) -> None:  # fmt: skip
        """Every leaf as intervals of the features on its path, the leaves from left to right."""
        of_leaf: list[dict[int, tuple[float, float, bool, float]]] = [{} for _ in count]
        waiting: list[tuple[int, dict[int, tuple[float, float, bool, float]]]] = [(0, {})]
        while waiting:
            node, path = waiting.pop()
            at = int(feature[node])
            for side in (0, 1):
                child = int(children[node, side])
                low, high, missing, cover = path.get(at, (-np.inf, np.inf, True, 1.0))
                low, high = (low, min(high, threshold[node])) if side == 0 else (max(low, threshold[node]), high)
                passing = (inner[child] if child >= 0 else count[~child]) / inner[node]
                onward = {**path, at: (low, high, missing and bool(to_left[node]) == (side == 0), cover * passing)}
                if len(onward) > DEEPEST:
                    raise FormatError(f"{self.name}: a path has more than {DEEPEST} features")
                if child >= 0:
                    waiting.append((child, onward))
                else:
                    of_leaf[~child] = onward
        for path in (of_leaf[leaf] for leaf in order.tolist()):
            self.lengths.append(len(path))
            self.conditions += [(at, *path[at]) for at in path]

    def _keep(self, name: str, array: np.ndarray) -> None:
        self.parts.setdefault(name, []).append(array)

    def _numbers(self, text: str, size: int, *, infinite: bool = False) -> Doubles:
        found = np.array([float(part) for part in text.split()], dtype=np.float64)
        if found.shape != (size,) or np.isnan(found).any() or not (infinite or np.isfinite(found).all()):
            raise FormatError(f"{self.name}: {size} finite numbers are expected, {text[:40]!r} are not")
        return found

    def _whole(self, text: str, size: int, low: int, high: int) -> Longs:
        found = np.array([int(part) for part in text.split()], dtype=np.int64)
        if found.shape != (size,) or (size and (found.min() < low or found.max() > high)):
            raise FormatError(f"{self.name}: {size} whole numbers from {low} to {high} are expected, not {text[:40]!r}")
        return found

    def done(self, names: list[str]) -> Trees:
        """All trees."""
        dtypes = {"feature": np.int32, "threshold": np.float32, "missing_left": np.bool_, "keeps": np.uint64}
        parts: dict[str, Any] = {
            name: np.concatenate(self.parts.get(name, [np.empty(0)])).astype(dtype)
            for name, dtype in {**dtypes, "values": np.float64}.items()
        }
        at, low, high, missing, cover = zip(*self.conditions, strict=True) if self.conditions else ((),) * 5
        return Trees(
            names,
            np.array(self.roots, dtype=np.int64),
            leaves=np.array(self.leaves, dtype=np.int64),
            **parts,
            starts=np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64),
            condition=np.array(at, dtype=np.int32),
            low=np.array(low, dtype=np.float32),
            high=np.array(high, dtype=np.float32),
            takes_missing=np.array(missing, dtype=np.bool_),
            cover=np.array(cover, dtype=np.float64),
            base=self.base,
        )
