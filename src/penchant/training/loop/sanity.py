"""Checks of the refitted model, which was never judged: its lists beside those of the active one, time and size."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penchant.data.interactions import Interactions
from penchant.recommender.fallback import rank_or_popular
from penchant.recommender.recommender import Recommender
from penchant.training.loop.settings import Gate

PEOPLE = 500  # whose lists are compared, drawn with the seed
PLACES = 10  # of each list
TIMED = 15  # answers, one by one; their median is the answer time


@dataclass(frozen=True)
class Check:
    """One check: what was found, and the limit of the gate."""

    name: str
    setting: str  # of the gate
    value: float
    limit: float
    passed: bool
    what: str  # in words

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "setting": self.setting, "value": round(self.value, 6), "limit": self.limit,
            "passed": self.passed, "what": self.what,
        }  # fmt: skip


def fallen(now: float, before: float, gate: Gate, *, lower_is_better: bool) -> Check:
    """Whether the active recipe does far worse on this held-out part than at the last training: then the data is odd.

    A feed with wrong ids shows here: no recipe can find what people did next.
    """
    share = (now / before - 1 if lower_is_better else 1 - now / before) if before else 0.0
    what = f"the metric of the active recipe was {before:.4f} at the last training and is {now:.4f} now"
    return Check("fall", "max_fall", share, gate.max_fall, share <= gate.max_fall, what)


def checks(
    fresh: Recommender, folder: Path, active: Recommender | None, log: Interactions, gate: Gate, *, same_recipe: bool,
    seed: int,
) -> list[Check]:  # fmt: skip
    """The checks of a refitted model in its saved folder; those that need an active model only where there is one."""
    sample = _sample(log, seed)
    lists, milliseconds = _lists(fresh, sample), _answer_ms(fresh, sample)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    found = [
        Check("answer time", "max_answer_ms", milliseconds, gate.max_answer_ms, milliseconds <= gate.max_answer_ms,
              f"the median answer takes {milliseconds:.2f} ms"),
        Check("size", "max_size", size, gate.max_bytes, size <= gate.max_bytes, f"the folder has {size:,} bytes"),
    ]  # fmt: skip
    new, old = _coverage(lists), 0
    if active is not None:
        before = _lists(active, sample)
        old = _coverage(before)
        gone = _vanished(active, fresh)
        found.append(
            Check("items that vanished", "max_vanished", gone, gate.max_vanished, gone <= gate.max_vanished,
                  f"{gone:.1%} of the items of the active model are not in the new one")
        )  # fmt: skip
        if same_recipe:
            changed = _changed(before, lists)
            found.append(
                Check("lists changed", "max_changed", changed, gate.max_changed, changed <= gate.max_changed,
                      f"{changed:.1%} of the places of {len(lists):,} lists hold another item")
            )  # fmt: skip
    share = new / old if old else 1.0
    told = f"the lists hold {new:,} items" + (f", those of the active model {old:,}" if old else "")
    found.append(
        Check("coverage", "min_coverage", share, gate.min_coverage, share >= gate.min_coverage and new > 0, told)
    )
    return found


def _sample(log: Interactions, seed: int) -> Interactions:
    """The log of some people who have a positive event."""
    liked = np.flatnonzero(log.histories().positives().lengths > 0)
    drawn = np.random.default_rng(seed).permutation(liked)[:PEOPLE]
    chosen = np.zeros(log.n_users, dtype=np.bool_)
    chosen[drawn] = True
    return log.where(chosen[log.users])


def _lists(recommender: Recommender, sample: Interactions) -> list[list[str]]:
    """The list of each person of the sample, as ids."""
    given, _ = recommender.translation.of_log(sample)
    ranked = rank_or_popular(
        recommender.model, given, PLACES, repeat=sample.sessions, allow=recommender.available(), threads=1
    )
    ids = recommender.vocab.ids
    return [[ids[item] for item in row if item >= 0] for row in ranked.items.tolist()]


def _answer_ms(recommender: Recommender, sample: Interactions) -> float:
    """The median time of a list for one person; the first answer, which may compile, is not counted."""
    given, _ = recommender.translation.of_log(sample)
    spent = []
    for row in range(min(TIMED, len(given))):
        for timed in (row > 0, True) if row == 0 else (True,):
            start = time.perf_counter()
            rank_or_popular(recommender.model, given[row : row + 1], PLACES, repeat=sample.sessions, threads=1)
            spent += [time.perf_counter() - start] if timed else []
    return 1000 * float(np.median(spent)) if spent else 0.0


def _coverage(lists: list[list[str]]) -> int:
    return len({item for row in lists for item in row})


def _changed(before: list[list[str]], after: list[list[str]]) -> float:
    """The share of places of the new lists with an item that the old list of the same person lacks."""
    places = sum(map(len, after))
    same = sum(len({*old} & {*new}) for old, new in zip(before, after, strict=True))
    return 1 - same / places if places else 0.0


def _vanished(active: Recommender, fresh: Recommender) -> float:
    """The share of the items with training events of the active model that have none in the new one."""
    known = [item for item, count in zip(active.vocab.ids, active.item_counts.tolist(), strict=False) if count]
    counts, size = fresh.item_counts, fresh.model.n_items
    at = fresh.vocab.encode(known).astype(np.int64)
    there = (at >= 0) & (at < size)
    there[there] = counts[at[there]] > 0
    return float(1 - there.mean()) if known else 0.0
