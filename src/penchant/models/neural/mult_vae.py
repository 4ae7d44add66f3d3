"""Mult-VAE: a variational autoencoder from the set of a history to all items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import ParameterError
from penchant.models.kinds.base import Space, hyper
from penchant.models.kinds.private import Doubles, Layers, NoisySums, Private
from penchant.models.neural.kinds.base import glorot, normal, require_torch, unit
from penchant.models.neural.kinds.precision import PreciseModel
from penchant.models.neural.kinds.set_model import SetModel, pooled
from penchant.models.neural.parts.encoder import ENCODER
from penchant.models.neural.parts.precision import dense
from penchant.models.neural.training.trainable import Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class MultVAE(Private, PreciseModel, SetModel):
    """score(i) = h·o_i + b_i, h = tanh of a layer over z, z = the mean of q(z | history).

    loss = −Σ_{i in the history} w_i log softmax(score)_i + beta · KL(q(z | history) ‖ N(0, 1))

    summed over the histories of a step and divided by their events. With a ``temperature`` score(i) = cos(h, o_i) over
    it + b_i, so that the length of an item's vector does not matter.

    Liang, Krishnan, Hoffman and Jebara 2018. ``dropout`` removes items from the set that the encoder reads, which is
    normalised to length one; ``factors`` is the length of z. beta rises over ``anneal`` passes. w_i is 1 for a removed
    item and ``kept`` for one that the encoder reads: below 1 the loss rewards predicting over copying the input, the
    emphasised denoising of Vincent et al. 2010 and Steck 2020 (EDLAE). With ``rivals="others"`` the softmax of an item
    is taken over itself and the items outside the history, so that the items of a long history do not compete with each
    other. ``balance`` reduces the weight of long histories. With ``decoder="linear"`` h is z itself; the paper found no
    gain in deeper networks either. What else differs: the first layer is a sum of the rows of the items in the history,
    so the cost of reading a history is its length.

    Cost a pass: O(histories · n_items · hidden); ``batch`` is events on average; scores are held in chunks, never
    histories × n_items. item_vectors are ``hidden`` long, with a linear decoder ``factors``. An empty history scores
    zero everywhere. Raises ``MissingExtraError`` without torch, ``TrainingError`` when the loss is no longer a
    number and ``ParameterError`` where ``kept`` and ``dropout`` are both 0.
    """

    name: ClassVar[str] = "mult-vae"
    private_shares: ClassVar[dict[str, float]] = {"counts": 0.15, "gradients": 0.85}
    private_defaults: ClassVar[dict[str, Any]] = {
        "decoder": "linear", "beta": 0.0, "hidden": 16, "factors": 16, "dropout": 0.5, "epochs": 60, "rate": 0.05,
        "clip": 0.15, "patience": None,
    }  # fmt: skip
    private_items: ClassVar[int] = 4_000

    hidden: int = hyper(300, "width of the layers around z", ge=1, space=Space(100, 600, log=True), other=9)
    beta: float = hyper(0.2, "weight of the divergence", ge=0, space=Space(0, 1), other=1.0)
    anneal: float = hyper(10.0, "passes over which beta rises", ge=0, space=Space(0, 40), other=0.0)
    kept: float = hyper(
        1.0, "weight in the loss of items that the encoder reads", ge=0, le=1, space=Space(0.1, 1), other=0.2
    )
    rivals: str = hyper(
        "all",
        "the items of the softmax; others: the item itself and those outside the history",
        choices=("all", "others"),
        other="others",
    )
    balance: float = hyper(
        0.0,
        "the weight of a history of n events is multiplied by n^-balance",
        ge=0,
        le=1,
        space=Space(0, 0.5),
        other=0.3,
    )
    temperature: float | None = hyper(
        None, "scores are cosines divided by this, + b; none: plain products", number=float, gt=0, optional=True,
        was={0: None}, space=Space(0.05, 0.3, log=True), other=0.2,
    )  # fmt: skip
    decoder: str = hyper(
        "layer", "the decoder between z and the scores; linear: none", choices=("layer", "linear"), other="linear"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.kept or self.dropout):
            raise ParameterError("mult-vae: kept=0 and dropout=0 leave no item to learn from: increase one of them")

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        h, z, n = self.hidden, self.factors, self.n_items
        wide = z if self.decoder == "linear" else h
        found: Arrays = {
            "inputs": normal(rng, n, h, scale=(2 / (n + h)) ** 0.5),
            "items": normal(rng, n, wide, scale=(2 / (n + wide)) ** 0.5),
            "latent": np.hstack([glorot(rng, h, z), glorot(rng, h, z) * np.float32(0.1)]),  # of mean and spread
        }
        if self.decoder == "layer":
            found["out"] = glorot(rng, z, h)
        for name in list(found):
            size = n if name == "items" else found[name].shape[1]
            found[f"{name}.b"] = np.zeros(size, dtype=np.float32)
        return found

    def step_loss(self, weights: Tensors, step: Longs) -> tuple[Tensor, int]:
        import torch
        import torch.nn.functional as F

        from penchant.models.neural.parts.dropout import keep_mask
        from penchant.models.neural.parts.segment_sum import segment_sum
        from penchant.models.neural.training import losses

        device = weights["items"].device
        bag = self._batch_of(step, device)
        read, raised = keep_mask(len(bag.items), self.dropout)
        read = read.to(device)
        seen = read.nonzero()[:, 0]  # the others would be multiplied by zero
        rows = bag.rows[seen]
        x = segment_sum(weights["inputs"], rows, bag.items[seen], (raised / bag.lengths.sqrt())[rows], len(bag.lengths))
        short = self._short(device)
        mean, spread = self._latent(weights, x, short)
        z = mean + torch.randn_like(mean) * torch.exp(spread / 2)
        weight = torch.where(read, self.kept, 1.0) if self.kept < 1 else None
        if self.balance:
            of_history = bag.lengths**-self.balance
            of_history *= bag.lengths.sum() / (bag.lengths * of_history).sum()
            weight = of_history[bag.rows] if weight is None else weight * of_history[bag.rows]
        h, table = self._decode(weights, z, short), weights["items"]
        if self.temperature:
            table = F.normalize(table, dim=1)
        said = losses.softmax(
            h, table, bag.items, weights["items.b"], rows=bag.rows, weight=weight, apart=self.rivals == "others",
            short=short,
        )  # fmt: skip
        divergence = 0.5 * (spread.exp() + mean**2 - 1 - spread).sum()
        beta = self.beta * min(1.0, self.passes_done / self.anneal if self.anneal else 1.0)
        return said + beta * divergence / len(bag.items), len(bag.items)

    def check_private(self) -> None:
        """As in ``Private``: the weights of a step are those of dense layers, and nothing is held out."""
        usual = type(self)(**self.private_defaults).params()
        free = {"hidden", "factors", "dropout", "epochs", "rate", "clip", "kept"}
        if other := [key for key, value in self.params().items() if key not in free and value != usual[key]]:
            raise ParameterError(
                f"{self.name} with a promise of privacy takes no {other[0]}, only {', '.join(sorted(free))}"
            )
        if self.clip is None:
            raise ParameterError(f"{self.name} with a promise of privacy needs clip, the norm of a person's gradient")
        require_torch(self.name)

    def fit_private(self, sums: NoisySums, run: Run) -> None:
        """As in ``Private``: ``epochs`` steps on the noised sum of everybody's gradients, each cut to ``clip``.

        The encoder is the mean alone (``beta`` 0), in double precision; the biases start at the noised counts.
        """
        from penchant.models.neural.training.export import export
        from penchant.models.neural.training.noised import descend

        assert self.clip is not None  # checked by check_private
        start = self.start_weights(run.rng())
        n, z, h = self.n_items, self.factors, self.hidden
        counts = np.maximum(sums.counts()[0].astype(np.float64), 1.0)
        rows = {
            "inputs": np.vstack([start["inputs"], np.zeros(h)]),
            "latent": np.vstack([np.eye(h, z), np.zeros(z)]),
            "items": np.vstack([start["items"].T, np.log(counts / counts.sum())]),
        }  # a layer's bias is its last row
        found = descend(
            sums, rows, self._slopes, clip=self.clip, rate=self.rate, steps=self.epochs, progress=run.report(self.name)
        )
        weights = {name: np.zeros_like(one) for name, one in start.items()}
        weights["inputs"], weights["inputs.b"] = found["inputs"][:-1], found["inputs"][-1]
        weights["latent"][:, :z], weights["latent.b"][:z] = found["latent"][:-1], found["latent"][-1]
        weights["items"], weights["items.b"] = found["items"][:-1].T, found["items"][-1]
        weights = {name: np.ascontiguousarray(one, dtype=np.float32) for name, one in weights.items()}
        self.set_tables(weights)
        assert len(self.item_vectors) == n
        self.assets = {ENCODER: export(self, weights)}

    def _slopes(self, weights: dict[str, Doubles], block: Histories, step: int) -> Layers:
        """What enters each layer, with a one for the bias, and the gradient of what leaves it, for every row."""
        from penchant.models.neural.training.noised import kept_events

        read, of_row, n = kept_events(block, self.dropout, step), block.rows, len(block)
        seen = np.bincount(of_row, weights=read, minlength=n)
        wanted = np.where(read, self.kept, 1.0) / np.maximum(block.lengths, 1)[of_row]
        x = np.zeros((n, block.n_items + 1))
        x[:, -1] = 1
        x[of_row, block.items] = read / np.sqrt(np.maximum(seen, 1))[of_row]
        one = np.ones((n, 1))
        with np.errstate(all="ignore"):  # a sum that is no number is left out
            into = [x]
            h = np.tanh(into[0] @ weights["inputs"])
            into.append(np.hstack([h, one]))
            into.append(np.hstack([into[1] @ weights["latent"], one]))
            said = into[2] @ weights["items"]
            said -= said.max(1, keepdims=True, initial=-np.inf)
            np.exp(said, out=said)
            said *= (np.bincount(of_row, weights=wanted, minlength=n) / said.sum(1))[:, None]
            said[of_row, block.items] -= wanted
            slopes = [said]
            slopes.insert(0, slopes[0] @ weights["items"][:-1].T)
            slopes.insert(0, slopes[0] @ weights["latent"][:-1].T * (1 - h**2))
        return list(zip(into, slopes, strict=True))

    def compared(self, log: LogShape) -> float:
        """As in ``NeuralModel``: every history, not every event, is compared with all items."""
        return log.items * min(1.0, log.users / max(log.events, 1))

    def work(self, log: LogShape) -> tuple[float, float]:
        """As in ``NeuralModel``."""
        h, z = float(self.hidden), float(self.factors)
        wide = z if self.decoder == "linear" else h
        weights = log.items * (h + wide) + 2 * h * z + (z * h if self.decoder == "layer" else 0)
        return weights, log.events * (h + self.compared(log) * wide) + log.users * 3 * h * z

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        return self._decode(weights, self._latent(weights, pooled(inputs, 0.5), short=False)[0], short=False)

    def _latent(self, weights: Tensors, x: Tensor, short: bool) -> tuple[Tensor, Tensor]:
        """The mean of z, and the log of its variance."""
        x = (x + weights["inputs.b"]).tanh()
        mean, spread = dense(x, weights["latent"], weights["latent.b"], short).split(self.factors, 1)
        return mean, spread

    def _decode(self, weights: Tensors, z: Tensor, short: bool) -> Tensor:
        """The vectors that item vectors are multiplied by."""
        import torch.nn.functional as F

        h = z if self.decoder == "linear" else dense(z, weights["out"], weights["out.b"], short).tanh()
        return F.normalize(h, dim=1) / self.temperature if self.temperature else h

    def tables_of(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        table = unit(weights["items"]) if self.temperature else weights["items"]
        return table, weights["items.b"], weights["inputs"]
