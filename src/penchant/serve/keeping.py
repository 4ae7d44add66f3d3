"""What is kept of people and for how long: pseudonyms, retention, erasure, and clean files."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from penchant.errors import ParameterError, PenchantError
from penchant.privacy.pseudonyms import Door, load, moment
from penchant.serve.answers.models import Models
from penchant.serve.answers.shown import ShownLists
from penchant.serve.common.problems import invalid, not_found
from penchant.serve.common.settings import Settings
from penchant.store.choices import VALUE
from penchant.store.cleaning import Cleaning, pause
from penchant.store.events import Clock, EventStore
from penchant.store.people import People
from penchant.store.retention import Retention

T = TypeVar("T")
POLL = 0.25  # seconds between checks for changes by other processes
TIDY = 600.0  # seconds between runs of retention
RETRY = 60.0  # seconds after a rewrite that failed, on a full disk for example

log = logging.getLogger("penchant.serve")


class Keeping(ABC):
    """The part of the service that keeps and forgets; the other attributes are set by the service."""

    settings: Settings
    models: Models
    store: EventStore
    people: People
    shown: ShownLists
    retention: Retention
    cleaning: Cleaning
    door: Door | None
    _clock: Clock

    @abstractmethod
    async def read(self, work: Callable[..., T], *arguments: Any) -> T:
        """Read the store."""

    @abstractmethod
    async def thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work in a thread."""

    async def person(self, person: str) -> str:
        """A person of a request ("u:" + user or "s:" + session) as the store knows them."""
        return person if self.door is None else await self.door.come(person)

    async def _keep_tidy(self) -> None:
        while True:
            try:
                await self.tidy()
            except (PenchantError, OSError) as wrong:
                data = {"reason": str(wrong)}
                log.error("retention could not run", extra={"data": data})  # noqa: TRY400  # the reason says it all
            await asyncio.sleep(TIDY)

    async def silent(self, people: Collection[str]) -> set[str]:
        """Those of some people of whom nothing is recorded, because they chose so."""
        choices = self.people.choices
        if not await self.read(choices.any):
            return set()
        return {person for person in people if not (await self.read(choices.of, person)).records}

    async def choose(self, person: str, change: dict[str, Any]) -> dict[str, Any]:
        """Change what a person chose; returns all of it. Raises ``Problem`` 422."""
        known, people = await self.person(person), self.people
        self._check_items(change.get("off_items") or ())
        try:
            chosen = await self.store.writer.do(lambda one: people.choose_within(one, known, change))
        except ParameterError as wrong:
            raise invalid("off_items", str(wrong)) from None
        return chosen.to_json()

    def _check_items(self, off: Collection[str]) -> None:
        """Raises ``Problem`` 422 for a choice of an attribute that no item has: it would hide nothing."""
        attributes = self.models.active.catalogue.attributes
        for one in off:
            name, there, _ = one.partition(VALUE)
            if there and name not in attributes:
                some = ", ".join(sorted(attributes)[:20]) or "none"
                raise invalid("off_items", f"no item has the attribute {name[:80]!r}; there are: {some}")

    async def remove_event(self, person: str, seq: int) -> None:
        """Remove one event of a person. Raises ``Problem`` 404."""
        known, people = await self.person(person), self.people
        if not await self.store.writer.do(lambda one: people.remove_within(one, known, seq)):
            raise not_found("seq", "there is no such event")

    async def correct_event(self, person: str, seq: int, change: dict[str, Any]) -> None:
        """Correct the item, kind or value of one event of a person. Raises ``Problem`` 404."""
        known, people = await self.person(person), self.people
        if not await self.store.writer.do(lambda one: people.correct_within(one, known, seq, change)):
            raise not_found("seq", "there is no such event")

    @abstractmethod
    async def watch_overdue(self) -> None:
        """Raise the alarm about an active model that may hold erased people for too long."""

    async def tidy(self) -> tuple[int, int]:
        """Run retention; returns the number of events dropped as too old and as too many."""
        if (keep := self.settings.keep_exposures_seconds) is not None:
            await self.shown.exposures.expire(int(time.time()) - keep)
        await self.watch_overdue()
        if self.door is not None and (left := await self.door.expire()):
            log.info("people under earlier keys were erased", extra={"data": {"people": left}})
        old, many = await self.retention.run(await self.thread(self.retention.find))
        if old or many:
            log.info("events were dropped", extra={"data": {"too_old": dict(self.retention.dropped), "too_many": many}})
        return old, many

    async def _keep_clean(self) -> None:
        """Rewrite the store some time after an erasure, so that one rewrite serves all erasures of that time."""
        settings, cleaning = self.settings, self.cleaning
        while True:
            await asyncio.sleep(POLL)
            try:
                if not await self.read(cleaning.due):
                    continue
                if self._clock.erased > cleaning.rewritten:
                    await asyncio.sleep(pause(settings.clean_after, settings.clean_share, cleaning.seconds))
                await self.clean()
            except (PenchantError, OSError) as wrong:
                log.warning("the store could not be rewritten", extra={"data": {"reason": str(wrong)}})
                await asyncio.sleep(RETRY)

    async def clean(self) -> bool:
        """Remove what was erased from the files; returns False if a reader was in the way."""
        done = await asyncio.to_thread(self.cleaning.run)
        if done:
            log.info("erased data left the files", extra={"data": {"seconds": round(self.cleaning.seconds, 3)}})
        return done

    async def erasure(self, hashed: str) -> dict[str, Any]:
        """What has become of an erasure, by the hash on its receipt. Raises ``Problem`` 404."""
        try:
            found = await self.read(self.cleaning.find, bytes.fromhex(hashed))
        except ValueError:
            found = None
        if found is None:
            raise not_found("hash", "there is no erasure with this hash")
        return {"hash": hashed.lower(), "erased_at": found.time, "files": found.files}


def open_door(settings: Settings, store: EventStore, people: People) -> Door | None:
    """Who names the people of an open store; None without pseudonyms. Raises ``InputError`` for a wrong or missing key,
    and for a store of pseudonyms where the settings have none."""
    if settings.pseudonyms:
        keys = load(settings.pseudonym_key, settings.pseudonym_old_keys)
        return Door(store, people, keys, until=moment(settings.pseudonym_old_until))
    if store.pseudonyms is not None:
        raise ParameterError("this store holds pseudonyms: set pseudonyms = true and pseudonym_key")
    return None
