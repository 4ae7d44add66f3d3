"""Workers over PostgreSQL, as two machines would have them: they agree, and one does the background work."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from penchant.store.events import EventStore
from tests.serve.postgres import Cluster
from tests.serve.workers import SOON, Workers, wait

pytestmark = pytest.mark.slow  # make test-postgres


def _holder(store: EventStore) -> int:
    rows = store.database.mine.execute("SELECT holder FROM leases WHERE name = 'background'").fetchall()
    return int(rows[0][0].split()[1]) if rows else 0


def test_workers_of_two_parents_agree_and_one_of_them_does_the_background_work(
    cluster: Cluster, models: Path, tmp_path: Path
) -> None:
    both = [
        Workers(models, cluster.url, settings={"model_copies": tmp_path / name, "store_seconds": 5})
        for name in ("one", "two")
    ]
    store = EventStore(cluster.url)
    store.open()
    try:
        lines = [line for workers in both for line in workers.lines_to_each()]
        assert len({line.worker for line in lines}) == 4
        for n in range(24):
            event = {"user": "ann", "item": f"i{n:02d}", "id": f"e{n}"}
            to, *others = lines[n % 4 :] + lines[: n % 4]
            assert to.ask("POST", "/v1/events", {"events": [event]})[1]["accepted"] == 1
            for line in others:
                told = line.ask("GET", "/v1/users/ann/events?k=1")[1]["events"]
                assert told[0]["item"] == event["item"]
        assert lines[0].ask("PATCH", "/v1/items/i29", {"hidden": True})[0] == 200
        paths = "/v1/users/nobody/recommendations?k=30"
        hidden = [lambda line=line: "i29" not in str(line.ask("GET", paths)[1]["items"]) for line in lines]
        assert wait(lambda: all(one() for one in hidden), 5) < SOON
        assert lines[0].ask("POST", "/v1/models/second/activate")[0] == 200
        version = lines[0].ask("GET", "/readyz")[1]["version"]
        assert wait(lambda: {line.ask("GET", "/readyz")[1]["version"] for line in lines} == {version}, 5) < SOON
        pids = [pid for workers in both for pid in workers.pids]
        before = _holder(store)
        assert before in pids
        os.kill(before, signal.SIGKILL)
        wait(lambda: _holder(store) in set(pids) - {before}, 20)
        assert [workers.stop() for workers in both] == [0, 0]
        assert _holder(store) == 0
        assert store.count() == 24
    finally:
        for workers in both:
            workers.kill()
        store.close()
