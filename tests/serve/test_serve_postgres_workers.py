"""Workers over PostgreSQL, as two machines would have them: they agree, one trains, one dies alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import penchant as pc
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.lease import Lease
from penchant.store.trainings import Trainings
from tests.serve.postgres import Cluster, tool
from tests.serve.serving import RUN
from tests.serve.workers import SOON, Workers, kill_under_load, wait
from tests.training.loop.conftest import planted

pytestmark = pytest.mark.slow  # make test-postgres
CONNECTIONS = 9  # of one worker to PostgreSQL at most, as docs/deploy.md says


@pytest.fixture
def store(cluster: Cluster) -> Iterator[EventStore]:
    """An empty store, opened from here, too."""
    subprocess.run(
        [tool("psql"), cluster.url, "-qc", "DROP SCHEMA public CASCADE; CREATE SCHEMA public"],
        check=True,
        env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"},
    )
    opened = EventStore(cluster.url)
    opened.open()
    yield opened
    opened.close()


def _holder(store: EventStore) -> int:
    rows = store.database.mine.execute("SELECT holder FROM leases WHERE name = 'background'").fetchall()
    return int(rows[0][0].split()[1]) if rows else 0


def _two(cluster: Cluster, models: Path, tmp_path: Path, *more: str, **settings: object) -> list[Workers]:
    """Two parents with two workers each; only the store joins them."""
    common = {"store_seconds": 5, **settings}
    return [
        Workers(
            models, cluster.url, more=("--workers", "2", *more), settings={**common, "model_copies": tmp_path / name}
        )
        for name in ("one", "two")
    ]


def test_workers_of_two_parents_agree(cluster: Cluster, store: EventStore, models: Path, tmp_path: Path) -> None:
    both = _two(cluster, models, tmp_path, exposures="true")
    try:
        lines = [line for workers in both for line in workers.lines_to_each()]
        assert len({line.worker for line in lines}) == 4
        ids = set()
        for n in range(24):
            event = {"user": "ann", "item": f"i{n:02d}", "id": f"e{n}"}
            to, *others = lines[n % 4 :] + lines[: n % 4]
            assert to.ask("POST", "/v1/events", {"events": [event]})[1]["accepted"] == 1
            for line in others:
                told = line.ask("GET", "/v1/users/ann/events?k=1")[1]["events"]
                assert told[0]["item"] == event["item"]
                answer = line.ask("GET", "/v1/users/ann/recommendations?k=30")[1]
                assert event["item"] not in [entry["item"] for entry in answer["items"]]
                ids.add(answer["recommendation"])
        shown = lambda: {row[0] for row in store.database.mine.execute("SELECT id FROM exposures")}  # noqa: E731
        assert wait(lambda: shown() >= ids, 5) < 2 * SOON
        assert lines[0].ask("PATCH", "/v1/items/i29", {"hidden": True})[0] == 200
        paths = "/v1/users/nobody/recommendations?k=30"
        hidden = [lambda line=line: "i29" not in str(line.ask("GET", paths)[1]["items"]) for line in lines]
        assert wait(lambda: all(one() for one in hidden), 5) < SOON
        assert lines[0].ask("POST", "/v1/models/second/activate")[0] == 200
        version = lines[0].ask("GET", "/readyz")[1]["version"]
        assert wait(lambda: {line.ask("GET", "/readyz")[1]["version"] for line in lines} == {version}, 5) < SOON
        create = ["keys", "create", "x", "--scope", "admin", "--store", cluster.url]
        subprocess.run([sys.executable, "-c", RUN, *create], check=True, capture_output=True)
        closed = lambda: {line.ask("GET", "/v1/users/ann/recommendations")[0] for line in lines} == {401}  # noqa: E731
        assert wait(closed, 5) < SOON
        ((connections,),) = store.database.mine.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL AND pid <> pg_backend_pid()"
        ).fetchall()
        assert connections <= 4 * CONNECTIONS
        assert [workers.stop() for workers in both] == [0, 0]
        assert store.count() == 24
    finally:
        for workers in both:
            workers.kill()


def test_one_trains_and_another_goes_on_when_it_is_killed(cluster: Cluster, store: EventStore, tmp_path: Path) -> None:
    log = planted()
    rows = [NewEvent(f"u:{user}", item, None, None, when, None, None) for user, item, when in log.iter_rows()]
    store.writer.do_now(lambda connection: store.append_within(connection, [Batch(rows)]))
    models = tmp_path / "models"
    pc.fit(pc.read_interactions(log), "popular").save(models / "first")
    config = tmp_path / "penchant.toml"
    config.write_text(
        '[train]\nmodels = "item-knn"\nholdout = "14d"\nmetric = "ndcg@5"\n[train.gate]\nmin_cases = 50\n'
    )
    both = _two(cluster, models, tmp_path, "--config", str(config), train_every="1s", train_priority="same", keep="0")

    def ended() -> list[tuple[int, str]]:
        """What the trainings of the service ended with, and the worker that ran each."""
        return [
            (at, str(line["outcome"]))
            for at, workers in enumerate(both)
            for line in list(workers.lines)
            if line["message"] == "training ended"
        ]

    try:
        pids = [pid for workers in both for pid in workers.pids]
        wait(lambda: len(ended()) >= 2, 120)
        before, first = _holder(store), ended()
        assert before in pids
        assert len({at for at, _ in first}) == 1  # one of the two did all of them
        assert {outcome for _, outcome in first} <= {"activated", "unchanged", "refused"}
        os.kill(before, signal.SIGKILL)
        wait(lambda: _holder(store) not in {0, before}, 20)
        after = _holder(store)
        assert after in {pid for workers in both for pid in workers.pids}
        wait(lambda: any(outcome != "busy" for _, outcome in ended()[len(first) :]), 120)
        assert [workers.stop() for workers in both] == [0, 0]
        with Lease(store, "background"):  # it was given back, or its holder is known to be gone
            assert _holder(store) == os.getpid()
        assert [one.outcome for one in Trainings(store).lately()].count("activated") <= 1
    finally:
        for workers in both:
            workers.kill()


def test_one_that_is_killed_loses_no_acknowledged_event_and_fails_only_its_own_requests(
    cluster: Cluster, store: EventStore, models: Path, tmp_path: Path
) -> None:
    workers = Workers(models, cluster.url, settings={"model_copies": tmp_path, "store_seconds": 5})
    acknowledged = kill_under_load(workers, kills=3)
    kept = {row[0] for row in store.database.mine.execute("SELECT id FROM events")}
    assert len(acknowledged) > 100
    assert acknowledged <= kept


def test_workers_outlive_a_restart_of_postgresql(
    cluster: Cluster, store: EventStore, models: Path, tmp_path: Path
) -> None:
    workers = Workers(models, cluster.url, settings={"model_copies": tmp_path, "store_seconds": 5})
    try:
        lines, pids = workers.lines_to_each(), workers.pids
        event = {"events": [{"user": "ann", "item": "i00"}]}
        assert [line.ask("POST", "/v1/events", event)[0] for line in lines] == [200, 200]
        cluster.stop(signal.SIGQUIT)
        for line in lines:
            status, told = line.ask("GET", "/v1/users/ann/recommendations")
            assert (status, "store" in told["degraded"]) == (200, True)
        assert [line.ask("POST", "/v1/events", event)[0] for line in lines] == [503, 503]
        cluster.start()
        for line in lines:
            wait(lambda line=line: line.ask("POST", "/v1/events", event)[0] == 200, 20)  # type: ignore[misc]
            wait(lambda line=line: line.ask("GET", "/v1/users/ann/recommendations")[1]["degraded"] is None, 20)  # type: ignore[misc]
        assert workers.pids == pids
        assert workers.stop() == 0
    finally:
        workers.kill()
