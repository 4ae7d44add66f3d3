"""Training beside the service: when, with which priority, what the child is given; rollbacks that are remembered."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from penchant.errors import ParameterError
from penchant.serve.common.again import FIRST, LONGEST, Again
from penchant.serve.common.metrics import Metrics
from penchant.serve.common.settings import Settings
from penchant.serve.common.trainer import SOON, Trainer, read_outcome, yield_to_others
from penchant.store.lease import Lease
from penchant.store.trainings import ACTIVATED, ROLLED_BACK, Training, Trainings
from tests.serve.conftest import Client, Make
from tests.serve.serving import Process
from tests.serve.workers import wait
from tests.training.loop.conftest import planted


class Told(Trainings):
    """Trainings whose last ones were at given moments."""

    def __init__(self, trained: float | None, updated: float | None) -> None:
        self.moments = {False: trained, True: updated}

    def last(self, *, updates: bool = True) -> Training | None:
        moments = [at for update, at in self.moments.items() if at is not None and (updates or not update)]
        return Training(1, int(max(moments)), "", "refused", "", "", "", {}) if moments else None


def trainer(
    last: float | None = None, updated: float | None = None, every: str = "1h", config: str | None = None, **given: Any
) -> Trainer:
    settings = Settings(**{"train_every": every, "folder": "models", **given})
    return Trainer(settings, Told(last, updated), Metrics(), config)


@pytest.mark.parametrize(
    ("ago", "wait"),
    [(None, SOON), (0, 3600), (1800, 1800), (3600, SOON), (10**9, SOON), (-(10**9), 3600)],
    ids=["never", "now", "half", "due", "long ago", "in the future"],
)
def test_it_waits_since_the_last_training_whatever_the_clock_says(ago: int | None, wait: float) -> None:
    assert trainer(None if ago is None else time.time() - ago).due() == (pytest.approx(wait, abs=2), False)


def test_one_that_failed_is_not_repeated_at_once() -> None:
    one = trainer()
    one._tried[False] = time.monotonic() - 10
    assert one.due() == (pytest.approx(3590, abs=1), False)
    assert trainer(every="1s").due() == (1, False)


@pytest.mark.parametrize(
    ("trained", "updated", "next_one"),
    [(3000, 3000, (SOON, True)), (3000, 100, (500, True)), (3400, 100, (200, False)), (4000, 4000, (SOON, False))],
)
def test_updates_come_between_trainings(trained: int, updated: int, next_one: tuple[float, bool]) -> None:
    one = trainer(time.time() - trained, time.time() - updated, update_every="10min")
    assert one.due() == (pytest.approx(next_one[0], abs=2), next_one[1])
    assert trainer(time.time(), every="0", update_every="10min").due() == (pytest.approx(600, abs=2), True)


@pytest.mark.parametrize("name", ["train_every", "update_every"])
@pytest.mark.parametrize("value", ["0.5s", "daily", "-1h", "30m"])
def test_a_span_that_cannot_be(name: str, value: str) -> None:
    with pytest.raises(ParameterError, match=name):
        Settings(**{name: value})
    with pytest.raises(ParameterError, match="stale_after"):
        Settings(stale_after="soon")
    assert (Settings(train_every="1s").train_seconds, Settings(train_every="0").train_seconds) == (1, None)


def test_passwords_travel_in_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENCHANT_STORE_URL_FILE", "elsewhere")
    one = trainer(config="penchant.toml", store="postgresql://me:hush@host/db", secret="s" * 32)
    assert "hush" not in " ".join(one.command())
    assert one.command()[-4:] == ["train", "--config", "penchant.toml", "--json"]
    assert "--update" in one.command(update=True)
    assert "nice" in one.command()
    assert trainer(train_priority="same").command()[0] == sys.executable
    with pytest.raises(ParameterError, match="train_priority"):
        Settings(train_priority="high")
    given = one.environment()
    assert given["PENCHANT_STORE"] == "postgresql://me:hush@host/db"
    assert (given["PENCHANT_FOLDER"], given["PENCHANT_SECRET"]) == ("models", "s" * 32)
    assert "PENCHANT_STORE_URL_FILE" not in given


def test_a_child_that_says_nothing_failed() -> None:
    assert read_outcome(b"", b"x\npenchant: no\n", 2) == {"outcome": "failed", "why": "penchant: no"}
    assert read_outcome(b"[1]", b"", -9) == {"outcome": "failed", "why": "exit code -9"}
    assert read_outcome(b'{"outcome": "busy", "why": "y"}', b"", 5)["outcome"] == "busy"


def test_the_child_runs_only_when_nothing_else_wants_to() -> None:
    with subprocess.Popen(["sleep", "5"]) as child:
        yield_to_others(child.pid, idle=False)
        assert os.sched_getscheduler(child.pid) == os.SCHED_OTHER
        yield_to_others(child.pid, idle=True)
        assert os.sched_getscheduler(child.pid) == os.SCHED_IDLE
        assert Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip() == "1000"
        child.kill()


# -- rolling back -----------------------------------------------------------------------------------------------------


@pytest.fixture
def own(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models, tmp_path / "own"))


def note(client: Client, name: str) -> None:
    """As a training that activated a model."""
    store = client.service.store
    with Lease(store, "train") as lease:
        Trainings(store).note(Training(0, int(time.time()), name, ACTIVATED, "k", "d", "{}", {}), "v", lease)


def test_a_model_that_was_rolled_back_is_marked_and_not_returned_to(make: Make, own: Path) -> None:
    client = make(folder=str(own))  # knn is active
    for name in ("popular", "second"):
        note(client, name)
        asyncio.run(client.service.refresh())
        assert client.service.models.active.name == name
    assert client.post("/v1/models/rollback").json()["active"] == "popular"
    assert client.post("/v1/models/rollback").json()["active"] == "knn"  # not second, which was bad
    outcomes = {one.name: one.outcome for one in Trainings(client.service.store).lately()}
    assert outcomes == {"popular": ROLLED_BACK, "second": ROLLED_BACK}
    refused = client.post("/v1/models/rollback")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:penchant:problem:no-model-before")
    assert client.post("/v1/models/second/activate").status_code == 200  # by hand it may be


def test_a_model_that_comes_later_than_its_activation_becomes_active(make: Make, own: Path, models: Path) -> None:
    client = make(folder=str(own))
    for again in (False, True):  # the second time the service starts without it
        shutil.rmtree(own / "second")
        if again:
            client = make(folder=str(own))
        else:
            note(client, "second")
            asyncio.run(client.service.refresh())
        assert client.service.models.active.name == "knn"
        shutil.copytree(models / "second", own / "second")  # as from another machine
        wait(lambda client=client: client.service.models.active.name == "second", 20)  # type: ignore[misc]


def test_what_fails_is_tried_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    late = Again()
    assert not late.due()
    assert late.again("no such folder")
    pauses = []
    for _ in range(9):
        began = now[0]
        while not late.due():
            now[0] += 0.5
        pauses.append(now[0] - began)
        assert not late.again("no such folder")
    assert pauses == [FIRST, 2, 4, 8, 16, 32, LONGEST, LONGEST, LONGEST]
    assert late.again("the disk is full")
    now[0] += FIRST
    assert late.due()
    late.over()
    assert not late.due()


def test_a_model_that_cannot_be_loaded_leaves_the_active_one(make: Make, own: Path) -> None:
    client = make(folder=str(own))
    (own / "second" / "manifest.json").write_text("{")
    note(client, "second")
    asyncio.run(client.service.refresh())
    assert client.service.models.active.name == "knn"


# -- a real service ---------------------------------------------------------------------------------------------------


def test_a_service_trains_and_serves_what_it_trained(tmp_path: Path) -> None:
    import penchant as pc

    log = tmp_path / "log.csv"
    planted().write_csv(log)
    pc.fit(pc.read_interactions(log), "popular").save(tmp_path / "models" / "first")
    config = tmp_path / "penchant.toml"
    config.write_text(
        'train_every = "3s"\ntrain_priority = "same"\n'
        f'[train]\nsources = "{log}"\nmodels = "item-knn"\nholdout = "14d"\n'
        "[train.gate]\nmin_cases = 50\n"
    )
    process = Process(tmp_path / "models", tmp_path / "store.db", more=("--config", str(config)))
    try:
        until, active = time.monotonic() + 200, "first"
        while active == "first" and time.monotonic() < until:
            time.sleep(0.2)
            assert process.ask("GET", "/v1/users/u1/recommendations")[0] == 200
            (active,) = [one["name"] for one in process.ask("GET", "/v1/models")[1]["models"] if one["active"]]
        assert active.endswith("-item-knn")
        while not any(line["message"] == "training ended" for line in process.lines) and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        assert process.stop() == 0
    (ended, *_) = [line for line in process.lines if line["message"] == "training ended"]
    assert (ended["outcome"], ended["name"], ended["compared_with"]) == ("activated", active, "first")


def test_one_saved_recommender_cannot_be_trained(knn: Path, tmp_path: Path) -> None:
    from penchant.serve.run import serve

    settings = Settings(folder=str(knn), store=f"sqlite:///{tmp_path / 'store.db'}", train_every="1h")
    with pytest.raises(ParameterError, match="folder of models"):
        serve(settings)


def test_trainings_are_counted(make: Make, own: Path) -> None:
    client = make(folder=str(own))
    client.service.metrics.trainings.labels("refused").inc()
    assert 'penchant_trainings_total{outcome="refused"} 1.0' in client.get("/metrics").text
