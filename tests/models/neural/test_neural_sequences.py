"""Passages and blocks: every event once, nobody sees another's events or the future."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.models.neural.gru4rec import side_by_side
from penchant.models.neural.parts.passages import Passages, Sequences, by_length
from tests.models.neural.small_logs_of_walks import ITEMS, SEQUENCES, small, walks


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_blocks_hold_every_event_once_and_little_else(lengths):
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    zeros = np.zeros(indptr[-1], dtype=np.int32)
    blocks = by_length(Passages(indptr, zeros, zeros, None))
    assert len(set(blocks.at.tolist())) == len(blocks.at)
    assert sum(rows for rows, _ in blocks.shapes) == len(lengths)
    ends = np.cumsum([rows * length for rows, length in blocks.shapes])
    assert ends[-1] == blocks.size
    of_length = np.array([length for _, length in blocks.shapes])
    for start, end, length in zip(blocks.at[indptr[:-1]], blocks.at[indptr[1:] - 1], lengths, strict=True):
        block = np.searchsorted(ends, start, side="right")
        into = start - (ends[block] - np.prod(blocks.shapes[block]))
        assert end - start + 1 == length  # an event after the other
        assert into % of_length[block] == 0  # from the left end of a row
        assert length <= of_length[block] <= max(length, 1.25 * length)  # which is hardly longer


@pytest.mark.parametrize("window", [1, 4, 50])
def test_one_pass_trains_every_event_but_the_first_once(window):
    log = walks()
    sequences = Sequences(log, window, times=True)
    steps = sequences.steps(np.random.default_rng(0), 30)
    assert sequences.positions == int((log.lengths - 1).sum())
    pairs = []
    for step in steps:
        part = sequences.take(step)
        assert part.lengths.max() <= window
        assert len(part.items) < 30 + window
        assert part.ages is not None
        assert (part.ages[part.indptr[1:] - 1] == 0).all()
        pairs += list(zip(part.items.tolist(), part.targets.tolist(), strict=True))
    expected = [
        pair for r in range(len(log)) for pair in zip(log.row(r)[:-1].tolist(), log.row(r)[1:].tolist(), strict=True)
    ]
    assert sorted(pairs) == sorted(expected)


def test_histories_side_by_side_leave_when_they_end():
    indptr = np.array([0, 2, 5, 6])
    at, active = side_by_side(Passages(indptr, np.zeros(6, np.int32), np.zeros(6, np.int32), None))
    assert active.tolist() == [3, 2, 1]
    assert at.tolist() == [1, 4, 0, 3, 5, 2]


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("block", ["post", "pre", "ligr"])
@pytest.mark.parametrize("order", ["start", "distance"])
def test_a_state_is_that_of_the_history_alone_and_the_encoder_says_the_same(name, block, order):
    if name != "sasrec" and (block, order) != ("pre", "start"):
        return
    temperature = 0.1 if block == "ligr" else None
    params = {"block": block, "order": order, "temperature": temperature} if name == "sasrec" else {}
    model = small(name, dropout=0.0, **params)
    log = walks(30)
    model.item_counts = log.counts()
    model.prepare(log)
    rng = np.random.default_rng(0)
    weights = {key: torch.from_numpy(value) for key, value in model.start_weights(rng).items()}
    if "times" in weights:
        weights["times"] = torch.randn_like(weights["times"])
    if "distances" in weights:
        weights["distances"] = torch.randn_like(weights["distances"])
    part = model._sequences.take(np.arange(len(model._sequences)))
    states = model._states(weights, part)
    table = model.tables_of({key: value.numpy() for key, value in weights.items()})
    inputs = table[0] if table[2] is None else table[2]
    for row in (0, 7, 19):
        for last in range(1, int(part.lengths[row]) + 1):  # nothing after ``last`` may matter
            alone = Histories.from_lists(
                [log.row(row)[:last].tolist()], ITEMS, times=[log.times[log.indptr[row] :][:last].tolist()]
            )
            said = model.encode(weights, *(torch.from_numpy(x) for x in model.encoder_inputs(alone, inputs).values()))
            torch.testing.assert_close(said[0], states[part.indptr[row] + last - 1], rtol=1e-4, atol=1e-5)
