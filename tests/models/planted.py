"""Tiny logs with a structure that is known because it was planted, and a knob that turns it into noise.

All are non-square (``USERS`` ≠ ``ITEMS``) and asymmetric: groups of different sizes and popularity, transitions that go
one way only, tastes that differ between people and items. People of ``train`` are never among the cases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.shown import Shown

ITEMS = 53
USERS = 311  # a prime that no other size of the planted logs equals
CASES = 300
K = 5
DAY = 86_400
GROUPS = np.repeat(np.arange(7), (5, 6, 6, 7, 8, 10, 11))  # the group of every item


@dataclass(frozen=True)
class Planted:
    """A training log, cases with one true item each, and what is known about the items."""

    train: Histories
    given: Histories
    truth: Histories
    features: ItemFeatures


def planted(task: str, *, noise: float = 0.0, seed: int = 0, users: int = USERS) -> Planted:
    """The planted log of a task: ranking, rating, sequence, weight or again; ``noise`` = 1 leaves popularity."""
    rng = np.random.default_rng([seed, users])
    make = {"ranking": _interests, "sequence": _walks, "rating": _tastes, "weight": _weighed, "again": _rhythms}[task]
    return make(rng, noise, users)


def popularity() -> np.ndarray:
    """How likely an item is, whoever asks; falls with the index inside each group."""
    within = np.concatenate([np.arange(size) for size in np.bincount(GROUPS)])
    weight = 1.0 / (2.0 + within) * (1 + 0.2 * GROUPS)
    return weight / weight.sum()


def features() -> ItemFeatures:
    """The group of an item as an attribute, its decade as a number, and a vector near its group's own."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(GROUPS.max() + 1, 6))
    columns = {"kind": [f"group {g}" for g in GROUPS], "decade": [int(1950 + 10 * g) for g in GROUPS]}
    return ItemFeatures.from_columns(ITEMS, columns, (centres[GROUPS] + rng.normal(size=(ITEMS, 6)) * 0.2))


def log(rows: list[list[int]], rng: np.random.Generator, values: list[list[float]] | None = None) -> Histories:
    """Histories with increasing times, a few days apart."""
    times = [list(DAY * (1000 + np.cumsum(rng.integers(1, 9, len(row))))) for row in rows]
    return Histories.from_lists(
        rows, ITEMS, values=values, values_are="none" if values is None else "rating", times=times
    )


def parts(rows: list[list[int]], rng: np.random.Generator, users: int) -> Planted:
    """Training rows first; of the others the last item is the truth."""
    cases = rows[users:]
    truth = Histories.from_lists([row[-1:] for row in cases], ITEMS)
    return Planted(log(rows[:users], rng), log([row[:-1] for row in cases], rng), truth, features())


def _interests(rng: np.random.Generator, noise: float, users: int) -> Planted:
    """Everybody has one interest, a group, and takes items of it in a random order."""
    base = popularity()
    share = np.bincount(GROUPS, weights=base)
    rows = []
    for _ in range(users + CASES):
        mine = np.where(GROUPS == rng.choice(len(share), p=share), base, 0.0)
        weight = (1 - noise) * mine / mine.sum() + noise * base
        rows.append(
            [int(i) for i in rng.choice(ITEMS, size=rng.integers(4, 6), replace=False, p=weight / weight.sum())]
        )
    return parts(rows, rng, users)


def _weighed(rng: np.random.Generator, noise: float, users: int) -> Planted:
    """As ``_interests``, each event with a weight of its own, and people were shown things."""
    made = _interests(rng, noise, users)
    train, given = (
        replace(part, values=rng.integers(1, 9, len(part.items)).astype(np.float32), values_are="weight")
        for part in (made.train, made.given)
    )
    shown = Histories.from_lists(rng.integers(0, ITEMS, size=(users, 9)).tolist(), ITEMS)
    return replace(made, train=replace(train, shown=Shown(shown.indptr, shown.items)), given=given)


def _rhythms(rng: np.random.Generator, noise: float, users: int) -> Planted:
    """As ``_interests``; people come every week, and take each of their items again after its own number of weeks."""
    made = _interests(rng, noise, users)
    weeks = np.random.default_rng(19).integers(1, 5, ITEMS)

    def again(part: Histories) -> Histories:
        rows, times = [], []
        for r in range(len(part)):
            mine = [(week, int(i)) for i in part.row(r) for week in range(rng.integers(3), 12, weeks[i])]
            mine = sorted((week, i) for week, i in mine if rng.random() > noise)
            rows.append([i for _, i in mine])
            times.append([DAY * (1000 + 7 * week) for week, _ in mine])
        return Histories.from_lists(rows, ITEMS, times=times)

    return replace(made, train=again(made.train), given=again(made.given))


def _walks(rng: np.random.Generator, noise: float, users: int) -> Planted:
    """Each item leads to the next but one on a ring, sometimes to the next but four, and never back."""
    base = popularity()
    ring = np.random.default_rng(11).permutation(ITEMS)
    at = np.argsort(ring)
    rows = []
    for _ in range(users + CASES):
        row = [int(rng.choice(ITEMS, p=base))]
        for _ in range(rng.integers(6, 10)):
            step = 2 if rng.random() < 0.8 else 5
            follower = int(ring[(at[row[-1]] + step) % ITEMS])
            stray = rng.random() < noise or follower in row
            left = np.where(np.isin(np.arange(ITEMS), row), 0.0, base)
            row.append(int(rng.choice(ITEMS, p=left / left.sum())) if stray else follower)
        rows.append(row)
    return parts(rows, rng, users)


def _tastes(rng: np.random.Generator, noise: float, users: int) -> Planted:
    """Ratings 1 … 5 in halves: people and items have biases, and everybody loves some groups and shuns the others."""
    base = popularity()
    bias = np.random.default_rng(13).normal(size=ITEMS) * 0.3
    likes = np.random.default_rng(17).choice([-1.0, 1.0], size=(5, GROUPS.max() + 1))
    rows, ratings = [], []
    for _ in range(users + CASES):
        row = [int(i) for i in rng.choice(ITEMS, size=16, replace=False, p=base)]
        taste = (1 - noise) * (1.2 * likes[rng.integers(len(likes))][GROUPS] + bias + rng.normal() * 0.3)
        value = 3 + taste[row] + rng.normal(size=len(row)) * (0.2 + 0.8 * noise)
        rows.append(row)
        ratings.append([float(v) for v in np.clip(np.round(2 * value) / 2, 1, 5)])
    cases, known = rows[users:], ratings[users:]
    truth = Histories.from_lists(
        [row[-4:] for row in cases], ITEMS, values=[row[-4:] for row in known], values_are="rating"
    )
    return Planted(
        log(rows[:users], rng, ratings[:users]),
        log([row[:-4] for row in cases], rng, [row[:-4] for row in known]),
        truth,
        features(),
    )
