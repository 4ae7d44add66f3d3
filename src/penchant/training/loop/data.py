"""The data of a training: the log within its window, and the held-out part on which models are judged."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from penchant.core.histories import Floats, Longs
from penchant.core.settings import parse_span
from penchant.core.split import Split
from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions
from penchant.data.read import read_interactions
from penchant.data.support import supported
from penchant.errors import DataError
from penchant.evaluation.cases import asked_ratings
from penchant.evaluation.cuts import cut_at, quantile_moment
from penchant.evaluation.measure import Metric, truth_sizes
from penchant.evaluation.protocols import training_rows
from penchant.recommender.recommender import Recommender
from penchant.store.described import described_people
from penchant.store.log import store_log
from penchant.text.encoder import TextEncoder
from penchant.training.choose import drawn_cases
from penchant.training.loop.settings import STORE, TrainSettings

AHEAD = 86_400  # seconds by which an event may be dated in the future
FUTURE = 0.1  # share of events in the future from which a clock must be wrong
CASES = 20_000  # at most, drawn with the seed


@dataclass(frozen=True, eq=False)
class TrainingData:
    """A log, the part of it on which models are judged, and the fingerprint of all of it."""

    log: Interactions
    catalog: Catalog | None
    split: Split  # before and after ``moment``; only the cases that are used
    moment: int  # unix seconds
    cases: int  # with a true item, before any were drawn
    fingerprint: str
    notes: Sequence[str] = ()
    text: TextEncoder | None = None  # what turned the texts of the items into vectors

    def to_json(self) -> dict[str, Any]:
        """What was read, without ids."""
        times = self.log.times
        assert times is not None  # a split by time has them
        return {
            "events": len(self.log), "histories": self.log.n_users, "items": self.log.n_items,
            "rejected": self.log.report.n_rejected, "from": day(int(times.min())), "to": day(int(times.max())),
            "held_out_from": day(self.moment), "held_out_events": int((times >= self.moment).sum()),
            "cases": self.cases, "used_cases": len(self.split), "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }  # fmt: skip


def read_data(
    settings: TrainSettings,
    metric: Metric,
    *,
    store: str = "",
    live: Recommender | None = None,
    moment: Callable[[], float] = time.time,
    progress: Callable[[str, float], None] | None = None,
) -> TrainingData:
    """Read the sources and split them by time.

    ``store`` is the URL of the store, for the source of that name. ``live`` is the active model: its recipe and
    catalogue are used where the settings name none.
    Rows marked ``test`` are left out, and so are events dated more than a day in the future, which are counted.
    Raises ``DataError`` where the log has no times, where no event is left on one side of the split, and where so many
    events lie in the future that a clock must be wrong.
    """
    sources = [store_log(store, inside=True) if source == STORE else source for source in settings.sources]
    known = None if live is None or live.catalog is None else live.catalog.frame()
    items: Any = settings.items or known
    reading = settings.reading(None if live is None else live.recipe)
    if live is not None and "opinion" in reading and not settings.opinion:
        reading["opiner"] = live.opiner
    users: Any = settings.users or (STORE if live is not None and live.recipe.people else None)
    users = described_people(store) if users == STORE else users
    log = read_interactions(sources, items=items, users=users, rejected=False, progress=progress, **reading)
    log.need_positives()
    log, left_out = training_rows(log)
    notes = list(log.report.notes) + ([f"{left_out:,} rows marked as test were left out"] if left_out else [])
    notes += [f"{count:,} rows were left out: {reason}" for reason, count in log.report.reasons.most_common()]
    if log.times is None or not len(log):
        raise DataError("training by itself judges on the newest events, and this log has no times")
    whole = len(log) + left_out
    log = _without_future(log, log.times, moment(), notes)
    log = _windowed(log, settings.window)
    if log.report.store is not None:
        log.report.store["part"] = len(log) < whole
    catalog = None if items is None else Catalog.read(items, log.vocab)
    least = max(settings.min_support, 1 if live is None else live.recipe.min_support)
    log, catalog, rare = supported(log, least, catalog)
    notes += [rare] if rare else []
    encoder = None if live is None or catalog is None else live.text
    if encoder is not None and catalog is not None:
        catalog = catalog.with_vectors(_vectors(encoder, catalog))
    assert log.times is not None  # they were there
    histories = log.histories()
    share = settings.share
    span = None if share is not None else parse_span("holdout", settings.holdout)
    at = quantile_moment(histories, 1 - (share or 0)) if span is None else int(log.times.max()) - span
    split = cut_at(histories, at, f"holdout {settings.holdout}", repeat=log.sessions, sessions=log.sessions)
    rated = asked_ratings(split) if metric.of_ratings else None
    if metric.of_ratings and rated is None:
        raise DataError(f"{metric}: the log holds no ratings")
    asked = truth_sizes(split) > 0 if rated is None else rated.lengths > 0
    used = drawn_cases(split, asked, CASES, settings.seed)
    return TrainingData(
        log, catalog, split.cases(np.flatnonzero(used)), at, int(asked.sum()), _fingerprint(log, settings), notes,
        encoder,
    )  # fmt: skip


def _vectors(encoder: TextEncoder, catalog: Catalog) -> Floats:
    """The vectors of all items' texts; without the operator's function those that are known stay."""
    made = encoder.encode(catalog.texts())
    unable = getattr(encoder, "function", encoder) is None
    return catalog.vectors if unable and catalog.vectors is not None else made


def _without_future(log: Interactions, times: Longs, now: float, notes: list[str]) -> Interactions:
    future = times > now + AHEAD
    count = int(future.sum())
    if count > FUTURE * len(log):
        raise DataError(
            f"{count:,} of {len(log):,} events are dated in the future (this machine says it is {day(int(now))})",
            fix="Check the clock, or how times are read.",
        )
    if not count:
        return log
    notes.append(f"{count:,} events dated more than a day in the future were left out")
    return log.where(~future)


def _windowed(log: Interactions, window: str) -> Interactions:
    """The events of the newest part of the log."""
    span = parse_span("window", window)
    assert log.times is not None  # the caller saw them
    if span is None:
        return log
    start = log.times.max() - span
    some = log.where(log.times > start)
    if some.shown is None or some.shown.times is None:
        return some
    return replace(some, shown=some.shown.where(some.shown.times > start))


def _fingerprint(log: Interactions, settings: TrainSettings) -> str:
    """SHA-256 of everything that is learned from: ids of items, events and the recipe, and the item table."""
    sha = hashlib.sha256(f"{log.vocab.fingerprint()}\0{json.dumps(log.recipe.to_json(), sort_keys=True)}".encode())
    for name in ("users", "items", "values", "liked", "times", *(["context"] if log.recipe.people else [])):
        array = getattr(log, name)
        sha.update(name.encode() + b"\0" + (b"" if array is None else np.ascontiguousarray(array).tobytes()))
    for name in () if log.shown is None else ("indptr", "items", "times"):
        array = getattr(log.shown, name)
        sha.update(f"shown {name}\0".encode() + (b"" if array is None else np.ascontiguousarray(array).tobytes()))
    if settings.items and Path(settings.items).is_file():
        sha.update(hashlib.sha256(Path(settings.items).read_bytes()).digest())
    return sha.hexdigest()


def day(seconds: int) -> str:
    """A moment in words."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):  # beyond what a calendar holds
        return str(seconds)
