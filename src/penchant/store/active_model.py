"""Which model is active, kept in the store so that a restart and other processes serve the same one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, desc, insert, select, update

from penchant.store.events import EventStore
from penchant.store.tables import activations, clock

LATELY = 20


class ActiveModel:
    """The activations of a store, newest first."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        make, columns = store.database.compile, activations.c
        self._lately = make(select(columns.name, columns.bad).order_by(desc(columns.number)).limit(LATELY))
        named = ("name", "version", "time", "bad")
        values: dict[Any, Any] = {columns[name]: bindparam(f"the_{name}") for name in named}
        self._note = make(insert(activations).values(values))
        self._tick = make(update(clock).values(models=clock.c.models + 1).returning(clock.c.models))

    def names(self) -> list[str]:
        """Names of the activated models, latest first."""
        return [row[0] for row in self.store.database.read(self._lately)]

    def rolled_back(self) -> set[str]:
        """Names of the models that were rolled back and not activated again since."""
        found: dict[str, bool] = {}
        for name, bad in self.store.database.read(self._lately):
            if bad:
                found.setdefault(bad, True)
            found.setdefault(name, False)
        return {name for name, back in found.items() if back}

    def note(self, name: str, version: str, *, bad: str = "") -> Callable[[Any], int]:
        """Work for the writer that records an activation, in the place of ``bad`` if that was rolled back; returns the
        clock of models."""
        values = {"the_name": name, "the_version": version, "the_time": int(time.time()), "the_bad": bad or None}

        def work(connection: Any) -> int:
            connection.execute(self._note.sql, self._note.values(values))
            ((ticked,),) = connection.execute(self._tick.sql, self._tick.values({})).fetchall()
            return int(ticked)

        return work
