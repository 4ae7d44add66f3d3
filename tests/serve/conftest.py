"""A small planted world and a service over it."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.models.item_knn import ItemKNN
from penchant.models.popular import Popular
from penchant.serve.app import make_app
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.training.fit import fit
from tests.serve.postgres import Cluster

GENRES = ("drama", "comedy", "noir")
ITEMS = [f"i{n:02d}" for n in range(30)]  # ten of each genre, those of one genre are liked by the same people
NOW = 1_790_000_000


@pytest.fixture(scope="session", autouse=True)
def hang_up() -> Iterator[None]:
    """Services under test hear SIGHUP, even where the tests were started by nohup: what is ignored is inherited."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def rows(seed: int = 0, users: int = 120) -> pl.DataFrame:
    """Everybody keeps to one genre, and popular items come first."""
    dice = random.Random(seed)
    told = []
    for user in range(users):
        genre = user % 3
        chosen = [ITEMS[genre * 10 + n] for n in sorted(dice.sample(range(10), 5))]
        told += [{"user": f"t{user}", "item": item, "kind": "view"} for item in chosen]
    return pl.DataFrame(told)


def catalogue() -> pl.DataFrame:
    """Titles, genres, prices, domains and one item that cannot be had."""
    return pl.DataFrame(
        {
            "item": ITEMS,
            "title": [f"Title {n}" for n in range(30)],
            "genre": [[GENRES[n // 10], "all"] for n in range(30)],
            "price": [float(n) for n in range(30)],
            "domain": ["film" if n % 2 else "book" for n in range(30)],
            "available": [n != 9 for n in range(30)],
        }
    )


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of saved recommenders: ``knn``, ``second`` (other neighbours) and ``popular``."""
    root = tmp_path_factory.mktemp("models")
    log = read_interactions(rows(), kinds={"view": 1.0, "cart": 3.0, "dislike": -1.0}, values="weight")
    catalog = Catalog.read(catalogue(), log.vocab)
    for name, model in (("knn", ItemKNN()), ("second", ItemKNN(neighbours=3)), ("popular", Popular())):
        fit(log, model, catalog=catalog).save(root / name)
    return root


@pytest.fixture(scope="session")
def knn(models: Path) -> Path:
    """One saved recommender."""
    return models / "knn"


Make = Callable[..., "Client"]


class Client(TestClient):
    """A client with the service behind it at hand."""

    service: Service

    def events(self, *events: dict[str, Any]) -> Any:
        """Send a batch."""
        return self.post("/v1/events", json={"events": list(events)})

    def ids(self, path: str, **params: Any) -> list[str]:
        """The items of a list."""
        response = self.get(path, params=params)
        assert response.status_code == 200, response.text
        return [entry["item"] for entry in response.json()["items"]]


def begin_with(folder: str) -> str:
    """The model to activate at a first start: "knn" or "first" where there are several, nothing where there is one."""
    found = sorted(path.parent.name for path in Path(folder).glob("*/items.parquet"))
    return next((name for name in ("knn", "first", *found) if name in found), "") if len(found) > 1 else ""


@pytest.fixture
def make(tmp_path: Path, knn: Path) -> Iterator[Make]:
    """Start services over one store a test; keyword arguments are settings."""
    with ExitStack() as stack:

        def started(**settings: Any) -> Client:
            store = f"sqlite:///{tmp_path / 'store.db'}"
            given = {"folder": str(knn), "store": store, **settings}
            service = Service(Settings(**{"active": begin_with(given["folder"]), **given}))
            service.open()
            client = stack.enter_context(Client(make_app(service), base_url="http://localhost"))
            client.service = service
            return client

        yield started


@pytest.fixture
def client(make: Make) -> Client:
    """A service on loopback without keys."""
    return make()


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """PostgreSQL for the tests of a file."""
    made = Cluster()
    yield made
    made.throw_away()


@pytest.fixture
def cluster(server: Cluster) -> Cluster:
    """PostgreSQL with a database of its own for each test: what one asserts does not depend on what others left."""
    server.new_database()
    return server
