"""Forgetting by models: which ones may hold a person who was erased, and their exact correction.

A model that was fitted on a store keeps which moment of it that was. An erasure keeps, without the person, its number
and the first event that went. Together they tell whether the model learned from the person; of a model that was fitted
on anything else, only the time tells. A model that keeps its statistics is corrected: the history of the person is
subtracted, which gives the model of a fit without them (``docs/updates.md``).
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from penchant.core.histories import Histories
from penchant.data.events import Events
from penchant.errors import InputError, PenchantError
from penchant.models.kinds.updatable import Updatable
from penchant.recommender.folder.listing import saved_in
from penchant.recommender.folder.load import verify
from penchant.recommender.folder.manifest import MANIFEST, STATISTICS
from penchant.recommender.recommender import Recommender, load
from penchant.store.choices import NOTHING, Chosen
from penchant.store.erasures import Entry
from penchant.store.keep import CUTS, is_past
from penchant.store.people import Gone

STORE, CORRECTED, BEFORE = "store", "corrected", "corrected_from"  # in what a model was fitted on
DAY = 86_400
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Stale:
    """A model that may hold people who were erased: since when, and until when it may be used."""

    since: int  # unix seconds
    due: int
    people: int

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"since": self.since, "due": self.due, "people": self.people, "overdue": time.time() >= self.due}


def stale(
    fitted_on: Mapping[str, Any], created: object, erased: Sequence[Entry], store: str | None, within: int
) -> Stale | None:
    """Whether a model may hold people who were erased from the store of this id; None if it cannot.

    ``created`` is the time in the manifest, in ISO-8601; ``within`` is how long such a model may be used, in seconds.
    """
    held = [one for one in erased if one.first >= 0 and _holds(fitted_on, created, one, store)]
    if not held:
        return None
    since = min(one.time for one in held)
    return Stale(since, since + within, len(held))


def _holds(fitted_on: Mapping[str, Any], created: object, one: Entry, store: str | None) -> bool:
    try:
        facts = fitted_on[STORE]
        if store is not None and facts["id"] == store:
            known = one.number <= facts["erased"] or one.number in facts.get(CORRECTED, ())
            return not known and one.first <= facts["events"]
    except (KeyError, TypeError):
        pass
    try:
        return one.time >= int(datetime.fromisoformat(str(created)).timestamp())
    except (ValueError, OverflowError):
        return True


@dataclass(frozen=True, eq=False)
class Forgotten:
    """One erasure, for models: its number, the events that went, and what the person had chosen."""

    number: int
    gone: Gone
    chosen: Chosen = NOTHING


@dataclass(frozen=True)
class Corrected:
    """A model without the people who were erased: the folder before, and the one that stands for it now."""

    name: str
    into: str
    numbers: tuple[int, ...]


def correct(root: Path, erased: Sequence[Forgotten], store: str | None) -> tuple[list[Corrected], dict[str, str]]:
    """Subtract people from every model under ``root`` that keeps its statistics.

    Each corrected model is a new folder beside the one before, which stays; a single saved recommender is replaced in
    its place. Also returns why each other model that learned from them was not corrected.
    """
    done: list[Corrected] = []
    left: dict[str, str] = {}
    for name, folder in saved_in(root).items():
        manifest = _manifest(folder)
        fitted_on, created = manifest.get("fitted_on") or {}, manifest.get("created")
        learned = [
            one
            for one in erased
            if stale(fitted_on, created, [Entry(one.number, one.gone.time, first_of(one.gone))], store, 0) is not None
        ]
        if not learned:
            continue
        why = _cannot(folder, fitted_on, learned, store)
        if not why:
            try:
                done.append(_corrected(root, name, folder, learned))
            except InputError as wrong:
                why = str(wrong)
            except (PenchantError, OSError) as wrong:
                why = f"it could not be corrected ({wrong})"
        if why:
            left[name] = why
    return done, left


def pending(
    root: Path, erased: Sequence[Entry], store: str | None, within: int, why: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The models under ``root`` that may hold people of these erasures, and ``why`` each was not corrected."""
    found = []
    for name, folder in saved_in(root).items():
        manifest = _manifest(folder)
        held = stale(manifest.get("fitted_on") or {}, manifest.get("created"), erased, store, within)
        if held is not None:
            reason = (why or {}).get(name) or _cannot(folder, manifest.get("fitted_on") or {}, [], store)
            found.append({"name": name, **held.to_json(), "why": reason or "it was not corrected"})
    return found


