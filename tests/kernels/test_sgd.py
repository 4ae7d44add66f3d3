"""Sampled gradient steps: each improves its loss, and fixed parameters stay unchanged."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.kernels.sgd import fold_rows, learn_events, learn_histories

LOSSES = {"bpr": 0, "warp": 1, "logistic": 2}
NOTHING = np.zeros(0, np.int64), np.zeros(0, np.int32), 0, 1, 0.0  # was shown


def log(rows: int = 40, items: int = 30, seed: int = 0) -> dict[str, np.ndarray]:
    """Two tastes: rows contain only items of their own half."""
    rng = np.random.default_rng(seed)
    half = items // 2
    taken = [np.sort(rng.choice(half, 6, replace=False)) + half * (r % 2) for r in range(rows)]
    return {
        "rows": np.repeat(np.arange(rows), 6).astype(np.int32),
        "indptr": (6 * np.arange(rows + 1)).astype(np.int64),
        "items": np.concatenate(taken).astype(np.int32),
        "weights": np.ones(6 * rows, np.float32),
        "pool": np.arange(items, dtype=np.int32),
    }


def start(p: dict[str, np.ndarray], f: int = 5, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, items = len(p["indptr"]) - 1, len(p["pool"])
    return {
        "x": rng.normal(size=(rows, f)).astype(np.float32) * np.float32(0.1),
        "x_sum": np.ones(rows, np.float32),
        "y": rng.normal(size=(items, f)).astype(np.float32) * np.float32(0.1),
        "y_sum": np.ones(items, np.float32),
        "bias": np.zeros(items, np.float32),
    }


def auc(p: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray, bias: np.ndarray) -> float:
    """The share of pairs (item of the row, other item) that are ordered correctly."""
    scores = x @ y.T + bias
    right = []
    for r in range(len(x)):
        mine = p["items"][p["indptr"][r] : p["indptr"][r + 1]]
        other = np.setdiff1d(p["pool"], mine)
        right.append((scores[r, mine][:, None] > scores[r, other][None, :]).mean())
    return float(np.mean(right))


def walk(p: dict[str, np.ndarray], s: dict[str, np.ndarray], loss: int, passes: int, *, reg: float = 0.001) -> None:
    events = len(p["items"])
    for seed in range(passes):
        order = np.random.default_rng(seed).permutation(events).astype(np.int64)
        learn_events(0, events, loss, order, *p.values(), *s.values(), 0.3, reg, 5, seed, *NOTHING)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_learns_the_order_of_pairs(loss: int) -> None:
    p = log()
    s = start(p)
    before = auc(p, s["x"], s["y"], s["bias"])
    walk(p, s, loss, 40)
    assert before < 0.7
    assert auc(p, s["x"], s["y"], s["bias"]) > 0.85


def one_step(loss: int, weight: float = 1.0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """One row with one event, item 0; item 1 is the only negative to draw."""
    p = {
        "rows": np.zeros(1, np.int32), "indptr": np.array([0, 1], np.int64), "items": np.zeros(1, np.int32),
        "weights": np.full(1, weight, np.float32), "pool": np.ones(1, np.int32),
    }  # fmt: skip
    s = start({"indptr": np.zeros(2), "pool": np.zeros(2)}, f=3)
    before = {key: value.astype(np.float64) for key, value in s.items()}
    learn_events(0, 1, loss, np.zeros(1, np.int64), *p.values(), *s.values(), 0.1, 0.02, 1, 0, *NOTHING)
    return before, s


def test_a_bpr_step_is_the_gradient_of_the_formula() -> None:
    before, after = one_step(0, weight=2.0)
    x, (i, j) = before["x"][0], before["y"]
    g = 2.0 / (1 + np.exp(x @ (i - j)))
    dx, di, dj = g * (i - j) - 0.02 * x, g * x - 0.02 * i, -g * x - 0.02 * j
    for name, row, old, d in (("x", 0, x, dx), ("y", 0, i, di), ("y", 1, j, dj)):
        np.testing.assert_allclose(after[name][row], old + 0.1 * d / np.sqrt(1 + np.mean(d**2)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(after["bias"][0], 0.1 * g / np.sqrt(1 + np.mean(di**2)), atol=1e-6)
    np.testing.assert_allclose(after["bias"][1], -0.1 * g / np.sqrt(1 + np.mean(dj**2)), atol=1e-6)


def test_a_warp_step_weighs_by_the_rank_it_found() -> None:
    before, after = one_step(1)
    x, (i, j) = before["x"][0], before["y"]
    d = np.log(2.0) * (i - j) - 0.02 * x  # two items: one draw, at most one item above
    np.testing.assert_allclose(after["x"][0], x + 0.1 * d / np.sqrt(1 + np.mean(d**2)), rtol=0, atol=1e-6)


def test_a_logistic_step_pulls_the_event_and_then_pushes_the_draw() -> None:
    before, after = one_step(2)
    x, (i, j) = before["x"][0], before["y"]
    g = 1 / (1 + np.exp(x @ i))
    dx, di = g * i - 0.02 * x, g * x - 0.02 * i
    np.testing.assert_allclose(after["y"][0], i + 0.1 * di / np.sqrt(1 + np.mean(di**2)), rtol=0, atol=1e-6)
    x = x + 0.1 * dx / np.sqrt(1 + np.mean(dx**2))
    dj = -x / (1 + np.exp(-x @ j)) - 0.02 * j
    np.testing.assert_allclose(after["y"][1], j + 0.1 * dj / np.sqrt(1 + np.mean(dj**2)), rtol=0, atol=1e-6)


def test_no_item_of_the_row_is_drawn() -> None:
    p = log(rows=1, items=12)
    s = start(p)
    p["pool"] = p["items"].copy()
    for loss in (0, 1):
        kept = {key: value.copy() for key, value in s.items()}
        walk(p, s, loss, 3)
        for key in s:
            np.testing.assert_array_equal(s[key], kept[key])


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_folding_in_moves_rows_only_and_each_by_itself(loss: int) -> None:
    p = log()
    s = start(p)
    walk(p, s, loss, 40)
    y, bias = s["y"].copy(), s["bias"].copy()
    x = np.zeros_like(s["x"])
    of = (p["indptr"], p["items"], p["weights"], p["pool"])
    fold_rows(0, 40, loss, 20, *of, x, s["y"], s["bias"], 0.3, 0.001, 5)
    np.testing.assert_array_equal(s["y"], y)
    np.testing.assert_array_equal(s["bias"], bias)
    assert auc(p, x, s["y"], s["bias"]) > 0.8
    again = np.zeros_like(x)
    fold_rows(20, 40, loss, 20, *of, again, s["y"], s["bias"], 0.3, 0.001, 5)
    np.testing.assert_array_equal(again[20:], x[20:])
    assert not again[:20].any()


NOTHING_SHOWN = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), 0.0


def histories(p: dict, s: dict, order: np.ndarray, seed: int, shown: tuple = NOTHING_SHOWN) -> None:
    learn_histories(
        0, len(order), order, p["indptr"], p["items"], p["weights"], p["pool"], 0.5, *shown, s["y"], s["y_sum"],
        s["bias"], 0.3, 0.001, 10, seed,
    )  # fmt: skip


def test_negatives_come_from_what_was_shown_by_their_share() -> None:
    """With the share one only these move down; a row without any draws from all."""
    p = log(rows=2, items=40)
    own = [p["items"][p["indptr"][r] : p["indptr"][r + 1]] for r in (0, 1)]
    free = np.setdiff1d(np.arange(40), np.concatenate(own)).astype(np.int32)
    shown = np.array([0, 3, 3]), free[:3], 1.0
    s = start(p)
    histories(p, s, np.zeros(200, dtype=np.int64), 1, shown)
    assert (s["bias"][free[:3]] < 0).all()
    assert not s["bias"][free[3:]].any()
    s = start(p)
    histories(p, s, np.ones(200, dtype=np.int64), 1, shown)
    assert (s["bias"][free] < 0).mean() > 0.9
    drawn = []
    for share in (0.0, 0.25, 0.75):
        s = start(p)
        histories(p, s, np.zeros(200, dtype=np.int64), 1, (*shown[:2], share))
        drawn.append(float(-s["bias"][free[:3]].sum() / -s["bias"][free].sum()))
    assert drawn[0] < drawn[1] < drawn[2]


def test_histories_as_sums_of_items_learn_the_order_of_pairs() -> None:
    p = log()
    s = start(p)
    for seed in range(40):
        histories(p, s, np.random.default_rng(seed).permutation(40).astype(np.int64), seed)
    x = np.add.reduceat(s["y"][p["items"]], p["indptr"][:-1], axis=0) / np.sqrt(6)
    assert auc(p, x, s["y"], s["bias"]) > 0.85


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_with_a_share_of_1_every_negative_was_shown_in_the_group(loss: int) -> None:
    p = log(rows=3, items=12)
    s = start(p)
    shown = np.array([10, 11, 8, 9, 7], np.int32)  # of row 0 in group 0: 10, in group 1: 11 and 8; of row 2: 9; 7
    at = np.array([0, 1, 3, 3, 3, 4, 5], np.int64)
    events = np.flatnonzero(p["rows"] != 1).astype(np.int64)  # nothing was shown to row 1
    before = s["bias"].copy()
    learn_events(0, len(events), loss, events, *p.values(), *s.values(), 0.1, 0.02, 50, 3, at, shown, 1, 2, 1.0)
    touched = {int(item) for item in np.flatnonzero(s["bias"] != before)}
    taken = {int(item) for item in p["items"][events]}
    assert touched - taken <= {11, 8, 7}
    assert touched & {11, 8, 7}
