"""Forgetting while requests are answered: rows, then models, then a signed receipt.

Erasures that arrive while models are corrected wait for the next round, which corrects them all at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

from penchant.privacy.forgetting import Corrected, Forgotten, Stale, correct, first_of, pending, stale
from penchant.privacy.receipts import COVERED, NOT_COVERED, read_private, sign
from penchant.serve.activation import Activation
from penchant.serve.common.problems import Problem
from penchant.serve.keeping import Keeping
from penchant.store.choices import Chosen
from penchant.store.consent import PURPOSES
from penchant.store.database import StoreError
from penchant.store.erasures import Entry, Erased, Erasures, append, entries, settle
from penchant.store.events import OWN_ID
from penchant.store.keep import KEEP
from penchant.store.people import Gone, subject
from penchant.training.loop.stages import remove

SINGLE = "it is one saved recommender that several processes serve: use a folder of models"
log = logging.getLogger("penchant.serve")


class Forgetting(Keeping, Activation):
    """The part of the service that forgets people; the other attributes are set by the service."""

    def open_forgetting(self) -> None:
        """Read the key of receipts, and erase again whom the file of erasures knows and the store does not.

        Raises ``DataError``.
        """
        self._waiting: list[tuple[Forgotten, asyncio.Future[dict[str, Any]]]] = []
        self._round: asyncio.Task[None] | None = None
        self._signing = read_private(self.settings.receipt_key) if self.settings.receipt_key else None
        self._own_id = self.store.setting(OWN_ID)
        self._keep(PURPOSES, json.dumps(list(self.settings.purposes)), "[]")
        self._keep(KEEP, str(self.settings.kept), "0")
        file = self.settings.ledger_file
        if file is not None and (gone := settle(self.store, file)):
            log.warning("people were erased again, whom a restored store held", extra={"data": {"people": gone}})
            self._own_id = self.store.setting(OWN_ID)

    def _keep(self, name: str, said: str, before: str) -> None:
        """Keep in the store what may be learned from, for those who read it without these settings."""
        if (self.store.setting(name) or before) != said:
            self.store.writer.do_now(lambda connection: self.store.keep_setting(connection, name, said))

    # -- erasures -------------------------------------------------------------------------------------------------

    async def erase(self, person: str) -> dict[str, Any]:
        """Delete everything of a person and correct the models; the receipt says what is left, and is signed."""
        await self.shown.exposures.flush()  # what is queued is erased with the rest
        known = await self.person(person)

        def work(connection: Any) -> tuple[Chosen, Gone]:
            return self.people.choices.within(connection, known), self.people.erase_within(connection, known)

        chosen, gone = await self.store.writer.do(work)
        await asyncio.to_thread(self._file, known, gone)
        done = await self._correct(Forgotten(gone.number, gone, chosen))
        receipt = {**self.people.receipt(known, gone), **subject(person), "number": gone.number, "models": done}
        receipt |= {"covered": list(COVERED), "not_covered": list(NOT_COVERED)}
        return sign(receipt, self._signing)

    def _file(self, known: str, gone: Gone) -> None:
        """Enter an erasure into the second ledger too, and wait until it is on disk."""
        file, ledger = self.settings.ledger_file, self.store.ledger
        if file is not None:
            ids = {ledger.hash_id(one): ledger.until(when, self.people.keep) for one, when in gone.named.items()}
            append(file, ledger.key, Erasures({ledger.hash(known): Erased(*ledger.entry(known))}, ids))

    async def _correct(self, one: Forgotten) -> dict[str, Any]:
        """What becomes of the models, in the next round or as it is when the time to wait is over."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._rounds())
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.settings.correct_seconds)
        except TimeoutError:
            return {"corrected": [], "pending": await asyncio.to_thread(self._pending, [one], {})}

    async def _rounds(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            erased = [one for one, _ in batch]
            corrected, why = await self._corrected(erased)
            for one, future in batch:
                mine = [{"name": done.name, "into": done.into} for done in corrected if one.number in done.numbers]
                if not future.done():
                    left = await asyncio.to_thread(self._pending, [one], why)
                    future.set_result({"corrected": mine, "pending": left})

    def _pending(self, erased: list[Forgotten], why: dict[str, str]) -> list[dict[str, Any]]:
        entered = [Entry(one.number, one.gone.time, first_of(one.gone)) for one in erased]
        return pending(self.models.root, entered, self._own_id, self.settings.forget_seconds, why)

    async def _corrected(self, erased: list[Forgotten]) -> tuple[list[Corrected], dict[str, str]]:
        """Correct the models, answer with them, and remove those before. Raises nothing: what fails is said."""
        models, single = self.models, self.models.single
        if single and self.settings.workers > 1:
            return [], {models.active.name: SINGLE}
        try:
            done, why = await asyncio.to_thread(correct, models.root, erased, self._own_id)
        except Exception as wrong:
            log.exception("models could not be corrected")
            return [], {models.active.name: f"it could not be corrected ({type(wrong).__name__})"}
        kept: list[Corrected] = []
        for one in done:
            try:
                if one.name == models.active.name:
                    await self.activate(one.into, instead="" if single else one.name)
            except (Problem, StoreError) as wrong:
                await asyncio.to_thread(remove, models.root / one.into)
                why[one.name] = f"the corrected one could not be activated ({wrong})"
                continue
            if not single:
                await asyncio.to_thread(_replace, models.root, one)
            models.drop({one.name} - {models.active.name})
            kept.append(one)
        if kept:
            await self._tidy_copies()
            names = [one.into for one in kept]
            log.info("models were corrected", extra={"data": {"models": names, "people": len(erased)}})
        return kept, why

    # -- models that may hold erased people -----------------------------------------------------------------------

    def described(self) -> list[dict[str, Any]]:
        """Every model, as ``Models.describe``, and until when it may be used if it may hold erased people. Blocks."""
        erased, found = entries(self.store.database), []
        for entry in self.models.describe():
            held = self._stale(entry, erased)
            found.append({**entry, "stale": None if held is None else held.to_json()})
        return found

    def _stale(self, entry: dict[str, Any], erased: list[Entry]) -> Stale | None:
        within = self.settings.forget_seconds
        return stale(entry.get("fitted_on") or {}, entry["created"], erased, self._own_id, within)

    async def refuse_overdue(self, name: str) -> None:
        """Raises ``Problem`` 409 for a model that may hold erased people for too long."""
        for entry in await self.thread(self.described):
            if entry["name"] == name and entry["stale"] is not None and entry["stale"]["overdue"]:
                people = f"{entry['stale']['people']:,} people who were erased"
                raise Problem(409, f"{name} may hold {people}, and its time is over: train again", kind="overdue")

    async def watch_overdue(self) -> None:
        """Raise the alarm about an active model past its date; with ``overdue = "replace"`` the newest clean one takes
        its place."""
        found = await self.thread(self.described)
        active = next((one for one in found if one["active"]), None)
        over = active is not None and active["stale"] is not None and active["stale"]["overdue"]
        self.metrics.stale_models.set(sum(one["stale"] is not None for one in found))
        self.metrics.overdue.set(int(over))
        if active is None or not over:
            return
        log.error("the active model may hold erased people, and its time is over", extra={"data": active["stale"]})
        if self.settings.overdue == "replace":
            clean = [one["name"] for one in found if one["stale"] is None and not one["broken"] and not one["active"]]
            for name in clean:  # newest first
                try:
                    await self.activate(name)
                except Problem as wrong:
                    log.warning("a model could not be activated", extra={"data": {"reason": wrong.detail}})
                else:
                    return


def _replace(root: Path, one: Corrected) -> None:
    """Remove the model before; its evaluation goes with it, for it was another model's."""
    remove(root / one.name)