def first_of(gone: Gone) -> int:
    """The number of the first event that an erasure removed, as its entry in the ledger has it."""
    return 0 if gone.changed else min((event.seq for event in gone.events), default=-1)


def _manifest(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(*UNREADABLE):
        found = json.loads((folder / MANIFEST).read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _cannot(folder: Path, fitted_on: Mapping[str, Any], learned: Sequence[Forgotten], store: str | None) -> str:
    """Why a model cannot be corrected exactly; empty if it can."""
    if not (folder / STATISTICS).is_file():
        return "it keeps no statistics (fit --updatable)"
    facts = fitted_on.get(STORE)
    if facts is None or facts.get("id") != store:
        return "it was not fitted on this store alone"
    if facts.get("part"):
        return "it was fitted on a part of the store"
    if any(one.gone.changed >= facts["events"] for one in learned if one.gone.changed):
        return "the history changed after the fit"
    return ""


def _corrected(root: Path, name: str, folder: Path, learned: Sequence[Forgotten]) -> Corrected:
    rec = load(folder, statistics=True)
    model = rec.model
    if not isinstance(model, Updatable):
        raise InputError("it has no exact update")
    facts = rec.fitted_on[STORE]
    rows = [history for one in learned if (history := _learned(rec, one, facts)) is not None]
    if rows:
        model.update(removed=joined(rows))
    numbers = tuple(one.number for one in learned)
    place = folder if folder == root else _name(root, name)
    fresh = Recommender(
        rec.vocab, model, rec.recipe, rec.catalog, _told(rec.fitted_on, rows, numbers, name), rec.text, rec.opiner
    )
    fresh.save(place, force=folder == root)
    verify(place)
    return Corrected(name, place.name, numbers)


def _learned(rec: Recommender, one: Forgotten, facts: Mapping[str, Any]) -> Histories | None:
    """The history of a person as the model learned it; None if it learned nothing of them."""
    if not one.chosen.training:
        return None
    purposes, upto = facts.get("purposes"), facts["events"]
    there = [event for event in one.gone.events if event.seq <= upto and (not purposes or event.purpose in purposes)]
    kept = [event for event in there if not is_past(facts.get(CUTS, ()), event.kind, event.time)]
    events = sorted(kept, key=lambda event: event.seq)
    history, _ = rec.histories(Events.stored(events))
    return history if len(history.items) else None


def joined(rows: Sequence[Histories]) -> Histories:
    """Histories one after another, each of one row, over the same items."""
    first = rows[0]
    sizes = np.concatenate([row.lengths for row in rows])

    def put(name: str) -> Any:
        parts = [getattr(row, name) for row in rows]
        return None if any(part is None for part in parts) else np.concatenate(parts)

    liked = None
    if any(row.liked is not None for row in rows):
        liked = np.concatenate([np.ones(len(r.items), np.bool_) if r.liked is None else r.liked for r in rows])
    values = put("values")
    return replace(
        first, indptr=np.concatenate([[0], np.cumsum(sizes)]), items=put("items"), values=values,
        values_are=first.values_are if values is not None else "none", times=put("times"), liked=liked, now=put("now"),
        context=put("context"), asked=put("asked"), shown=None,
    )  # fmt: skip


def _told(fitted_on: Mapping[str, Any], rows: Sequence[Histories], numbers: Sequence[int], name: str) -> dict[str, Any]:
    """What the corrected model was fitted on: less of it, and which erasures it knows."""
    facts = dict(fitted_on[STORE])
    facts[CORRECTED] = sorted({*facts.get(CORRECTED, ()), *numbers})
    events = sum(len(row.items) for row in rows)
    positives = [row.positives() for row in rows]
    less = {
        "events": events, "histories": len(rows), "positives": sum(len(row.items) for row in positives),
        "histories_with_positives": sum(bool(len(row.items)) for row in positives),
    }  # fmt: skip
    counts = {key: fitted_on[key] - by for key, by in less.items() if isinstance(fitted_on.get(key), int)}
    return {**fitted_on, **counts, STORE: facts, BEFORE: name}


def _name(root: Path, name: str) -> Path:
    """A free name for the corrected model: that of the one before with a number."""
    stem, _, number = name.rpartition("~")
    stem, at = (stem, int(number)) if stem and number.isdigit() else (name, 0)
    taken = set(saved_in(root))
    while f"{stem}~{at + 1}" in taken:
        at += 1
    return root / f"{stem}~{at + 1}"
