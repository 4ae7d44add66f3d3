"""Events by user and time, against NumPy's stable sort."""

import numpy as np
import pytest

from penchant.data.reading.ordering import _counted, grouped, picked
from penchant.kernels.grouping import by_time


@pytest.mark.parametrize("events", [1, 2, 15, 16, 17, 33, 1000, 5000])
@pytest.mark.parametrize("moments", [1, 7, 10**9])
@pytest.mark.parametrize("people", [1, 3, 400])
@pytest.mark.parametrize("cores", [1, 3])
def test_grouping_is_the_stable_sort_by_user_and_time(monkeypatch, events, moments, people, cores):
    monkeypatch.setattr("penchant.data.reading.ordering.EVENTS_A_BLOCK", 1)
    monkeypatch.setattr("penchant.kernels.threads.available", lambda: cores)
    rng = np.random.default_rng(events + moments + people)
    users = rng.integers(0, people, events).astype(np.int32)
    times = rng.integers(-moments, moments, events)
    starts, order = grouped(users, people)
    assert order.tolist() == np.argsort(users, kind="stable").tolist()
    assert starts.tolist() == [0, *np.cumsum(np.bincount(users, minlength=people)).tolist()]
    by_time(0, people, times, starts, order)
    assert order.tolist() == np.lexsort((times, users)).tolist()
    assert _counted(users, times).tolist() == order.tolist()
    assert _counted(users, None).tolist() == np.argsort(users, kind="stable").tolist()
    assert _counted(users, np.sort(times)).tolist() == np.argsort(users, kind="stable").tolist()


def test_many_values_are_picked_as_by_an_index(monkeypatch):
    rng = np.random.default_rng(0)
    order = rng.permutation(10_000)
    for array in (rng.random(10_000).astype(np.float32), rng.integers(0, 9, 10_000).astype(np.int16)):
        expected = array[order]
        monkeypatch.setattr("penchant.data.reading.ordering.EVENTS_A_BLOCK", 999)
        assert np.array_equal(picked(array, order), expected)
        assert picked(array, order).dtype == array.dtype
