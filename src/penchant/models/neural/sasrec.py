"""SASRec: a transformer that reads a history from left to right and says after every event what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.histories import Floats, Histories
from penchant.models.base import Space, hyper
from penchant.models.neural.base import Arrays, Weights, glorot, normal
from penchant.models.neural.sequence import NextItemModel
from penchant.models.neural.sequences import Passages, pack

if TYPE_CHECKING:
    from torch import Tensor

BUCKETS = 32  # of the time between two events: unknown, then powers of two seconds up to 34 years
FAR = -1e9  # a logit nobody looks at


@dataclass(kw_only=True)
class SASRec(NextItemModel):
    """score(i) = state(last event)·v_i, the states from a stack of causal self-attention blocks over the items' own v.

    Kang and McAuley 2018 (SASRec), trained with a softmax over all items or a sampled one (Klenitskiy and Vasilev
    2023; Petrov and Macdonald 2023), which is what makes it strong. ``block`` says what stands around attention and
    feed-forward layer: ``post`` normalises their sum with the input, ``pre`` their input, ``ligr`` gates what they add
    (Borisyuk et al. 2024, LiGR; SwiGLU inside). What differs: histories are packed end to end into rows for training,
    each attending to itself only, so that one pass trains every event once; a place counts from the start of the
    window. Where events have times, ``times`` adds to each attention logit a learned number for the power of two of
    the seconds between the two events.

    Cost a pass: O(events · (n_items · factors + factors² · layers)) with the full softmax; with a sampled one
    ``negatives`` stands in place of n_items. An empty history scores zero everywhere. Raises ``MissingExtraError``
    without torch and ``TrainingError`` when the loss is no longer a number.
    """

    name: ClassVar[str] = "sasrec"
    uses_times: ClassVar[bool] = True

    layers: int = hyper(2, "blocks", ge=1, space=Space(1, 3), other=1)
    heads: int = hyper(2, "heads of attention; they share the factors", ge=1, space=Space(choices=(1, 2, 4)), other=1)
    inner: float = hyper(4.0, "width of the feed-forward layer, in factors", gt=0, space=Space(1, 4), other=1.0)
    block: str = hyper("pre", "where norms and gates stand", choices=("post", "pre", "ligr"), other="ligr")
    times: bool = hyper(True, "look at the times between events, where there are any", other=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.factors % self.heads:
            from penchant.errors import ParameterError

            raise ParameterError(f"sasrec: {self.heads} heads cannot share {self.factors} factors evenly")

    def _start(self, rng: np.random.Generator) -> Arrays:
        d, wide = self.factors, max(1, round(self.factors * self.inner))
        found: Arrays = {
            "items": normal(rng, self.n_items, d, scale=0.02),
            "places": normal(rng, self.window, d, scale=0.02),
        }
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
        return found

    def _states(self, weights: Weights, passages: Passages) -> Tensor:
        import torch
        import torch.nn.functional as F

        assert self._sequences is not None
        device = weights["items"].device
        packed = pack(passages, min(self.window, self._sequences.longest))
        shape = packed.rows, packed.capacity

        def spread(values: np.ndarray, dtype: type[np.generic]) -> Tensor:
            flat = np.zeros(shape[0] * shape[1], dtype=dtype)
            flat[packed.at] = values
            return torch.from_numpy(flat.reshape(shape)).to(device)

        x = F.embedding(spread(passages.items, np.int64), weights["items"])
        places = F.embedding(spread(passages.places, np.int64), weights["places"])
        owner = torch.from_numpy(packed.owner.reshape(shape)).to(device)
        allowed = (owner[:, :, None] == owner[:, None, :]).tril()
        ages = None if passages.ages is None else spread(passages.ages, np.float32)
        x = self._blocks(weights, x, places, allowed, ages, self.dropout)
        return x.reshape(-1, self.factors)[torch.from_numpy(packed.at).to(device)]

    def _encode(self, weights: Weights, *inputs: Tensor) -> Tensor:
        import torch

        vectors, lengths, ages = inputs  # as _inputs orders them
        length = vectors.shape[1]
        at = torch.arange(length, device=vectors.device)
        allowed = (at[:, None] >= at[None, :])[None]
        used = ages if "times" in weights else None
        x = self._blocks(weights, vectors, weights["places"][:length][None], allowed, used, 0.0)
        last = (lengths - 1)[:, None, None].expand(-1, 1, self.factors)
        return x.gather(1, last)[:, 0]

    def _inputs(self, given: Histories, table: Floats) -> Arrays:
        found = super()._inputs(given, table)
        longest = int(given.lengths.max())
        ages = np.full((len(given), longest), -1, dtype=np.float32)  # unknown
        if given.times is not None:
            newest = np.repeat(given.times[given.indptr[1:] - 1], given.lengths)
            ages[np.arange(longest) < given.lengths[:, None]] = newest - given.times
        return found | {"ages": ages}

    def _blocks(
        self, w: Weights, x: Tensor, places: Tensor, allowed: Tensor, ages: Tensor | None, dropout: float
    ) -> Tensor:
        """States of rows ``(rows, length, factors)``; ``allowed`` (rows or 1, from, to)."""
        import torch
        import torch.nn.functional as F

        def drop(y: Tensor) -> Tensor:
            return F.dropout(y, dropout) if dropout else y

        def norm(y: Tensor, name: str) -> Tensor:
            return F.layer_norm(y, (self.factors,), w[f"{name}.w"], w[f"{name}.b"])

        def dense(y: Tensor, name: str) -> Tensor:
            return y @ w[name] + w[f"{name}.b"]

        def attend(y: Tensor, n: int) -> Tensor:
            rows, length, d = y.shape
            q, k, v = dense(y, f"{n}.qkv").view(rows, length, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
            logits = (q * (d // self.heads) ** -0.5) @ k.transpose(-1, -2) + closed
            return dense((drop(logits.softmax(-1)) @ v).transpose(1, 2).reshape(rows, length, d), f"{n}.out")

        def feed(y: Tensor, n: int) -> Tensor:
            if self.block == "ligr":
                return dense(drop(F.silu(y @ w[f"{n}.swish"]) * dense(y, f"{n}.up")), f"{n}.down")
            return dense(drop(F.gelu(dense(y, f"{n}.up"))), f"{n}.down")

        closed = torch.where(allowed, 0.0, FAR)[:, None]
        if ages is not None:
            closed = closed + _between(ages, w["times"])
        x = drop(x * self.factors**0.5 + places)
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
        return x if self.block == "post" else norm(x, "norm")


def _between(ages: Tensor, table: Tensor) -> Tensor:
    """What the time between two events adds to their logit, ``(rows, heads, from, to)``."""
    import torch

    gap = (ages[:, :, None] - ages[:, None, :]).abs()
    bucket = torch.log2(gap + 1).floor().clamp(max=BUCKETS - 2).long() + 1
    unknown = (ages[:, :, None] < 0) | (ages[:, None, :] < 0)
    return table[torch.where(unknown, 0, bucket)].permute(0, 3, 1, 2)
