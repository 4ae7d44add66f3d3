"""A model that is trained from a prepared log is, to the bit, the one trained in memory, and so are its lists."""

from __future__ import annotations

import tempfile

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.core import blocks, histories
from penchant.core.run import Run
from penchant.evaluation.protocols import make_splits
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
    assert blocks.is_mapped(on_disk.histories().items)
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


@pytest.mark.parametrize("name", ["plain", "rated"])
@pytest.mark.parametrize("spec", ["leave-last", "next-basket", "time:.7", "users:.3", "random:2"])
def test_splits_are_the_same_and_what_is_large_stays_in_files(logs, tmp_path, monkeypatch, spec, name):
    whole = make_splits(pc.read_interactions(logs / f"{name}.csv"), spec)
    on_disk = pc.read_interactions(logs / name)
    monkeypatch.setattr(blocks, "EVENTS", 500)
    monkeypatch.setattr(histories, "EVENTS", 500)
    monkeypatch.setattr(blocks, "CHOSEN", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for one, other in zip(whole, make_splits(on_disk, spec), strict=True):
        assert all(map(blocks.is_mapped, (other.train.items, other.given.items, other.train.times)))
        assert one.valid is not None and other.valid is not None
        for both in ((one, other), (one.valid, other.valid)):
            assert both[0].notes == both[1].notes
            for part in ("train", "given", "truth", "ratings"):
                parts = [getattr(of, part) for of in both]
                assert (parts[0] is None) == (parts[1] is None)
                for array in ("indptr", "items", "values", "times", "now"):
                    np.testing.assert_array_equal(*(getattr(of, array, None) for of in parts))
            for array in ("group", "warm"):
                np.testing.assert_array_equal(*(getattr(of, array) for of in both))
    assert list(tmp_path.iterdir()) == [], "the files have no names"


def test_an_evaluation_is_the_same(logs):
    tables = [
        pc.evaluate(log, ["popular", "item-knn"], split="leave-last", metrics="ndcg@10")
        for log in (pc.read_interactions(logs / "plain.csv"), pc.read_interactions(logs / "plain"))
    ]
    found = [[{name: each.mean for name, each in one.metrics.items()} for one in table.models] for table in tables]
    assert found[0] == found[1]
    assert len(found[0][0]) == 1
