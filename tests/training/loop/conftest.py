"""A planted log with times, and an open store beside a folder of models."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from penchant.store.events import EventStore
from penchant.training.loop.outcome import Outcome
from penchant.training.loop.settings import Gate, TrainSettings
from penchant.training.loop.train import train

DAY, START, PEOPLE = 86_400, 1_700_000_000, 240
NOW = START + 101 * DAY


def planted(seed: int = 0, *, people: int = PEOPLE, items: int = 60, shuffled_from: int = 200) -> pl.DataFrame:
    """Everybody keeps to one of three genres for a hundred days; from a day on, item ids may be mixed up."""
    dice, rows = random.Random(seed), []
    mixed = dice.sample(range(items), items)
    size = items // 3
    for person in range(people):
        genre = person % 3
        chosen = sorted(range(size), key=lambda place: dice.random() ** (place + 1), reverse=True)[:8]  # by popularity
        dice.shuffle(chosen)
        for n, place in enumerate(chosen):
            day = 12 * n + dice.random() * 16  # the last of them is after day 84
            item = genre * size + place
            item = mixed[item] if day >= shuffled_from else item
            rows.append({"user": f"u{person}", "item": f"i{item:03d}", "timestamp": START + int(day * DAY)})
    return pl.DataFrame(rows).sort("timestamp")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The planted log in a file."""
    file = tmp_path / "log.csv"
    planted().write_csv(file)
    return file


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    """An open store."""
    opened = EventStore(f"sqlite:///{tmp_path / 'store.db'}")
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def settings(log: Path) -> TrainSettings:
    """Settings that fit the planted log."""
    return TrainSettings(
        sources=(str(log),), models=("item-knn", "random"), holdout="14d", metric="ndcg@5", gate=Gate(min_cases=50)
    )


Go = Callable[..., Outcome]


@pytest.fixture
def go(settings: TrainSettings, tmp_path: Path, store: EventStore) -> Go:
    """Train once; keyword arguments are settings, or settings of the gate."""

    def once(*, moment: Callable[[], float] = lambda: float(NOW), **changed: Any) -> Outcome:
        own = {
            name: changed.pop(name)
            for name in [*changed]
            if name in {"dry_run", "active", "allow_remembered", "update"}
        }
        gate = {name: changed.pop(name) for name in [*changed] if hasattr(settings.gate, name)}
        chosen = replace(settings, gate=replace(settings.gate, **gate), **changed)
        return train(chosen, tmp_path / "models", store, moment=moment, **own)

    return once
