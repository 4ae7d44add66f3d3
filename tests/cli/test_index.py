"""``fit --index`` and ``recommend --exact``: where lists come from, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import penchant as pc
from penchant.core import nearest_items
from penchant.core.histories import Floats, Ints
from penchant.core.nearest_items import Search
from penchant.recommender import indexing
from penchant.recommender.folder import index_file
from penchant.recommender.folder.manifest import INDEX, MANIFEST
from penchant.recommender.indexing import SLOW_MS

pytest.importorskip("faiss")


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of items that each search of an index was asked for; and an index of any size is built."""
    asked: list[int] = []
    search = Search.__call__

    def told(self: Search, vector: Floats, k: int) -> Ints:
        asked.append(k)
        return search(self, vector, k)

    monkeypatch.setattr(Search, "__call__", told)
    times = iter([SLOW_MS + 1, 1.0])  # an exact list, and one from the index
    monkeypatch.setattr(indexing, "_milliseconds", lambda work, rows: next(times))
    return asked


def test_a_small_catalogue_gets_no_index_and_is_told_so(run, shop: Path, tmp_path: Path) -> None:
    assert run("fit", shop / "log.csv", "-m", "als:factors=4", "--index", "-o", tmp_path / "m").code == 0
    assert not (tmp_path / "m" / INDEX).exists()
    assert any("no index: an exact list takes" in line for line in pc.load(tmp_path / "m").fitted_on["notes"])


def test_lists_come_from_the_index_unless_exact(run, shop: Path, tmp_path: Path, searches: list[int]) -> None:
    said = run("fit", shop / "log.csv", "-m", "als:factors=4", "--index", "-o", tmp_path / "m")
    assert said.code == 0, said.err
    assert "index over 12 items: recall@10 1.000" in said.err
    manifest = json.loads((tmp_path / "m" / MANIFEST).read_text())
    assert manifest["index"]["recall"] >= 0.98 and manifest["index"]["exact_ms"] == SLOW_MS + 1
    assert any("index over" in line and "recall@10" in line for line in manifest["fitted_on"]["notes"])
    for rest in (
        ["--history", "b1", "--json"],
        ["--log", shop / "log.csv", "--user", "u1", "--json"],
        ["--log", shop / "log.csv", "--all", "--force", "-o", tmp_path / "lists.jsonl"],
    ):
        lists = []
        for exact in ([], ["--exact"]):
            searches.clear()
            said = run("recommend", tmp_path / "m", "-k", 3, *rest, *exact)
            assert said.code == 0, said.err
            assert bool(searches) is not bool(exact)
            lines = (tmp_path / "lists.jsonl").read_text().splitlines() if "--all" in rest else [said.out]
            lists.append([[entry["item"] for entry in json.loads(line)["items"]] for line in lines])
        assert lists[0] == lists[1]  # every cell of so few is read


@pytest.mark.parametrize("model", [["-m", "item-knn"], ["-m", "neu-mf"], []])
def test_what_can_have_no_index_is_refused_before_the_work(run, tmp_path: Path, model: list[str]) -> None:
    said = run("fit", tmp_path / "no such log.csv", *model, "--index", "-o", tmp_path / "m")
    assert said.code == 2
    assert (f"{model[1]} has no index" if model else "--index needs a model") in said.err
    assert "no such log" not in said.err


def test_a_missing_extra_is_named_before_the_work(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_items, "installed", lambda: False)
    said = run("fit", tmp_path / "no such log.csv", "-m", "als", "--index", "-o", tmp_path / "m")
    assert "penchant[index]" in said.err
    assert "no such log" not in said.err


def test_an_index_that_cannot_be_used_is_a_note(
    run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searches: list[int]
) -> None:
    assert run("fit", shop / "log.csv", "-m", "als:factors=4", "--index", "-o", tmp_path / "m").code == 0
    monkeypatch.setattr(index_file, "installed", lambda: False)
    said = run("recommend", tmp_path / "m", "--history", "b1", "--json")
    assert said.code == 0 and "it needs the extra 'index'" in said.err
    assert json.loads(said.out)["items"]
