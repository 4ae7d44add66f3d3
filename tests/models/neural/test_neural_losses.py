"""Losses and optimisers against what they say, written out the slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from penchant.core.histories import Histories
from penchant.models.neural.parts import precision
from penchant.models.neural.parts import segment_sum as summing
from penchant.models.neural.parts.dropout import drop
from penchant.models.neural.sasrec import SASRec
from penchant.models.neural.training import losses, optimisers
from tests.models.neural.small_logs_of_walks import ITEMS, ONE, small, walks

N, D, P = 37, 5, 29


@pytest.fixture
def parts():
    torch.manual_seed(0)
    states, table, bias = torch.randn(P, D), torch.randn(N, D), torch.randn(N)
    return [x.requires_grad_() for x in (states, table, bias)], torch.randint(N, (P,))


@pytest.mark.parametrize("cells", [N, 7 * N, 10**6])
@pytest.mark.parametrize("with_bias", [False, True])
def test_the_chunked_softmax_is_cross_entropy_with_its_gradients(parts, monkeypatch, cells, with_bias):
    monkeypatch.setattr(losses, "CELLS", cells)
    (states, table, bias), target = parts
    used = [states, table, *([bias] if with_bias else [])]
    mine = losses.softmax(states, table, target, bias if with_bias else None)
    plain = F.cross_entropy(states @ table.T + (bias if with_bias else 0), target)
    torch.testing.assert_close(mine, plain)
    for a, b in zip(torch.autograd.grad(3 * mine, used), torch.autograd.grad(3 * plain, used), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_short_factors_round_the_products_and_nothing_else(parts):
    (states, table, bias), target = parts
    near = [x.detach().bfloat16().float().requires_grad_() for x in (states, table)]
    exact = losses.softmax(*near, target, bias)
    short = losses.softmax(*near, target, bias, short=True)
    torch.testing.assert_close(short, exact, rtol=2e-3, atol=0)  # the scores are rounded, the factors were before
    for a, b in zip(torch.autograd.grad(short, near), torch.autograd.grad(exact, near), strict=True):
        assert not torch.equal(a, b)
        torch.testing.assert_close(a, b, rtol=0.03, atol=0.01 * float(b.abs().max()))
    rough = losses.softmax(states, table, target, bias, short=True)
    assert rough != losses.softmax(states, table, target, bias)


def test_short_factors_of_a_layer():
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(*shape, requires_grad=True) for shape in ((7, 30), (30, 5), (5,)))
    exact, short = (precision.dense(x, weight, bias, rounded) for rounded in (False, True))
    torch.testing.assert_close(exact, x @ weight + bias)
    assert short.dtype == torch.float32
    assert not torch.equal(short, exact)
    torch.testing.assert_close(short, exact, rtol=0.02, atol=0.1)
    for mine, theirs in zip(*(torch.autograd.grad(y.sum(), (x, weight, bias)) for y in (short, exact)), strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs, rtol=0.02, atol=0.1)


def test_short_factors_of_the_sampled_softmax(parts, monkeypatch):
    (states, table, bias), target = parts
    negatives = fixed(monkeypatch, torch.tensor([3, 3, 8, 20, 21, int(target[0])]))
    long, short = (losses.sampled_softmax(states, table, target, negatives, bias, short=on) for on in (False, True))
    torch.testing.assert_close(short, long, rtol=5e-3, atol=0)
    over = (states, table, bias)
    for a, b in zip(torch.autograd.grad(short, over), torch.autograd.grad(long, over), strict=True):
        torch.testing.assert_close(a, b, rtol=0.03, atol=0.02 * float(b.abs().max()))


def test_auto_takes_bfloat16_only_where_the_processor_has_it(monkeypatch):
    cpu, gpu = torch.device("cpu"), torch.device("meta")
    for able, wanted in (({"avx512_f": True}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert SASRec(precision="auto")._short(cpu) == wanted
        assert not SASRec(precision="auto")._short(gpu)
        assert not SASRec()._short(cpu)
        assert SASRec(precision="bfloat16")._short(cpu)


def test_sums_of_bags_are_sums_with_their_gradients():
    torch.manual_seed(2)
    table = torch.randn(11, 4, requires_grad=True)
    rows, items = torch.tensor([0, 0, 2, 2, 2, 4]), torch.tensor([3, 3, 10, 0, 5, 3])  # two bags hold nothing
    weight = torch.rand(6)
    plain = torch.zeros(5, 4).index_add(0, rows, table[items] * weight[:, None])
    mine = summing.segment_sum(table, rows, items, weight, 5)
    torch.testing.assert_close(mine, plain)
    outer = torch.randn(5, 4)
    wanted = torch.autograd.grad(plain, table, outer)[0]
    torch.testing.assert_close(torch.autograd.grad(mine, table, outer)[0], wanted)


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 0.3, 0.0, 2.0, 0.5, 1.0])])
@pytest.mark.parametrize("cells", [1, 40, 10**6])
@pytest.mark.parametrize("apart", [False, True])
def test_a_state_may_have_several_true_items_or_none(monkeypatch, cells, weight, apart):
    monkeypatch.setattr(losses, "CELLS", cells)
    torch.manual_seed(1)
    states, table, bias = (torch.randn(*shape, requires_grad=True) for shape in ((4, 5), (13, 5), (13,)))
    rows, items = torch.tensor([0, 0, 0, 2, 3, 3]), torch.tensor([1, 4, 12, 0, 7, 4])  # the second state has none
    scores = states @ table.T + bias
    each = torch.log_softmax(scores, 1)[rows, items]
    if apart:
        others = (
            [i for i in range(13) if i not in (1, 4, 12)],
            [],
            [i for i in range(13) if i != 0],
            [*range(4), 5, 6, *range(8, 13)],
        )
        each = torch.stack(
            [
                -torch.logsumexp(torch.cat([scores[row, [item]], scores[row, others[row]]]) - scores[row, item], 0)
                for row, item in zip(rows.tolist(), items.tolist(), strict=True)
            ]
        )
    plain = -(each if weight is None else each * weight).mean()
    wanted = torch.autograd.grad(plain, (states, table, bias))
    ours = losses.softmax(states, table, items, bias, rows=rows, weight=weight, apart=apart)
    torch.testing.assert_close(ours, plain)
    for mine, theirs in zip(torch.autograd.grad(ours, (states, table, bias)), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_apart_from_true_items_a_state_that_has_them_all_learns_nothing():
    states, table = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    rows, items = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])
    loss = losses.softmax(states, table, items, rows=rows, apart=True)
    to_states, to_table = torch.autograd.grad(loss, (states, table))
    assert to_states[0].eq(0).all()  # nothing is left that it could stand above
    assert to_states[1].ne(0).any() and to_table.isfinite().all()


def test_draws_follow_the_counts_and_leave_out_what_nobody_had():
    counts = torch.tensor([1, 0, 4, 16, 100])
    torch.manual_seed(0)
    drawn = np.bincount(losses.Negatives(counts, 0.5, 40_000).draw(), minlength=5) / 40_000
    np.testing.assert_allclose(drawn, np.array([1, 0, 2, 4, 10]) / 17, atol=0.01)
    assert drawn[1] == 0


@pytest.mark.parametrize("loss", ["sampled-softmax", "gbce", "bpr"])
def test_items_without_events_do_not_end_above_those_that_have_some(loss):
    log = walks()
    wider = Histories(log.indptr, log.items, ITEMS + 20)
    model = small("history-mlp", loss=loss, negatives=10, epochs=30).fit(wider, run=ONE)
    scores = model.score(wider[:20])
    assert (scores[:, ITEMS:].mean(1) < scores[:, :ITEMS].mean(1)).all()


def fixed(monkeypatch, drawn, power=0.0):
    negatives = losses.Negatives(torch.arange(1, N + 1), power, len(drawn))
    monkeypatch.setattr(negatives, "draw", lambda: drawn)
    return negatives


def test_sampled_losses_are_their_formulas(parts, monkeypatch):
    (states, table, bias), target = parts
    drawn = torch.tensor([3, 3, 8, 20, 21, int(target[0])])
    negatives = fixed(monkeypatch, drawn, 0.7)
    share = np.arange(1, N + 1) ** 0.7
    share /= share.sum()
    s = (states @ table.T + bias).detach().double().numpy()
    t, alpha = 0.4, 6 / (N - 1)
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    softmax, binary, pairs = [], [], []
    for p in range(P):
        true, others = s[p, target[p]], [j for j in drawn.tolist() if j != target[p]]
        corrected = [s[p, j] - math.log(6 * share[j]) for j in others]
        softmax.append(-true + math.log(math.exp(true) + sum(math.exp(x) for x in corrected)))
        binary.append(beta * math.log1p(math.exp(-true)) + sum(math.log1p(math.exp(s[p, j])) for j in others))
        pairs += [math.log1p(math.exp(s[p, j] - true)) for j in others]
    told = [
        losses.sampled_softmax(states, table, target, negatives, bias),
        losses.gbce(states, table, target, negatives, t, bias),
        losses.bpr(states, table, target, negatives, bias),
    ]
    np.testing.assert_allclose([x.item() for x in told], [np.mean(softmax), np.mean(binary), np.mean(pairs)], rtol=1e-5)


@pytest.mark.parametrize("with_bias", [False, True])
def test_the_sampled_softmax_is_cross_entropy_with_its_gradients(parts, monkeypatch, with_bias):
    (states, table, bias), target = parts
    drawn = torch.tensor([3, 3, 8, 20, 21, int(target[0]), int(target[1]), int(target[0])])
    negatives = fixed(monkeypatch, drawn, 0.7)
    used = [states, table, *([bias] if with_bias else [])]
    ours = losses.sampled_softmax(
        states, table, target, negatives, bias if with_bias else None, correction=0.5, unit=True
    )
    unit = table / table.norm(dim=1, keepdim=True)
    scores = states @ unit.T + (bias if with_bias else 0)
    others = (scores[:, drawn] - 0.5 * negatives.expected[drawn]).masked_fill(target[:, None] == drawn, -math.inf)
    plain = F.cross_entropy(torch.cat([scores.gather(1, target[:, None]), others], 1), torch.zeros_like(target))
    torch.testing.assert_close(ours, plain)
    for a, b in zip(torch.autograd.grad(3 * ours, used), torch.autograd.grad(3 * plain, used), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("share", [0.003, 0.2, 0.5, 0.9])
def test_dropout_leaves_its_share_out_and_keeps_the_mean(share):
    torch.manual_seed(0)
    y = torch.ones(501, 403, requires_grad=True)
    kept = drop(y, share)
    assert (kept == 0).float().mean().item() == pytest.approx(share, abs=0.004)
    assert kept.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(torch.autograd.grad(kept.sum(), y)[0], kept.detach())
    columns = (kept == 0).float().mean(0)  # no place in eight of the bytes fares better than another
    assert columns.std().item() < 1.3 * (share * (1 - share) / 501) ** 0.5 + 1e-3
    assert drop(y, 0.0) is y


def test_the_correction_makes_sampling_estimate_the_full_softmax(parts):
    (states, table, _), target = parts
    full = losses.softmax(states, table, target).item()
    torch.manual_seed(1)
    for power in (0.0, 1.0):
        negatives = losses.Negatives(torch.arange(1, N + 1), power, 20_000)
        assert losses.sampled_softmax(states, table, target, negatives).item() == pytest.approx(full, rel=0.02)


def test_the_learning_rate_rises_and_falls():
    def at(done, **how):
        return optimisers.factor(done, 10, **({"warmup": 0, "decay": "none"} | how))

    assert [at(d) for d in (0, 5, 9)] == [1, 1, 1]
    assert at(1, warmup=2) == pytest.approx(0.5, abs=1e-3)
    assert at(6, warmup=2, decay="linear") == pytest.approx(0.5)
    assert at(4, warmup=2, decay="cosine") == pytest.approx(0.5 * (1 - math.cos(0.75 * math.pi)))


@pytest.mark.parametrize("name", optimisers.NAMES)
def test_every_optimiser_steps_as_torch_does_and_remembers(name):
    def run(stop: int) -> torch.Tensor:
        weights = {"w": torch.ones(3, requires_grad=True)}
        made = optimisers.make(name, weights, rate=0.1, reg=0.01, momentum=0.9)
        for step in range(5):
            if step == stop:
                kept = {key: value.clone() for key, value in optimisers.state(made, weights).items()}
                made = optimisers.make(name, weights, rate=0.1, reg=0.01, momentum=0.9)
                optimisers.restore(made, weights, kept)
            made.zero_grad()
            (weights["w"] ** 2 * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
            made.step()
        return weights["w"].detach()

    assert torch.equal(run(3), run(99))
    assert (run(99) < 1).all()
