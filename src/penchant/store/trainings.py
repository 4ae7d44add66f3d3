"""The trainings of a store: from which data, with which recipe, how the result was judged, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from penchant.store.active_model import ActiveModel
from penchant.store.events import EventStore
from penchant.store.lease import Lease
from penchant.store.tables import trainings

ACTIVATED, REFUSED, UNCLEAR, ROLLED_BACK = "activated", "refused", "cannot tell", "rolled back"
LATELY = 1000


class Training(NamedTuple):
    """One training; ``document`` is the judgement as plain values."""

    number: int
    time: int  # unix seconds
    name: str  # the saved folder, empty where nothing was saved
    outcome: str
    key: str
    data: str
    recipe: str
    document: dict[str, Any]


class Trainings:
    """The trainings of a store, newest first."""

    def __init__(self, store: EventStore) -> None:
        self.store, self.active = store, ActiveModel(store)
        make, columns = store.database.compile, trainings.c
        newest = select(*(columns[name] for name in Training._fields)).order_by(columns.number.desc())
        self._lately, self._newest = make(newest.limit(LATELY)), make(newest.limit(1))
        self._bad = make(select(columns.name).where(columns.outcome == ROLLED_BACK))
        fields = [name for name in Training._fields if name != "number"]
        self._add = make(insert(trainings).values({name: bindparam(f"the_{name}") for name in fields}))
        self._back = make(
            update(trainings)
            .where(columns.name == bindparam("which"), columns.outcome == ACTIVATED)
            .values(outcome=ROLLED_BACK)
        )

    def lately(self) -> list[Training]:
        """The newest trainings."""
        rows = self.store.database.read(self._lately)
        return [Training._make([*row[:-1], json.loads(row[-1])]) for row in rows]

    def last(self, *, updates: bool = True) -> Training | None:
        """The newest training, whatever its outcome; without ``updates``, one that judged. None if there was none."""
        if updates:
            rows = self.store.database.read(self._newest)
            return Training._make([*rows[0][:-1], json.loads(rows[0][-1])]) if rows else None
        return next((one for one in self.lately() if not one.document.get("update")), None)

    def bad(self) -> set[str]:
        """The names of the models that were rolled back: those that were trained, and others that were not activated
        again since."""
        return {str(row[0]) for row in self.store.database.read(self._bad)} | self.active.rolled_back()

    def wanted(self) -> list[str]:
        """The models to load, best first: the active one, then those before it that were not rolled back."""
        names, bad = self.active.names(), self.bad()
        return [name for place, name in enumerate(names) if place == 0 or name not in bad]

    def note(self, training: Training, version: str, lease: Lease) -> int:
        """Record a training, and activate its model if its outcome says so, in one transaction.

        The store gives it its number. Returns the clock of models. Raises ``LostLeaseError`` if the lease is no longer
        ours, and ``StoreError``.
        """
        activate = self.active.note(training.name, version) if training.outcome == ACTIVATED else None
        row = {f"the_{name}": value for name, value in training._asdict().items() if name != "number"}
        row["the_document"] = json.dumps(training.document, ensure_ascii=False, allow_nan=False)

        def work(connection: Any) -> int:
            lease.check(connection)
            connection.execute(self._add.sql, self._add.values(row))
            return 0 if activate is None else activate(connection)

        return self.store.writer.do_now(work)

    def activate(self, name: str, version: str, *, bad: str = "") -> Callable[[Any], int]:
        """Work for the writer that activates a model and returns the clock of models.

        ``bad`` is the model that is rolled back: its training is marked, so that its recipe is not chosen again from
        the same data.
        """
        activate = self.active.note(name, version, bad=bad)

        def work(connection: Any) -> int:
            if bad:
                connection.execute(self._back.sql, self._back.values({"which": bad}))
            return activate(connection)

        return work
