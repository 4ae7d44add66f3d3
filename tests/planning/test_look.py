"""The cheap look at a log: from its files to its shape, without reading all of it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import penchant as pc
from bench import zipf
from penchant.core.log_shape import LogShape
from penchant.errors import DataError
from penchant.planning import look as looking
from penchant.planning.look import Look, look
from penchant.planning.population import population

ROWS = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same log as Parquet, CSV and compressed CSV; nobody changes it."""
    folder = tmp_path_factory.mktemp("logs")
    for name in ("log.parquet", "log.csv"):
        zipf.write(folder / name, ROWS)
    (folder / "log.csv.gz").write_bytes(gzip.compress((folder / "log.csv").read_bytes(), 1))
    return folder


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "SAMPLE", 12_000)
    monkeypatch.setattr(looking, "BYTES", 2**15)


def close(found: Look, folder: Path, within: float) -> None:
    true = LogShape.of(pc.read_interactions(folder / "log.parquet").histories())
    for what in ("events", "users", "items"):
        assert getattr(found.shape, what) == pytest.approx(getattr(true, what), rel=within), what
    assert found.shape.pairs() == pytest.approx(true.pairs(), rel=2 * within)
    assert found.shape.ratings and found.shape.ordered


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.csv.gz"])
def test_a_small_log_is_read_whole(folder: Path, name: str) -> None:
    found = look(folder / name)
    assert found.seen == "file" and found.rows == ROWS
    close(found, folder, 1e-9)


@pytest.mark.usefixtures("small_samples")
@pytest.mark.parametrize(("name", "within"), [("log.parquet", 0.1), ("log.csv", 0.25), ("log.csv.gz", 0.3)])
def test_a_sample_shows_the_size_of_the_whole(folder: Path, name: str, within: float) -> None:
    found = look(folder / name)
    assert found.seen == "sample" and found.rows == pytest.approx(ROWS, rel=0.1)
    close(found, folder, within)


@pytest.mark.usefixtures("small_samples")
def test_a_log_sorted_by_user_and_several_files(folder: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(folder / "log.parquet").sort("user")
    table.write_csv(tmp_path / "sorted.csv")
    close(look(tmp_path / "sorted.csv"), folder, 0.25)
    table[: ROWS // 2].write_parquet(tmp_path / "a.parquet")
    table[ROWS // 2 :].write_parquet(tmp_path / "b.parquet")
    close(look([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]), folder, 0.25)


@pytest.mark.usefixtures("small_samples")
def test_items_of_an_item_table_count_too(folder: Path, tmp_path: Path) -> None:
    pl.DataFrame({"item": [f"new {n}" for n in range(9_000)], "title": ["new"] * 9_000}).write_csv(
        tmp_path / "items.csv"
    )
    assert look(folder / "log.csv", table=tmp_path / "items.csv").shape.items >= 9_000


def test_options_of_reading_are_used(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("who;what\n" + "".join(f"{n % 7};{n % 11}\n" for n in range(300)))
    found = look(tmp_path / "log.csv", sep=";", columns="user=who,item=what")
    assert (found.shape.users, found.shape.items) == (7, 11)


def test_files_of_two_kinds_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="one kind"):
        look([folder / "log.csv", folder / "log.parquet"])
    with pytest.raises(DataError, match="without being read"):
        look(pl.read_parquet(folder / "log.parquet"))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_users_are_counted_from_a_sample(share: float) -> None:
    rng = np.random.default_rng(3)
    full = np.maximum(rng.poisson(rng.lognormal(2, 1, 40_000)), 1)
    ids = np.repeat(np.arange(len(full)), full)
    taken = rng.random(len(ids)) < share
    half = rng.random(len(ids)) < 0.5
    one, other = (np.bincount(ids[taken & part], minlength=len(full)) for part in (half, ~half))
    found = population(one + other, one, other, len(ids))
    assert found.size == pytest.approx(len(full), rel=0.2)
    assert found.counts.mean() * found.size == pytest.approx(len(ids), rel=0.01)
    assert (found.counts**2).mean() * found.size == pytest.approx((full.astype(float) ** 2).sum(), rel=0.25)
    known = population(one + other, one, other, len(ids), known=float(len(full)))
    assert known.size == len(full)


def test_users_whose_rows_stand_together_are_those_of_the_share() -> None:
    together = np.full(500, 9)
    one, other = together.copy(), together.copy()
    one[250:], other[:250] = 0, 0
    assert population(one + other, one, other, rows=45_000).size == pytest.approx(5_000, rel=0.01)
