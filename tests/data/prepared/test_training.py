"""A model that is trained from a prepared log is, to the bit, the one trained in memory, and so are its lists."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.core import blocks
from penchant.core.run import Run
from penchant.recommender.folder.arrays import flatten
from penchant.recommender.folder.tensors import digest
from penchant.training.fit import fit

MODELS = [
    "popular", "item-knn", "transitions", "als:epochs=2,factors=8", "ease", "sparse-ease", "graph-filter", "rp3beta",
    "bpr:epochs=2,factors=8", "sasrec:epochs=1,factors=8,layers=1,window=10,patience=none",
    "mult-vae:epochs=1,patience=none",
]  # fmt: skip


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder, rng, rows = tmp_path_factory.mktemp("logs"), np.random.default_rng(0), 6000
    table = pl.DataFrame(
        {
            "user": [f"u{n}" for n in rng.integers(0, 300, rows)],
            "item": [f"i{n}" for n in (60 * rng.random(rows) ** 2).astype(int)],
            "time": rng.integers(1_500_000_000, 1_600_000_000, rows),
        }
    )
    for name, log in (("plain", table), ("rated", table.with_columns(rating=pl.Series(rng.integers(1, 6, rows))))):
        log.write_csv(folder / f"{name}.csv")
        pc.prepare(folder / f"{name}.csv", folder / name)
    return folder


def mapped(array):
    """Whether an array is part of a mapped file."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


@pytest.mark.parametrize("name", ["plain", "rated"])
@pytest.mark.parametrize("model", MODELS)
def test_the_model_and_its_lists_are_the_same(logs, tmp_path, monkeypatch, model, name):
    network = model.startswith(("sasrec", "mult-vae"))
    if network:
        pytest.importorskip("torch")
    run = Run(seed=1, threads=1 if network else 0)  # torch adds in another order where several threads meet
    options = {"positive": "value>=3"} if name == "rated" else {}
    if options:
        pc.prepare(logs / "rated.csv", tmp_path / "log", **options)
    in_memory = pc.read_interactions(logs / f"{name}.csv", **options)
    on_disk = pc.read_interactions(tmp_path / "log" if options else logs / name)
    assert mapped(on_disk.histories().items)
    one = fit(in_memory, model, run=run)
    monkeypatch.setattr(blocks, "EVENTS", 500)
    other = fit(on_disk, model, run=run)
    assert digest(flatten(one.model)) == digest(flatten(other.model))
    one.write_all(in_memory, tmp_path / "a.csv", 5)
    other.write_all(on_disk, tmp_path / "b.csv", 5)
    if network:  # the last bit of a matrix product depends on where its arrays lie
        lists = [pl.read_csv(tmp_path / file) for file in ("a.csv", "b.csv")]
        assert lists[0].drop("score").equals(lists[1].drop("score"))
        np.testing.assert_allclose(lists[0]["score"], lists[1]["score"], rtol=1e-5)
    else:
        assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_an_evaluation_is_the_same(logs):
    tables = [
        pc.evaluate(log, ["popular", "item-knn"], split="leave-last", metrics="ndcg@10")
        for log in (pc.read_interactions(logs / "plain.csv"), pc.read_interactions(logs / "plain"))
    ]
    found = [[{name: each.mean for name, each in one.metrics.items()} for one in table.models] for table in tables]
    assert found[0] == found[1]
    assert len(found[0][0]) == 1
