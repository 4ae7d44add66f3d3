"""The service without HTTP: events in, answers out, and changes of items and models while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from penchant.errors import InputError, PenchantError
from penchant.recommender.folder.copies import Copies
from penchant.serve.answers.models import Models
from penchant.serve.answers.personal import Personal, SentEvent
from penchant.serve.answers.placed import Placed
from penchant.serve.answers.placements import Placements
from penchant.serve.answers.ranking import Query
from penchant.serve.answers.results import ShownResults
from penchant.serve.answers.selected import Limits
from penchant.serve.answers.shown import ShownLists
from penchant.serve.common.again import Again
from penchant.serve.common.caretaker import Caretaker
from penchant.serve.common.hooks import hook
from penchant.serve.common.limits import Buckets
from penchant.serve.common.metrics import Metrics
from penchant.serve.common.places import Places
from penchant.serve.common.problems import Problem, invalid
from penchant.serve.common.serialise import in_steps
from penchant.serve.common.settings import Settings
from penchant.serve.common.shared_metrics import SharedMetrics
from penchant.serve.common.threads import DaemonThreads
from penchant.serve.common.trainer import Trainer
from penchant.serve.forgetting import Forgetting
from penchant.serve.keeping import POLL, TIDY, open_door
from penchant.store.cleaning import Cleaning
from penchant.store.database import StoreError
from penchant.store.event_loop import QUICK, Slow, mark_light
from penchant.store.events import AHEAD, Appended, Batch, Clock, EventStore, NewEvent
from penchant.store.exposures import Exposures
from penchant.store.feedback import Feedback
from penchant.store.items import ItemChange, Items
from penchant.store.keys import Keyring
from penchant.store.ledger import Refusal
from penchant.store.people import People, subject
from penchant.store.placements import StoredPlacements
from penchant.store.retention import Retention
from penchant.store.trainings import Trainings
from penchant.store.trends import Trends
from penchant.store.written import NewWritten

T = TypeVar("T")
THREADS = 4  # for reading and scoring that is too slow for the event loop
LAST_SHARE = 0.05  # of ``drain``, for each of the last steps of the service
TOO_MANY_NEW = "is unknown, and this key has added too many unknown items within an hour"

log = logging.getLogger("penchant.serve")


class Service(Forgetting):
    """One store, the loaded models, and the operations of the routes. Life: ``open``, ``start``, ``stop``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.store = EventStore(
            settings.store, secret=settings.secret or None, most=settings.keep_per_user, seconds=settings.store_seconds
        )
        self.copies = Copies(settings.copies_folder)
        self.models = Models(
            settings.folder, self.copies, allow_remembered=settings.allow_remembered, exact=settings.exact,
            encoder=hook("encoder", settings.encoder),
        )  # fmt: skip
        self.keys = Keyring(self.store.database)
        self.buckets, self.metrics = Buckets(settings.workers), Metrics()
        self.ready = False
        self.stopping = False
        self._pool = DaemonThreads(THREADS, "penchant-reader", mark_light)
        self._heavy = Places(settings.heavy_running, settings.heavy_waiting)
        self._tasks: list[asyncio.Task[None]] = []
        self.trainer: Trainer | None = None  # trains beside the service
        self.sharing: SharedMetrics | None = None  # with the other workers
        self._late = Again()  # the model that is to be active and could not be loaded

    # -- life -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the store, load keys and a model: everything that may fail before a socket opens. Raises
        ``PenchantError``."""
        self.store.open()
        try:
            self._open()
        except BaseException:
            self.store.close()
            raise

    def _open(self) -> None:
        self.shown = ShownLists(Exposures(self.store), self.store.secret, self.metrics)
        self.people, self.items = People(self.store, keep=self.settings.keep_seconds), Items(self.store)
        self.door = open_door(self.settings, self.store, self.people)
        self.open_forgetting()
        self.feedback = Feedback(self.store)
        if self.settings.gorse_api:
            with contextlib.suppress(StoreError):  # a store that cannot be written is read all the same
                self.feedback.index()
        self.trends = Trends(
            self.store, min_support=self.settings.min_support, seconds=self.settings.heavy_seconds,
            purposes=self.settings.purposes,
        )  # fmt: skip
        shown = self.shown if self.settings.exposures else None
        self.personal = Personal(
            self.settings, self.store, self.models, self.trends, self.metrics, shown, self.people.choices
        )
        self.placements = Placements(self.settings.placements, StoredPlacements(self.store), self.models)
        self.placed = Placed(self.personal, self.placements)
        self.results = ShownResults(self.settings, self.store, self.models, self.metrics)
        self.retention = Retention(
            self.store,
            keep=self.settings.kept,
            per_user=self.settings.keep_per_user,
            gap=86_400 * self.settings.retention_gap,
            most=self.settings.retention_share,
            confirmed=self.settings.confirm_retention,
        )
        self.trainings, self.cleaning = Trainings(self.store), Cleaning(self.store)
        self.active_model = self.trainings.active
        self.keys.load()
        self.store.writer.on_commit = self.metrics.committed
        self._clock, wanted = self.store.clock(), self.trainings.wanted()
        for failure in self.models.start(wanted, self.items.all(), self.settings.active):
            log.error("a model could not be loaded", extra={"data": {"reason": failure}})
        self.copies.tidy()
        if not wanted:  # a later rollback returns to it
            with contextlib.suppress(StoreError):
                ticked = self.store.writer.do_now(
                    self.active_model.note(self.models.active.name, self.models.active.version)
                )
                self._clock = self._clock._replace(models=ticked)
        elif wanted[0] != self.models.active.name:
            self._late.again("")
        self.placements.open()
        self._announce()
        self.ready = True

    async def start(self) -> None:
        """Start the background tasks."""
        works = [self._watch, self._watch_models, self._keep_copies, self.shown.keep_writing]
        works += [] if self.sharing is None else [self.sharing.keep_writing]
        once = [self._keep_tidy, self._keep_clean]  # in one process of the store
        once += [lambda: self.results.keep_measuring(self.heavy)] if self.settings.exposures else []
        once += [] if self.trainer is None else [self.trainer.run]
        caretaker = Caretaker(self.store, once, self.thread, self.settings.drain * LAST_SHARE)
        self._tasks = [asyncio.create_task(work()) for work in [*works, caretaker.run]]

    def turn_away(self) -> None:
        """Stop answering: expensive answers that wait get a 503 at once."""
        self.stopping = True
        self._heavy.turn_away()

    def give_up(self) -> None:
        """End counts over everybody that still run."""
        self.store.database.interrupt()

    async def stop(self) -> None:
        """End the background tasks and close the store. Accepted events are on disk already. What still computes is
        left behind."""
        self.ready = False
        self.turn_away()
        self.give_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.shown.finish(), self.settings.drain * LAST_SHARE)
        self._pool.shutdown(wait=False, cancel_futures=True)
        patience = self.settings.drain * LAST_SHARE
        ended = await asyncio.to_thread(lambda: self._heavy.close(patience) and self._pool.join(patience))
        await asyncio.to_thread(self.store.close, patience, connections=ended)  # not those that are used

    async def _watch(self) -> None:
        """Follow changes by other processes: keys and items."""
        await self._repeat(self._refresh_content)

    async def _watch_models(self) -> None:
        """Follow the active model. Loading one may take long, and a key that is revoked does not wait for it."""
        await self._repeat(self.refresh_model)

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(POLL)
            try:
                await work()
            except (PenchantError, OSError) as wrong:
                log.warning("the store could not be watched", extra={"data": {"reason": str(wrong)}})

    async def refresh(self) -> None:
        """Reload what has changed since the last check."""
        await self._refresh_content()
        await self.refresh_model()

    async def _refresh_content(self) -> None:
        before, now = self._clock, await self.read(self.store.clock)
        if now.keys != before.keys:
            await self.read(self.keys.load)
        if now.items != before.items:
            self.models.apply(await self.read(self.items.since, before.items))
        await self.read(self.placements.refresh)
        self._clock = now._replace(models=self._clock.models)

    async def refresh_model(self) -> None:
        """Activate the model that another process has activated since the last check."""
        now = (await self.read(self.store.clock)).models
        if now == self._clock.models and not self._late.due():
            return
        wanted = await self.read(self.active_model.names)
        if not wanted or wanted[0] == self.models.active.name:
            self._late.over()
        else:
            try:
                await self.activate(wanted[0], record=False)
            except Problem as wrong:
                if self._late.again(wrong.detail):
                    log.warning("a model could not be activated", extra={"data": {"reason": wrong.detail}})
        self._clock = self._clock._replace(models=now)  # another activation meanwhile shows at the next check

    async def _keep_copies(self) -> None:
        while True:
            await self._tidy_copies()
            await asyncio.sleep(TIDY)

    # -- events in ------------------------------------------------------------------------------------------------

    async def collect(
        self,
        rows: Sequence[NewEvent | NewWritten],
        who: str = "",
        *,
        append: Callable[[Batch], Awaitable[Appended]] | None = None,
    ) -> tuple[int, int, dict[int, Refusal]]:
        """Store events, and texts without an item; returns the number of new ones and of duplicates, and the reason of
        each refusal by place.

        Accepted events are on disk when this returns. ``who`` sends them, for the limit of new items; raises
        ``Problem`` 429 if none can be stored because of it. ``append`` is another way to write them.
        """
        if self.door is not None:
            names = {person: await self.door.come(person) for person in {row.person for row in rows}}
            rows = [row._replace(person=names[row.person]) for row in rows]
        silent = await self.silent({row.person for row in rows})
        known, now, keep = self.models.active.catalogue.vocab, int(time.time()), self.settings.kept
        refused: dict[int, Refusal] = {}
        kept, written = list[NewEvent](), list[NewWritten]()
        places, after = list[int](), list[int]()  # of either
        new: dict[str, None] = {}
        wait = 0.0
        for n, row in enumerate(rows):
            if row.person in silent:  # they paused: nothing is recorded
                continue
            if row.time > now + AHEAD:
                refused[n] = Refusal("time", "is more than a day in the future")
            elif row.time < 0 or ((last := keep.until(row.kind, row.time)) is not None and last < now):
                old = "is older than events are kept" if row.time >= 0 else "is before 1970"
                refused[n] = Refusal("time", old)
            elif isinstance(row, NewWritten):
                written.append(row)
                after.append(n)
            elif row.item not in known and not self.settings.new_items:
                refused[n] = Refusal("item", "is not in the catalogue")
            elif row.item not in known and row.item not in new and (more := self._new_item(who)) > 0:
                refused[n], wait = Refusal("item", TOO_MANY_NEW), more
            else:
                kept.append(row)
                places.append(n)
                if row.item not in known:
                    new[row.item] = None
        places += after
        if not places and wait:
            raise Problem(429, f"item: {TOO_MANY_NEW}", field="item", headers={"Retry-After": str(math.ceil(wait))})
        if not places:
            return 0, 0, refused
        batch = Batch(kept, list(new), written)
        appended = await (self.store.writer.append(batch, len(batch)) if append is None else append(batch))
        if new:
            self._apply([ItemChange(item, now, {}, {}) for item in new], appended.items_clock)
        refused |= {places[n]: refusal for n, refusal in appended.refused.items()}
        count = self.metrics.events.labels
        for outcome, n in (
            ("accepted", appended.accepted),
            ("duplicate", appended.duplicates),
            ("refused", len(refused)),
        ):
            if n:
                count(outcome).inc(n)
        return appended.accepted, appended.duplicates, refused

    def _new_item(self, who: str) -> float:
        """Count an unknown item; returns the seconds to wait if there are too many."""
        most = self.settings.new_items_per_hour
        return self.buckets.take(f"new item {who}", most / 3600, most)

    async def change_items(self, **changes: Any) -> list[ItemChange]:
        """Put, patch and delete items (see ``Items.change``); the next answer includes the changes."""
        changed, ticked = await self.items.change(**changes)
        self._apply(changed, ticked)
        return changed

    def _apply(self, changes: list[ItemChange], ticked: int) -> None:
        """Apply changes to the catalogues. The clock advances only if nobody else has changed items meanwhile."""
        self.models.apply(changes)
        if ticked == self._clock.items + 1:
            self._clock = self._clock._replace(items=ticked)

    # -- answers --------------------------------------------------------------------------------------------------

    async def recommend(self, person: str, query: Query) -> bytes:
        """The recommend object for a person, as JSON."""
        self._bounded(query)
        known = await self.person(person)
        return await self.run(lambda: in_steps(self.personal.for_person(known, query) | subject(person)))

    async def recommend_anonymous(self, rows: list[SentEvent], query: Query) -> bytes:
        """The recommend object for a history in the request, oldest first, as JSON; nothing of it is stored."""
        self._bounded(query)
        return await self.run(lambda: in_steps(self.personal.for_rows(rows, query)))

    def listed(self, make: Callable[..., dict[str, Any]], limits: Limits, *about: Any) -> dict[str, Any]:
        """A list that is the same for everybody (see ``answers.lists``), within limits. Blocks."""
        served = self.models.active
        return make(served, self.personal.selected(served, limits), *about)

    def _bounded(self, query: Query) -> None:
        most = self.settings.why_k
        if query.why and query.k > most:
            raise invalid("k", f"is at most {most} with why")

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work that reads and scores: on the event loop if it is fast, else in a thread. Work that proves slow on
        the event loop starts again in a thread."""
        if self.store.database.sqlite and self.models.active.seconds < QUICK:
            with contextlib.suppress(Slow):
                return work(*arguments)
            return await self.heavy(work, *arguments)
        return await self.thread(work, *arguments)

    async def read(self, work: Callable[..., T], *arguments: Any) -> T:
        """Read the store: directly if it is a file, in a thread if it is remote."""
        return work(*arguments) if self.store.database.sqlite else await self.thread(work, *arguments)

    async def thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work in a thread. Work that proves slow there starts again among the expensive answers, whose number is
        limited: raises ``Problem`` 503 if too many wait."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        except Slow:
            return await self.heavy(work, *arguments)

    async def heavy(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run expensive work apart from light work. Raises ``Problem`` 503 if too much of it waits."""
        return await self._heavy.run(lambda: work(*arguments))

    # -- metrics --------------------------------------------------------------------------------------------------

    def measure(self) -> Clock:
        """Update the gauges that are computed on demand."""
        counters = self.store.clock()
        self.metrics.waiting.set(self.store.writer.waiting)
        self.metrics.lost_exposures.set(self.shown.exposures.lost)
        self.metrics.items.set(len(self.models.active.catalogue))
        self.metrics.text_failures.set(getattr(self.models.active.recommender.text, "failures", 0))
        self.metrics.dropped.labels("old").set(counters.dropped_old)
        self.metrics.dropped.labels("many").set(counters.dropped_many)
        with contextlib.suppress(OSError, StoreError, InputError):
            self.metrics.store_bytes.set(self.store.database.bytes())
        return counters
