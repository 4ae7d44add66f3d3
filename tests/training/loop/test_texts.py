"""A training keeps what the active model has beside its model: the vectors of item texts, and what made them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.training.loop.outcome import ACTIVATED, Outcome

WORDS = ["dark beer", "fresh milk", "rye bread"]


def letters(texts: list[str]) -> Any:
    return np.array([[text.count(letter) + 1e-3 for letter in "abdemr"] for text in texts])


@pytest.mark.parametrize("way", ["learned", letters])
def test_the_new_model_searches_by_meaning_as_the_old_one(
    log: Path, go: Callable[..., Outcome], tmp_path: Path, way: Any
) -> None:
    events = pc.read_interactions(log)
    titles = [f"{WORDS[n // 20]} {'ixv'[n % 3] * (1 + n % 5)}" for n in range(60)]
    items = pl.DataFrame({"item": [f"i{n:03d}" for n in range(60)], "title": titles})
    first = pc.fit(events, "random", catalog=pc.Catalog.read(items, events.vocab), text=way)
    first.save(tmp_path / "models" / "first")
    outcome = go(active="first")
    assert outcome.outcome == ACTIVATED, outcome.why
    fresh = pc.load(tmp_path / "models" / outcome.document["name"], encoder=letters if way is letters else None)
    assert first.text is not None and fresh.text is not None and fresh.text.name == first.text.name
    assert first.catalog is not None and fresh.catalog is not None
    assert np.allclose(fresh.catalog.vectors, first.catalog.vectors, atol=1e-6)
    for question in ("beers", "breads"):  # no title has the word
        assert fresh.search(question, 5).ids == first.search(question, 5).ids != []
    assert "need" in fresh.fitted_on
