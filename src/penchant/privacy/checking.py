"""Forgetting from the command line, and looking again at what a receipt says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penchant.privacy.forgetting import Forgotten, correct, first_of, pending
from penchant.privacy.receipts import COVERED, NOT_COVERED
from penchant.recommender.folder.listing import saved_in
from penchant.recommender.folder.manifest import MANIFEST
from penchant.recommender.recommender import load
from penchant.store.choices import Chosen
from penchant.store.cleaning import DATABASE, PENDING, Cleaning
from penchant.store.erasures import Entry, Erased, Erasures, append, entries
from penchant.store.events import OWN_ID, EventStore
from penchant.store.people import Gone, People
from penchant.store.renaming import Renaming
from penchant.store.trainings import Trainings
from penchant.training.loop.stages import remove

RESTART = "it is one saved recommender: restart the service, which still answers with the one before"


def forget(
    store: EventStore, people: People, person: str, root: Path | None, *, within: int, file: Path | None = None
) -> dict[str, Any] | None:
    """Erase a person, by their name in an open store, and correct the models under ``root``; the service may run, and
    follows. Returns the receipt, not yet signed; None if the store holds nothing of them, and nothing changes.

    ``file`` is the second ledger of erasures. Raises ``StoreError``.
    """
    if not Renaming(store, people).there(person):
        return None

    def work(connection: Any) -> tuple[Chosen, Gone]:
        return people.choices.within(connection, person), people.erase_within(connection, person)

    chosen, gone = store.writer.do_now(work)
    ledger = store.ledger
    if file is not None:
        ids = {ledger.hash_id(one): ledger.until(when, people.keep) for one, when in gone.named.items()}
        append(file, ledger.key, Erasures({ledger.hash(person): Erased(*ledger.entry(person))}, ids))
    own = store.setting(OWN_ID)
    models: dict[str, Any] = {"corrected": [], "pending": []}
    if root is not None:
        done, why = correct(root, [Forgotten(gone.number, gone, chosen)], own)
        active = Trainings(store).active
        for one in done:
            if one.into == one.name:
                why[one.name] = RESTART
                continue
            if active.names()[:1] == [one.name]:
                version = load(root / one.into).version
                store.writer.do_now(active.note(one.into, version, bad=one.name))
            remove(root / one.name)
        models["corrected"] = [{"name": one.name, "into": one.into} for one in done]
        entered = [Entry(gone.number, gone.time, first_of(gone))]
        models["pending"] = pending(root, entered, own, within, why)
    if store.database.sqlite:
        Cleaning(store).run()
    receipt = {**people.receipt(person, gone), "number": gone.number, "models": models}
    return {**receipt, "covered": list(COVERED), "not_covered": list(NOT_COVERED)}


@dataclass(frozen=True)
class Finding:
    """What looking again at one statement of a receipt found; ``passed`` None: not yet."""

    what: str
    passed: bool | None
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"what": self.what, "passed": self.passed, "detail": self.detail}


def check(receipt: Mapping[str, Any], store: EventStore, root: Path | None, *, within: int) -> list[Finding]:
    """Look again at everything that a receipt says of an open store and the models under ``root``."""
    hashed = bytes.fromhex(str(receipt["hash"]))
    cleaning = Cleaning(store)
    entry = cleaning.find(hashed)
    found = [Finding("the ledger of the store refuses late events of this person", entry is not None)]
    renaming = Renaming(store, People(store))
    back = [person for person in renaming.everybody() if store.hash(person) == hashed]
    old = [event for person in back for event in People(store).events(person, 5000) if _before(event.time, receipt)]
    detail = "the person came back, with newer events" if back and not old else f"{len(old)} events" if old else ""
    found.append(Finding("the store holds nothing of the person from before the erasure", not old, detail))
    if entry is not None:
        files = entry.files
        passed = None if files in {PENDING, DATABASE} else True
        told = {PENDING: "the store is rewritten soon", DATABASE: "PostgreSQL decides, by its VACUUM and its log"}
        found.append(Finding("no file of the store holds the person", passed, told.get(files, "")))
    if root is not None:
        found += _models(receipt, store, root, within)
    return found


def _before(moment: int, receipt: Mapping[str, Any]) -> bool:
    return moment < int(receipt["erased_at"])


def _models(receipt: Mapping[str, Any], store: EventStore, root: Path, within: int) -> list[Finding]:
    """Whether the corrected models are in the place of those before, and what became of the pending ones."""
    told, there = receipt.get("models") or {}, saved_in(root)
    found = []
    for one in told.get("corrected", ()):
        gone = one["into"] == one["name"] or one["name"] not in there
        found.append(Finding(f"{one['name']} was corrected, and is gone", gone))
    number = receipt.get("number")
    mine = [one for one in entries(store.database) if one.number == number]
    held = {one["name"]: one for one in pending(root, mine, store.setting(OWN_ID), within)}
    replaced = [one["name"] for one in told.get("pending", ()) if one["name"] not in there]
    found += [Finding(f"{name} was replaced, and is gone", passed=True) for name in replaced]
    for name, one in held.items():
        late = time.time() >= one["due"]
        when = time.strftime("%Y-%m-%d", time.gmtime(one["due"]))
        if (root / name / MANIFEST).is_file() or name in there:
            found.append(Finding(f"{name} holds the person no more", False if late else None, f"due {when}"))
    return found
