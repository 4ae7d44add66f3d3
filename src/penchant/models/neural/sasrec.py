"""SASRec: a causal transformer over a history that predicts the next item after every event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories, Longs
from penchant.core.item_features import ItemFeatures
from penchant.core.log_shape import LogShape
from penchant.errors import ParameterError
from penchant.models.kinds.base import Space, hyper
from penchant.models.neural.kinds.base import glorot, normal, unit
from penchant.models.neural.kinds.item_features import ItemFeatureModel
from penchant.models.neural.kinds.sequence import NextItemModel
from penchant.models.neural.parts.passages import Passages, by_length
from penchant.models.neural.training.trainable import Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor

BUCKETS = 32  # of the time between two events: unknown, then powers of two seconds up to 34 years
FAR = -1e9  # the logit of a masked position


@dataclass(kw_only=True)
class SASRec(NextItemModel, ItemFeatureModel):
    """score(i) = state(last event)·v_i, the states from a stack of causal self-attention blocks over the items' own v.

    Kang and McAuley 2018 (SASRec), trained with a softmax over all items or a sampled one (Klenitskiy and Vasilev 2023;
    Petrov and Macdonald 2023), which makes it strong. ``block`` is the wiring of attention and feed-forward layers:
    ``post`` normalises their sum with the input, ``pre`` their input, ``ligr`` gates what they add (Borisyuk et al.
    2024, LiGR; SwiGLU inside). What differs: one pass trains every event once, in blocks of passages of nearly the same
    length. ``order`` is how order enters: ``start`` adds a learned vector for the position, counted from the start of
    the window; ``distance`` adds to each attention logit a learned number for the number of events between the two.
    Where events have times, ``times`` adds one for the power of two of the seconds between them. With a ``temperature``
    the score is the cosine over it, so that the length of an item's vector does not matter. With ``attributes`` an
    item's v is its own vector + the mean of those of its attributes (+ a projection of its vector in the catalogue),
    where it is read and where it is scored, as in Hidasi et al. 2016 (feature-rich sessions) and Zhang et al. 2019
    (FDSA), but in one network: items that share a brand or a category learn from each other, and ``extend`` gives new
    items vectors without training.

    Cost a pass: O(events · (n_items · factors + factors² · layers)) with the full softmax; with a sampled one
    ``negatives`` replaces n_items. An empty history scores zero everywhere. Raises ``MissingExtraError``
    without torch, ``TrainingError`` when the loss is no longer a number, and ``DataError`` for ``attributes`` without a
    catalogue.
    """

    name: ClassVar[str] = "sasrec"

    layers: int = hyper(2, "blocks", ge=1, space=Space(1, 3), other=1)
    heads: int = hyper(2, "heads of attention, which divide the factors", ge=1, space=Space(choices=(1, 2, 4)), other=1)
    inner: float = hyper(4.0, "width of the feed-forward layer, in factors", gt=0, space=Space(1, 4), other=1.0)
    block: str = hyper("pre", "where norms and gates are placed", choices=("post", "pre", "ligr"), other="ligr")
    order: str = hyper("distance", "how the order of events enters", choices=("start", "distance"), other="start")
    temperature: float | None = hyper(
        None, "scores are cosines divided by this; none: plain products", number=float, gt=0, optional=True,
        was={0: None}, space=Space(0.03, 0.2, log=True), other=0.1,
    )  # fmt: skip
    times: bool = hyper(True, "use the times between events, where there are any", other=False)
    attributes: bool = hyper(False, "use item features from the catalogue, too", other=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.factors % self.heads:
            raise ParameterError(f"sasrec: {self.heads} heads cannot divide {self.factors} factors evenly")

    @property
    def reads_times(self) -> bool:
        """Whether ``times`` are read."""
        return self.times

    @property
    def needs_features(self) -> bool:
        """Whether ``attributes`` are read."""
        return self.attributes

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        d, wide = self.factors, max(1, round(self.factors * self.inner))
        found: Arrays = {
            "items": normal(rng, self.n_items, d, scale=0.02),
        }
        if self.order == "start":
            found["places"] = normal(rng, self.window, d, scale=0.02)
        else:
            found["distances"] = np.zeros((self.window, self.heads), dtype=np.float32)
        if self._sequences is not None and self._sequences.times is not None:
            found["times"] = np.zeros((BUCKETS, self.heads), dtype=np.float32)
        for n in range(self.layers):
            found |= {f"{n}.qkv": glorot(rng, d, 3 * d), f"{n}.out": glorot(rng, d, d)}
            found |= {f"{n}.up": glorot(rng, d, wide), f"{n}.down": glorot(rng, wide, d)}
            if self.block == "ligr":
                found |= {f"{n}.swish": glorot(rng, d, wide), f"{n}.gate1": glorot(rng, d, d)}
                found |= {f"{n}.gate2": glorot(rng, d, d)}
            for name, size in (("qkv", 3 * d), ("out", d), ("up", wide), ("down", d)):
                found[f"{n}.{name}.b"] = np.zeros(size, dtype=np.float32)
        for name in [f"{n}.norm{half}" for n in range(self.layers) for half in (1, 2)] + ["norm"]:
            found |= {f"{name}.w": np.ones(d, np.float32), f"{name}.b": np.zeros(d, np.float32)}
        return found | (self._feature_weights(rng, 0.02) if self.attributes else {})

    def work(self, log: LogShape) -> tuple[float, float]:
        """As in ``NeuralModel``."""
        d = float(self.factors)
        layer = d**2 * (4 + 2 * self.inner)
        read = min(self.window, log.pairs(self.window) / max(log.newest(self.window), 1))
        forward = self.layers * (layer + 2 * read * d) + self.compared(log) * d
        return d * log.items + self.layers * layer, log.events * forward

    def _items(self, weights: Tensors) -> Tensor:
        return self._add_features(weights, weights["items"]) if self.attributes else weights["items"]

    def _states(self, weights: Tensors, passages: Passages) -> Tensor:
        import torch
        import torch.nn.functional as F

        device = weights["items"].device
        blocks = by_length(passages)
        at = torch.from_numpy(blocks.at).to(device)

        def spread(values: np.ndarray, dtype: type[np.generic]) -> Tensor:
            flat = np.zeros(blocks.size, dtype=dtype)
            flat[blocks.at] = values
            return torch.from_numpy(flat).to(device)

        x = F.embedding(spread(passages.items, np.int64), weights["items"])
        begins = self.order == "start"
        places = F.embedding(spread(passages.places, np.int64), weights["places"]) if begins else None
        ages = None if passages.ages is None else spread(passages.ages, np.float32)
        return self._blocks(weights, x, blocks.shapes, places, ages, self.dropout)[at]

    def _item_loss(
        self, states: Tensor, table: Tensor, target: Tensor, bias: Tensor | None = None, *, rows: Longs,
        unit: bool = False,
    ) -> Tensor:  # fmt: skip
        unit = unit or self.temperature is not None
        return super()._item_loss(states, table, target, bias, rows=rows, unit=unit)

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        vectors, lengths, ages = inputs  # as encoder_inputs orders them
        rows, length, d = vectors.shape
        used = ages.reshape(-1) if "times" in weights else None
        places = weights["places"][:length].repeat(rows, 1) if self.order == "start" else None
        x = self._blocks(weights, vectors.reshape(-1, d), [(rows, length)], places, used, 0.0)
        last = (lengths - 1)[:, None, None].expand(-1, 1, d)
        return x.view(rows, length, d).gather(1, last)[:, 0]

    def tables_of(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        table: Floats = weights["items"] + self._keep_features(weights) if self.attributes else weights["items"]
        return (unit(table), None, table) if self.temperature else (table, None, None)

    def extend(self, features: ItemFeatures) -> None:
        """Add new items by their attributes; raises ``ParameterError`` for a model that was trained without them."""
        self._check_fitted()
        if not self.attributes:
            raise ParameterError("this sasrec uses no item features: train it with attributes=true")
        super().extend(features)

    def _add_items(self, gained: Floats) -> None:
        super()._add_items(unit(gained) if self.temperature else gained)
        if self.input_vectors is not None:
            self.input_vectors = np.concatenate([self.input_vectors, gained])

    def encoder_inputs(self, given: Histories, table: Floats) -> Arrays:
        found = super().encoder_inputs(given, table)
        longest = int(given.lengths.max())
        ages = np.full((len(given), longest), -1, dtype=np.float32)  # unknown
        if given.times is not None:
            newest = np.repeat(given.times[given.indptr[1:] - 1], given.lengths)
            ages[np.arange(longest) < given.lengths[:, None]] = newest - given.times
        return found | {"ages": ages}

    def _blocks(
        self,
        w: Tensors,
        x: Tensor,  # (places, factors)
        shapes: list[tuple[int, int]],  # rows and length of the blocks of positions
        places: Tensor | None,  # (places, factors)
        ages: Tensor | None,  # (places,)
        dropout: float,
    ) -> Tensor:
        """States ``(places, factors)``; positions after a row's last event do not affect earlier ones."""
        import torch
        import torch.nn.functional as F

        from penchant.models.neural.parts.dropout import drop as dropped

        def drop(y: Tensor) -> Tensor:
            return dropped(y, dropout)

        def parts(y: Tensor) -> Sequence[Tensor]:
            return [y] if len(shapes) == 1 else y.split([rows * length for rows, length in shapes])

        def norm(y: Tensor, name: str) -> Tensor:
            return F.layer_norm(y, (self.factors,), w[f"{name}.w"], w[f"{name}.b"])

        def dense(y: Tensor, name: str) -> Tensor:
            return torch.addmm(w[f"{name}.b"], y, w[name])

        def attend(y: Tensor, n: int) -> Tensor:
            of_head = self.factors // self.heads
            found = []
            for part, (rows, length), bias in zip(parts(dense(y, f"{n}.qkv")), shapes, biases, strict=True):
                q, k, v = part.view(rows, length, 3, self.heads, of_head).permute(2, 0, 3, 1, 4)
                logits = (q * of_head**-0.5) @ k.transpose(-1, -2) + bias
                found.append((drop(logits.softmax(-1)) @ v).transpose(1, 2).reshape(-1, self.factors))
            return dense(torch.cat(found) if len(found) > 1 else found[0], f"{n}.out")

        def feed(y: Tensor, n: int) -> Tensor:
            if self.block == "ligr":
                return dense(drop(F.silu(y @ w[f"{n}.swish"]) * dense(y, f"{n}.up")), f"{n}.down")
            return dense(drop(F.gelu(dense(y, f"{n}.up"))), f"{n}.down")

        of_part = [None] * len(shapes) if ages is None else parts(ages)
        biases = [self._bias(w, *shape, part) for shape, part in zip(shapes, of_part, strict=True)]
        x = x * self.factors**0.5
        x = drop(x if places is None else x + places)
        for n in range(self.layers):
            if self.block == "post":
                x = norm(x + drop(attend(x, n)), f"{n}.norm1")
                x = norm(x + drop(feed(x, n)), f"{n}.norm2")
            elif self.block == "pre":
                x = x + drop(attend(norm(x, f"{n}.norm1"), n))
                x = x + drop(feed(norm(x, f"{n}.norm2"), n))
            else:
                x = x + torch.sigmoid(x @ w[f"{n}.gate1"]) * drop(attend(norm(x, f"{n}.norm1"), n))
                x = x + torch.sigmoid(x @ w[f"{n}.gate2"]) * drop(feed(norm(x, f"{n}.norm2"), n))
        x = x if self.block == "post" else norm(x, "norm")
        return F.normalize(x, dim=1) / self.temperature if self.temperature else x

    def _bias(self, w: Tensors, rows: int, length: int, ages: Tensor | None) -> Tensor:
        """The term added to the logits of a block, ``(rows or 1, heads or 1, from, to)``."""
        import torch
        import torch.nn.functional as F

        at = torch.arange(length, device=w["items"].device)
        back = at[:, None] - at[None, :]
        bias = torch.where(back >= 0, 0.0, FAR)[None, None]
        if self.order == "distance":
            bias = bias + F.embedding(back.clamp(min=0), w["distances"]).permute(2, 0, 1)[None]
        return bias if ages is None else bias + _between(ages.view(rows, length), w["times"])


def _between(ages: Tensor, table: Tensor) -> Tensor:
    """The term that the time between two events adds to their logit, ``(rows, heads, from, to)``."""
    import torch

    gap = (ages[:, :, None] - ages[:, None, :]).abs()
    bucket = torch.log2(gap + 1).floor().clamp(max=BUCKETS - 2).long() + 1
    unknown = (ages[:, :, None] < 0) | (ages[:, None, :] < 0)
    return table[torch.where(unknown, 0, bucket)].permute(0, 3, 1, 2)
