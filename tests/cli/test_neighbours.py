"""Stored histories like one, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import penchant as pc
from penchant.cli.main import main


@pytest.fixture(scope="module")
def remembering(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remembering") / "model"
    assert (
        main(["fit", str(shop / "log.csv"), "--items", str(shop / "items.csv"), "-m", "user-knn", "-o", str(folder)])
        == 0
    )
    return folder


def test_similar_histories_are_those_of_the_model(run, remembering: Path) -> None:
    said = run("similar-users", remembering, "--history", "b0", "--history", "b2", "-k", 4, "--json")
    rec = pc.load(remembering)
    near, similarities = rec.model.neighbours(rec.histories(["b0", "b2"])[0], 4)
    found = json.loads(said.out)["neighbours"]
    assert [one["similarity"] for one in found] == pytest.approx(similarities.tolist())
    assert [one["items"] for one in found] == [[rec.vocab.ids[i] for i in near.row(r)] for r in range(4)]
    assert "u1" not in said.out


def test_the_table_tells_what_is_common_from_what_is_new(run, remembering: Path) -> None:
    said = run("similar-users", remembering, "--history", "Dune", "-k", 1)
    assert said.code == 0
    assert "Dune" in said.out
    assert "also contains" in said.out


def test_what_cannot_be_shown_is_refused(run, shop: Path, remembering: Path) -> None:
    for asked in (
        (shop / "model", "--history", "Dune"),
        (remembering,),
        (remembering, "--history", "Dune", "-k", 0),
    ):
        said = run("similar-users", *asked)
        assert said.code == 2
        assert said.out == ""


def test_k_counts_histories(run) -> None:
    text = " ".join(run("similar-users", "--help").out.replace("│", " ").split())
    assert "How many histories." in text
