"""The textbook network over classes of items: the kind of item that comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories, Longs
from penchant.core.item_features import ItemFeatures
from penchant.core.log_shape import LogShape
from penchant.errors import DataError
from penchant.models.kinds.base import Task, hyper, learned
from penchant.models.neural.kinds.base import glorot
from penchant.models.neural.kinds.dense import DenseModel
from penchant.models.neural.training.trainable import Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class HistoryClassifier(DenseModel):
    """P(class of what comes next) = softmax(h·O + b), h as in ``history-mlp``; classes are values of an attribute.

    score(i) = Σ_c P(c) · n_i / Σ_{j in c} n_j over the classes of i, n the training counts: the most likely classes,
    each in order of popularity. ``classify`` gives the probabilities themselves, ``classes`` their names. An
    item of several classes is divided evenly among them; one without a class is not a target.

    Cost a pass: O(events · mean events in the window · factors · hidden). An empty history scores zero everywhere.
    Raises ``DataError`` when the catalogue has no attribute of at least two classes, or not the named one.
    """

    name: ClassVar[str] = "history-classifier"
    task: ClassVar[Task] = "ranking"

    attribute: str | None = hyper(
        None, "the attribute whose values are the classes; none: the first of text", optional=True, was={"": None},
        other="decade",
    )  # fmt: skip

    _belongs: Any = field(init=False, default=None, repr=False, compare=False)  # (n_items, classes), while training
    class_names: NDArray[np.uint8] = learned()  # the names, UTF-8, one per line

    @property
    def needs_features(self) -> bool:
        """Always: the classes are values of an attribute."""
        return True

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of ``classify``."""
        self._check_fitted()
        return bytes(self.class_names).decode().split("\n")

    def classify(self, given: Histories) -> Floats:
        """The probabilities of the classes, ``(len(given), classes)``; zeros for an empty history."""
        self._check_given(given)
        return self.embed(given)

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        assert self.features is not None
        names, belongs = members(self.features, self.attribute, self.name)
        self.class_names = np.frombuffer("\n".join(names).encode(), dtype=np.uint8)
        self._belongs = belongs
        size = len(names)
        return self._body(rng) | {"classes": glorot(rng, self.hidden, size), "classes.b": np.zeros(size, np.float32)}

    def work(self, log: LogShape) -> tuple[float, float]:
        """As in ``NeuralModel``."""
        return self.body_work(log)

    def step_loss(self, weights: Tensors, step: Longs) -> tuple[Tensor, int]:
        import torch
        import torch.nn.functional as F

        assert self._sequences is not None
        passages = self._sequences.take(step)
        states = self._states(weights, passages)
        target = torch.from_numpy(self._belongs[passages.targets]).to(states.device)
        said = F.log_softmax(states @ weights["classes"] + weights["classes.b"], 1)
        return -(said * target).sum() / target.sum().clamp(min=1), len(target)

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        return (super().encode(weights, *inputs) @ weights["classes"] + weights["classes.b"]).softmax(1)

    def tables_of(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        weight = (self._belongs > 0) * (self.item_counts + 1e-3)[:, None]
        return (weight / np.maximum(weight.sum(0), 1e-12)).astype(np.float32), None, weights["embedding"]

    def release(self) -> None:
        super().release()
        self._belongs = None


def members(features: ItemFeatures, attribute: str | None, who: str) -> tuple[list[str], Floats]:
    """The values of an attribute, and the share of each item in each: ``(n_items, values)``, rows sum to 1 or 0.

    The values of a numeric attribute are classes themselves, highest first.
    """
    heads = [name.partition("=")[0] if "=" in name else "" for name in features.names]
    found = attribute or next((head for head in heads if head and heads.count(head) > 1), "")
    rows = np.repeat(np.arange(features.n_items), np.diff(features.indptr))
    if found and found in features.names:
        use = features.indices == features.names.index(found)
        values = np.unique(features.data[use])[::-1]
        names = [f"{value:g}" for value in values]
        columns = np.searchsorted(-values, -features.data[use])
    else:
        at = {column: n for n, column in enumerate(c for c, head in enumerate(heads) if head and head == found)}
        use = np.isin(features.indices, list(at))
        names = [features.names[column].partition("=")[2] for column in at]
        columns = np.array([at[column] for column in features.indices[use].tolist()], dtype=np.int64)
    if len(names) < 2:
        have = (
            ", ".join(dict.fromkeys(head or name for head, name in zip(heads, features.names, strict=True))) or "none"
        )
        wanted = f"no attribute {attribute!r}" if attribute else "no attribute"
        raise DataError(f"{who}: {wanted} with two values or more; there is {have}")
    belongs = np.zeros((features.n_items, len(names)), dtype=np.float32)
    belongs[rows[use], columns] = 1
    shares: Floats = belongs / np.maximum(belongs.sum(1, keepdims=True), 1)
    return names, shares
