"""Which model answers: activate, compare and roll back, while requests are answered."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from penchant.errors import PenchantError
from penchant.recommender.folder.copies import Copies
from penchant.serve.answers.models import Models, ServedModel
from penchant.serve.common.metrics import Metrics
from penchant.serve.common.problems import Problem, not_found
from penchant.store.active_model import ActiveModel
from penchant.store.events import Clock, EventStore
from penchant.store.items import Items
from penchant.store.trainings import Trainings

T = TypeVar("T")
log = logging.getLogger("penchant.serve")


class Activation(ABC):
    """The part of the service that changes models; the other attributes are set by the service."""

    store: EventStore
    models: Models
    copies: Copies
    metrics: Metrics
    items: Items
    trainings: Trainings
    active_model: ActiveModel
    _clock: Clock

    def __init__(self) -> None:
        self._activating = asyncio.Lock()

    @abstractmethod
    async def read(self, work: Callable[..., T], *arguments: Any) -> T:
        """Read the store."""

    @abstractmethod
    async def thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work in a thread."""

    @abstractmethod
    async def refuse_overdue(self, name: str) -> None:
        """Raises ``Problem`` 409 for a model that may hold erased people for too long."""

    async def activate(self, name: str, *, record: bool = True, instead: str = "") -> ServedModel:
        """Verify, load and warm a model, then make it active. ``instead`` is the model that it stands for from now on,
        which is not returned to.

        Raises ``Problem`` 404 for an unknown name and 409 for a model that cannot be served; the active model stays.
        """
        async with self._activating:
            if record:
                await self.refuse_overdue(name)
            return await self._answer_with(*await self._bring(name), record=record, instead=instead)

    async def load_beside(self, name: str) -> ServedModel:
        """Verify, load and warm a model for comparison. Raises ``Problem`` as ``activate`` does."""
        async with self._activating:
            self.models.beside, then = await self._bring(name)
            await self._catch_up(then)
            return self.models.beside

    async def roll_back(self) -> ServedModel:
        """Make the previous model active: at once if it is still loaded, even if its folder is gone.

        The training of the model that was active is marked as rolled back; such a model is not returned to.
        Raises ``Problem`` 409 if there was none, else as ``activate`` does.
        """
        async with self._activating:
            active, others = self.models.active.name, self.models.loaded[1:]
            bad = {active, *await self.read(self.trainings.bad)}
            others = [one for one in others if one.name not in bad]
            before = next((name for name in await self.read(self.active_model.names) if name not in bad), None)
            if before is None and not others:
                raise Problem(409, "no other model was active before", kind="no-model-before")
            ready = next((one for one in others if before in {None, one.name}), None)
            await self.refuse_overdue(str(before) if ready is None else ready.name)
            brought = (ready, self._clock) if ready is not None else await self._bring(str(before))
            return await self._answer_with(*brought, record=True, bad=active)

    async def _bring(self, name: str) -> tuple[ServedModel, Clock]:
        """A warm model, and the clock up to which its catalogue has the item changes."""
        if name not in await self.thread(self.models.folders):
            raise not_found("name", f"there is no model {name[:80]!r} among those that can be served")
        then = self._clock
        changes = await self.thread(self.items.all)
        try:
            return await self.thread(self.models.read, name, changes, True), then
        except PenchantError as wrong:
            raise Problem(409, f"{wrong}; the active model stays", field="name", kind="broken-model") from wrong

    async def _answer_with(
        self, ready: ServedModel, then: Clock, *, record: bool, bad: str = "", instead: str = ""
    ) -> ServedModel:
        """Swap the model. It is recorded first, so that nothing changes if the store cannot be written."""
        work = self.trainings.activate(ready.name, ready.version, bad=bad)
        if instead:
            work = self.active_model.note(ready.name, ready.version, bad=instead)
        ticked = await self.store.writer.do(work) if record else 0
        self.models.swap(ready)
        await self._catch_up(then)
        if ticked == self._clock.models + 1:  # nobody else has activated a model meanwhile
            self._clock = self._clock._replace(models=ticked)
        self._announce()
        await self._tidy_copies()
        return ready

    async def _catch_up(self, then: Clock) -> None:
        """Apply the item changes since a moment, which a model loaded meanwhile lacks."""
        self._clock = self._clock._replace(items=min(then.items, self._clock.items))
        self.models.apply(await self.read(self.items.since, then.items))

    def _announce(self) -> None:
        active = self.models.active
        model = type(active.recommender.model).name
        self.metrics.model.clear()
        self.metrics.model.labels(active.name, model, active.version).set(1)
        data = {"name": active.name, "model": model, "version": active.version, "items": active.catalogue.n_model}
        log.info("model active", extra={"data": {**data, "answer_ms": round(active.seconds * 1000, 3)}})

    async def _tidy_copies(self) -> None:
        """Remove the copies of models that no process serves any more."""
        try:
            await self.thread(self.copies.tidy)
        except PenchantError as wrong:
            log.warning("model copies could not be removed", extra={"data": {"reason": str(wrong)}})
