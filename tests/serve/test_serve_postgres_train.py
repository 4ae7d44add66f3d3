"""Training from a store in PostgreSQL: several trainers, one lease, one winner; a service that follows."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import penchant as pc
from penchant.recommender.folder.listing import saved_in
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.store.active_model import ActiveModel
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.trainings import ROLLED_BACK, Trainings
from tests.serve.postgres import Cluster
from tests.training.loop.conftest import planted

pytestmark = pytest.mark.slow  # make test-postgres
RUN = "from penchant.cli.main import run; run()"


def trainer(config: Path, url: str, **options: Any) -> subprocess.Popen[str]:
    """A process that trains; the URL is in its environment."""
    command = [sys.executable, "-c", RUN, "train", "--config", str(config), "--json"]
    return subprocess.Popen(command, env={**os.environ, "PENCHANT_STORE": url}, text=True, **options)


def test_trainers_share_one_lease_and_the_service_follows(cluster: Cluster, tmp_path: Path) -> None:
    log = planted()
    store = EventStore(cluster.url)
    store.open()
    rows = [NewEvent(f"u:{user}", item, None, None, when, None, None) for user, item, when in log.iter_rows()]
    store.writer.do_now(lambda connection: store.append_within(connection, [Batch(rows)]))
    models = tmp_path / "models"
    pc.fit(pc.read_interactions(log), "popular").save(models / "first")
    service = Service(Settings(folder=str(models), store=cluster.url, model_copies=str(tmp_path / "copies"), keep="0"))
    service.open()
    config = tmp_path / "penchant.toml"
    config.write_text(
        f'folder = "{models}"\n[train]\nmodels = "item-knn"\nholdout = "14d"\nmetric = "ndcg@5"\n'
        "[train.gate]\nmin_cases = 50\n"
    )
    killed = trainer(config, cluster.url, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert killed.stderr is not None
    assert "reading the log" in killed.stderr.readline()  # it has the lease
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert ActiveModel(store).names() == ["first"]
    children = [trainer(config, cluster.url, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    told = [json.loads(child.communicate()[0]) for child in children]
    assert [one["outcome"] for one in told].count("activated") == 1
    assert {one["outcome"] for one in told} <= {"activated", "busy", "unchanged"}
    (name,) = [one["name"] for one in told if one["outcome"] == "activated"]
    assert {*saved_in(models)} == {"first", name}

    async def follow() -> str:
        await service.start()
        await service.refresh()
        followed = service.models.active.name
        await service.roll_back()
        await service.stop()
        return followed

    assert asyncio.run(follow()) == name
    assert ActiveModel(store).names()[0] == "first"
    assert [one.outcome for one in Trainings(store).lately()] == [ROLLED_BACK]
    store.close()
