"""Which events may be learned from: those of people who allow it, for the purposes that the service names.

The purposes are kept in the store, so that every reader of it (``fit``, ``train``, exports) obeys them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_, select, true

from penchant.errors import ParameterError
from penchant.store.tables import choices, events

PURPOSES = "purposes"  # the setting in the store
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
SINCE = "0008"  # the migration that brought purposes and choices


def check_purposes(purposes: Sequence[str]) -> None:
    """Raises ``ParameterError`` for a purpose that no event can have."""
    for one in purposes:
        if not NAME.fullmatch(one):
            raise ParameterError(f"a purpose is letters, digits, '.', '-' and '_', at most 64, not {one[:80]!r}")


def allowed(purposes: Sequence[str]) -> ColumnElement[bool]:
    """The condition that an event may be learned from; without ``purposes`` those of every purpose may."""
    against = select(choices.c.person).where(not_(choices.c.training))
    said = or_(*(events.c.purpose == one for one in purposes)) if purposes else true()
    return and_(events.c.person.not_in(against), said)


def condition(connection: Any) -> str:
    """As ``allowed``, as SQL, by what the store says; empty where everything may be learned from."""
    ((version,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if str(version) < SINCE:
        return ""
    parts = []
    if connection.execute("SELECT 1 FROM choices WHERE NOT training LIMIT 1").fetchall():
        parts.append("person NOT IN (SELECT person FROM choices WHERE NOT training)")
    if purposes := stated(connection):
        parts.append(f"purpose IN ({', '.join(repr(one) for one in purposes)})")  # letters, digits, . - _
    return " AND ".join(parts)


def stated(connection: Any) -> list[str]:
    """The purposes that the store names; none: every purpose. Raises ``ParameterError`` for a changed store."""
    rows = connection.execute("SELECT value FROM settings WHERE name = 'purposes'").fetchall()
    found = [str(one) for one in json.loads(rows[0][0])] if rows else []
    check_purposes(found)
    return found
