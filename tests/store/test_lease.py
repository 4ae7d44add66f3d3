"""A lease: one holder at a time, taken over from the dead, never from the living; a lost one activates nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from penchant.store import lease as module
from penchant.store.active_model import ActiveModel
from penchant.store.events import EventStore
from penchant.store.lease import SECONDS, BusyLeaseError, Lease, LostLeaseError
from penchant.store.tables import leases
from penchant.store.trainings import ACTIVATED, ROLLED_BACK, Training, Trainings

HOLD = """
import sys, time
from penchant.store.events import EventStore
from penchant.store.lease import Lease
store = EventStore(sys.argv[1]); store.open()
with Lease(store, "train"):
    print("held", flush=True)
    time.sleep(60)
"""


def held(store: EventStore) -> list[str]:
    return [row[0] for row in store.database.read(store.database.compile(leases.select()))]


def test_one_at_a_time_and_free_afterwards(store: EventStore) -> None:
    with Lease(store, "train"), pytest.raises(BusyLeaseError, match=str(os.getpid())), Lease(store, "train"):
        pass
    assert held(store) == []
    with Lease(store, "train"), Lease(store, "another"):
        assert len(held(store)) == 2


@pytest.mark.parametrize(("later", "free"), [(SECONDS - 1, False), (SECONDS + 1, True), (-2 * SECONDS, True)])
def test_a_lease_lasts_as_long_as_it_says_and_a_wrong_clock_does_not_make_it_longer(
    store: EventStore, later: float, free: bool
) -> None:
    now = time.time()
    with Lease(store, "train", moment=lambda: now):
        other = Lease(store, "train", moment=lambda: now + later)
        if free:
            with other:
                pass
        else:
            with pytest.raises(BusyLeaseError), other:
                pass


def test_a_holder_renews_and_a_living_one_keeps_it(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW", 0.01)
    clock = [1000.0]
    with Lease(store, "train", moment=lambda: clock[0]):
        for _ in range(4):
            clock[0] += SECONDS - 1
            until = time.monotonic() + 5
            read = store.database.compile(leases.select())
            while store.database.read(read)[0][2] < clock[0] + SECONDS and time.monotonic() < until:
                time.sleep(0.01)
            with pytest.raises(BusyLeaseError), Lease(store, "train", moment=lambda: clock[0]):
                pass


def test_a_killed_holder_is_replaced_at_once(store: EventStore) -> None:
    url = store.database.url.render_as_string()
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(BusyLeaseError, match=str(child.pid)), Lease(store, "train"):
            pass
        child.kill()
        child.wait()
        with Lease(store, "train"):
            assert len(held(store)) == 1


def test_who_lost_the_lease_records_and_activates_nothing(store: EventStore) -> None:
    now = time.time()
    trainings = Trainings(store)
    row = Training(0, 1, "model", ACTIVATED, "key", "data", "{}", {})
    with Lease(store, "train", moment=lambda: now) as lost:
        with Lease(store, "train", moment=lambda: now + SECONDS + 1) as other:
            with pytest.raises(LostLeaseError):
                trainings.note(row, "v1", lost)
            assert trainings.lately() == []
            assert ActiveModel(store).names() == []
            trainings.note(row, "v1", other)
        assert ActiveModel(store).names() == ["model"]
        assert [one.outcome for one in trainings.lately()] == [ACTIVATED]


def test_a_rollback_marks_the_training(store: EventStore) -> None:
    trainings = Trainings(store)
    with Lease(store, "train") as lease:
        for name in ("one", "two"):
            trainings.note(Training(0, 1, name, ACTIVATED, "key", "data", "{}", {}), "v1", lease)
    store.writer.do_now(trainings.activate("one", "v1", bad="two"))
    assert [(one.name, one.outcome) for one in trainings.lately()] == [("two", ROLLED_BACK), ("one", ACTIVATED)]
    assert (trainings.bad(), trainings.active.names()) == ({"two"}, ["one", "two", "one"])
    assert trainings.wanted() == ["one", "one"]
    store.writer.do_now(trainings.activate("two", "v1"))  # by hand
    assert trainings.wanted()[0] == "two"
