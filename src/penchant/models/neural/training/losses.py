"""Losses over items: they compare the score of the true item with those of the others.

All take states (positions, factors), true items (positions,) and a table of item vectors, and return the mean over
positions. None holds positions × items at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = 2**22  # scores held at once, at most: 16 MiB
NOWHERE = -1e30  # the score of excluded items: its exp is zero, and it is still comparable
NEAR = 2**19  # scores that fit in a core's cache, 2 MiB, while gradients are formed


class _FullSoftmax(torch.autograd.Function):
    """Mean cross-entropy over all items, in chunks of states.

    The gradients are formed in the same pass, while a chunk's probabilities are in memory: three matrix products per
    chunk, no recomputation, and nothing of size states × items is kept for the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        table: Tensor,
        bias: Tensor | None,
        target: Tensor,
        rows: Tensor | None,
        weight: Tensor | None,
        apart: bool,
        short: bool,
    ) -> Tensor:
        count, size = len(target), len(table)
        # with fewer states, sums of gradients dominate
        step = max(1, min(CELLS // size, max(NEAR // size, states.shape[1])))
        factor = torch.bfloat16 if short else states.dtype
        left, right = states.to(factor), table.to(factor)
        to_states = torch.empty_like(states)
        to_table = to_bias = None
        total = states.new_zeros((), dtype=torch.float64)
        ends = None if rows is None else [0, *torch.cumsum(torch.bincount(rows, minlength=len(states)), 0).tolist()]
        for lo in range(0, len(states), step):
            part, hi = left[lo : lo + step], min(lo + step, len(states))
            events = slice(lo, hi) if ends is None else slice(ends[lo], ends[hi])
            owner = torch.arange(hi - lo, device=states.device) if rows is None else rows[events] - lo
            true = owner * size + target[events]
            scores = (part @ right.T).to(states.dtype)
            if bias is not None:
                scores += bias
            own = scores.view(-1)[true]
            if apart:
                scores.view(-1)[true] = NOWHERE
            share = scores.softmax(1)
            logarithm = scores.amax(1) - share.amax(1).log()  # of the sum of exp(score)
            if apart:
                behind = logarithm[owner] - own
                less = torch.sigmoid(behind) / count
                lost = F.softplus(behind)
            else:
                less, lost = torch.full_like(own, 1 / count), logarithm[owner] - own
            if weight is not None:
                less, lost = less * weight[events], lost * weight[events]
            total += lost.double().sum()
            share *= torch.zeros_like(logarithm).index_add_(0, owner, less)[:, None]
            share.view(-1).index_add_(0, true, -less)
            if bias is not None:
                to_bias = _added(to_bias, share.sum(0))
            share = share.to(factor)
            to_states[lo:hi] = share @ right
            to_table = _added(to_table, (share.T @ part).to(table.dtype))
        ctx.save_for_backward(to_states, to_table, to_bias)
        return (total / count).to(states.dtype)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.saved_tensors
        if float(outer[0]) != 1:  # 1 where this is the whole loss
            found = tuple(None if part is None else part * outer[0] for part in found)
        return *found, None, None, None, None, None


def _added(total: Tensor | None, part: Tensor) -> Tensor:
    """A running sum that starts with its first part, so that no zeros are written."""
    return part if total is None else total.add_(part)


def softmax(
    states: Tensor,
    table: Tensor,
    target: Tensor,
    bias: Tensor | None = None,
    *,
    rows: Tensor | None = None,
    weight: Tensor | None = None,
    apart: bool = False,
    short: bool = False,
) -> Tensor:
    """−log of the true item's share of exp(score) over all items; the mean over the true items.

    Each state has one true item, or those that ``rows`` (ascending) assigns to it. ``weight`` multiplies each term
    before the mean; the divisor is still their number. ``apart``: each true item competes only with the items that are
    not true for its state. ``short``: only the factors of the products are rounded to bfloat16.
    """
    return _FullSoftmax.apply(states, table, bias, target, rows, weight, apart, short)


class Negatives:
    """Draws of items with probability ∝ count^power, shared by all positions of a step."""

    def __init__(self, counts: Tensor, power: float, number: int) -> None:
        weight = counts.double().clamp(min=1e-12) ** power
        weight = torch.where(counts > 0, weight, torch.zeros_like(weight))  # items without events are never drawn
        self.share = weight / weight.sum()
        self.expected = torch.log((self.share * number).clamp(min=1e-30)).float()  # log of the expected number of draws
        self.cumulated = torch.cumsum(self.share, 0)
        self.cumulated[-1] = 1.0
        self.number = number

    def draw(self) -> Tensor:
        """Item indexes ``(number,)``, with replacement, from torch's random stream."""
        where = torch.rand(self.number, dtype=torch.float64)
        return torch.searchsorted(self.cumulated, where).clamp(max=len(self.share) - 1)


@dataclass(frozen=True)
class Own:
    """Of each state's person an item that was shown and not taken, which stands for a ``share`` of the draws."""

    items: Tensor  # (states,)
    there: Tensor  # (states,) whether there is one
    share: float

    @property
    def weight(self) -> Tensor:
        """The share of each state, 0 where there is none, ``(states,)``."""
        return torch.where(self.there, self.share, 0.0)

    def scores(self, states: Tensor, table: Tensor, bias: Tensor | None, unit: bool) -> Tensor:
        """The score of each, ``(states,)``."""
        vectors = F.embedding(self.items, table)
        scores = (states * (F.normalize(vectors, dim=1) if unit else vectors)).sum(1)
        return scores if bias is None else scores + bias[self.items]


def _against(
    states: Tensor, table: Tensor, target: Tensor, drawn: Tensor, bias: Tensor | None, unit: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of the true items and of the drawn ones, and which drawn ones are the true item."""
    vectors = F.embedding(torch.cat([target, drawn]), table)
    if unit:
        vectors = F.normalize(vectors, dim=1)
    true, others = (states * vectors[: len(target)]).sum(1), states @ vectors[len(target) :].T
    if bias is not None:
        true, others = true + bias[target], others + bias[drawn]
    return true, others, target[:, None] == drawn[None, :]


class _SampledSoftmax(torch.autograd.Function):
    """Mean cross-entropy of the true item against the drawn ones, the gradients formed in the same pass as above."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        right: Tensor,  # (states, width) the vectors of the true items
        drawn: Tensor,  # (drawn, width)
        right_bias: Tensor | None,  # (states,)
        drawn_bias: Tensor,  # (drawn,)
        row: Tensor,
        column: Tensor,  # with ``row``: the drawn items that are a state's true one
        short: bool,
    ) -> Tensor:
        count = len(states)
        factor = torch.bfloat16 if short else states.dtype
        left, across = states.to(factor), drawn.to(factor)
        true = (states * right).sum(1)
        if right_bias is not None:
            true = true + right_bias
        scores = (left @ across.T).to(states.dtype).add_(drawn_bias)
        scores[row, column] = float("-inf")
        highest = torch.maximum(scores.amax(1), true)
        share, own = scores.sub_(highest[:, None]).exp_(), (true - highest).exp()
        total = share.sum(1) + own
        share.div_((total * count)[:, None])
        lacking = (own / total - 1) / count
        to_bias, share = share.sum(0), share.to(factor)
        to_states = lacking[:, None] * right + share @ across
        to_drawn = (share.T @ left).to(states.dtype)
        ctx.save_for_backward(to_states, lacking[:, None] * states, to_drawn, lacking, to_bias)
        return (total.log() + highest - true).mean()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        wanted = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)
        return *(part * outer[0] if needed else None for part, needed in wanted), None, None, None


def sampled_softmax(
    states: Tensor,
    table: Tensor,
    target: Tensor,
    negatives: Negatives,
    bias: Tensor | None = None,
    *,
    correction: float = 1.0,
    unit: bool = False,
    short: bool = False,
    own: Own | None = None,
) -> Tensor:
    """Softmax over the true item and the drawn ones, whose scores are lowered by the log of their expected number.

    With that correction (Bengio and Senécal 2008; Yi et al. 2019) it estimates the full softmax for any distribution
    of draws; ``correction`` scales it. ``unit``: item vectors are normalised to length one; ``short`` as above. With
    ``own``, its share of the sum over the drawn items is one over what the person was shown, corrected as an even draw.
    """
    drawn = negatives.draw()
    if own is not None:
        true, others, same = _against(states, table, target, drawn, bias, unit)
        others = others - correction * negatives.expected[drawn] + torch.log1p(-own.weight)[:, None]
        even = correction * math.log(len(table) / negatives.number) + math.log(negatives.number)
        mine = own.scores(states, table, bias, unit) + even + torch.log(own.weight)
        every = torch.cat([true[:, None], others.masked_fill(same, -math.inf), mine[:, None]], 1)
        return (torch.logsumexp(every, 1) - true).mean()
    vectors = F.embedding(torch.cat([target, drawn]), table)
    if unit:
        vectors = F.normalize(vectors, dim=1)
    right, others = vectors[: len(target)], vectors[len(target) :]
    offset = -correction * negatives.expected[drawn]
    if bias is None:
        return _SampledSoftmax.apply(states, right, others, None, offset, *_hits(target, drawn), short)
    own, offset = bias[target], bias[drawn] + offset
    return _SampledSoftmax.apply(states, right, others, own, offset, *_hits(target, drawn), short)


def _hits(target: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of a target and a draw that are the same item: index of the target, index of the draw."""
    order = torch.argsort(drawn)
    lo = torch.searchsorted(drawn[order], target)
    each = torch.searchsorted(drawn[order], target, right=True) - lo
    row = torch.repeat_interleave(each)
    first = torch.repeat_interleave(lo - (each.cumsum(0) - each), each)
    return row, order[first + torch.arange(len(row), device=row.device)]


def gbce(
    states: Tensor,
    table: Tensor,
    target: Tensor,
    negatives: Negatives,
    calibration: float,
    bias: Tensor | None = None,
    *,
    unit: bool = False,
    own: Own | None = None,
) -> Tensor:
    """Binary cross-entropy with the true item's probability raised to β (Petrov and Macdonald 2023, gSASRec).

    β = α (t (1 − 1/α) + 1/α), α = negatives / (items − 1), t = ``calibration``: 0 is plain binary cross-entropy, 1
    calibrates the probabilities for the sampling.
    """
    drawn = negatives.draw()
    true, others, same = _against(states, table, target, drawn, bias, unit)
    alpha = min(1.0, negatives.number / max(1, len(table) - 1))
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    wrong = F.softplus(others).masked_fill(same, 0.0).sum(1)
    if own is not None:
        mine = negatives.number * F.softplus(own.scores(states, table, bias, unit))
        wrong = torch.lerp(wrong, mine, own.weight.to(wrong.dtype))
    return (wrong - beta * F.logsigmoid(true)).mean()


def bpr(
    states: Tensor,
    table: Tensor,
    target: Tensor,
    negatives: Negatives,
    bias: Tensor | None = None,
    *,
    unit: bool = False,
    own: Own | None = None,
) -> Tensor:
    """−log σ(true − other), the mean over the drawn items (Rendle et al. 2009)."""
    drawn = negatives.draw()
    true, others, same = _against(states, table, target, drawn, bias, unit)
    lost = F.softplus(others - true[:, None]).masked_fill(same, 0.0)
    number = (~same).sum(1)
    if own is not None:
        mine = number * F.softplus(own.scores(states, table, bias, unit) - true)
        return torch.lerp(lost.sum(1), mine, own.weight.to(mine.dtype)).sum() / number.sum().clamp(min=1)
    return lost.sum() / number.sum().clamp(min=1)
