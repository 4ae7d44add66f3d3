"""The attributes of people in a store, as a user table for training."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

from penchant.data.people import People
from penchant.store.database import Database, transaction
from penchant.store.events import EventStore
from penchant.store.importing import bulk
from penchant.store.log import reading
from penchant.store.people import People as Stored

USER = "u:"
AT_ONCE = 10_000  # people of one transaction, so that a service that runs does not wait long
MOST = 64  # attributes of a person
LONGEST = 1000  # characters of a value


def import_people(store: EventStore, table: People, *, named: Callable[[str], str] | None = None) -> tuple[int, int]:
    """Set the attributes of the users of a table, and return how many have any, and how many were erased and are left
    out: a table may be older than their erasure. A list is its values between bars.

    ``named`` gives the name under which the store knows a person. Raises ``StoreError``.
    """
    people, ids, done, refused = Stored(store), list(table.rows), 0, 0
    with bulk(store, lambda: f"the attributes of {done:,} users were imported") as connection:
        for lo in range(0, len(ids), AT_ONCE):
            with transaction(connection, immediate=store.database.sqlite):
                for user_id in ids[lo : lo + AT_ONCE]:
                    person = USER + user_id if named is None else named(USER + user_id)
                    said = {name: _scalar(value) for name, value in islice(table.of(user_id).items(), MOST)}
                    if said and store.ledger.limit(connection, person) is not None:
                        refused += 1
                    elif said:
                        people.set_within(connection, person, said)
                        done += 1
    return done, refused


def _scalar(value: Any) -> Any:
    text = "|".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    return text[:LONGEST] if isinstance(text, str) else text


def described_people(url: str) -> People:
    """The attributes of all users of a store. Memory: all of them.

    Raises ``DataError`` if there is no store, and ``StoreError`` if it cannot be read.
    """
    with reading(Database(url)) as connection:
        said = connection.execute("SELECT person, name, value FROM attributes ORDER BY person").fetchall()
    rows: dict[str, int] = {}
    columns: dict[str, dict[int, Any]] = {}
    for person, name, value in said:
        if person.startswith(USER):
            row = rows.setdefault(person.removeprefix(USER), len(rows))
            columns.setdefault(name, {})[row] = json.loads(value)
    return People(rows, {name: [of.get(row) for row in range(len(rows))] for name, of in columns.items()})
