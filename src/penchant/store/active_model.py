"""Which models were activated, in the store: so that a restart and other processes answer with the same one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, desc, insert, select, update

from penchant.serve.answers.models import Loaded
from penchant.store.events import EventStore
from penchant.store.tables import activations, clock

LATELY = 20


class Activations:
    """What was activated, and when."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        make, columns = store.database.compile, activations.c
        self._lately = make(select(columns.name).order_by(desc(columns.number)).limit(LATELY))
        values: dict[Any, Any] = {columns[name]: bindparam(f"the_{name}") for name in ("name", "version", "time")}
        self._note = make(insert(activations).values(values))
        self._tick = make(update(clock).values(models=clock.c.models + 1).returning(clock.c.models))

    def names(self) -> list[str]:
        """Of the models that were activated, the latest first."""
        return [row[0] for row in self.store.database.read(self._lately)]

    def note(self, ready: Loaded) -> Callable[[Any], int]:
        """Work for the writer that notes an activation; returns the clock of models."""
        values = {"the_name": ready.name, "the_version": ready.version, "the_time": int(time.time())}

        def work(connection: Any) -> int:
            connection.execute(self._note.sql, self._note.values(values))
            ((ticked,),) = connection.execute(self._tick.sql, self._tick.values({})).fetchall()
            return int(ticked)

        return work
