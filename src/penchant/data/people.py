"""A table of people: their attributes become contexts that hold for every event of a person, and no id is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Histories, Ints
from penchant.data.contexts import MOST_VALUES, NO, YES, in_order, parts_of, split, word
from penchant.data.pseudonyms import Pseudonyms
from penchant.data.recipe import Recipe
from penchant.errors import DataError, ParameterError

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

SHARED = 5  # people whom a value describes at least, so that none is told apart by it
EACH = 30  # different numbers up to which each is a value of its own
PARTS = 8  # of a number with more
MOST_COLUMNS = 20  # contexts that a table becomes
MOST_LISTED = 10  # values of a list that become a context each


@dataclass(frozen=True, eq=False)
class People:
    """The attributes of people by their id; entry ``i`` of a column is that of the ``i``-th of ``rows``."""

    rows: dict[str, int]
    columns: dict[str, list[Any]]  # text, numbers, lists of text; None: missing
    notes: Sequence[str] = ()  # what reading found

    @classmethod
    def read(
        cls, source: Any, *, sep: str | None = None, encoding: str | None = None, pseudonyms: bytes | None = None
    ) -> People:
        """Read a table with a column of user ids; the first row of a person counts.

        Raises ``DataError`` for a table without ids or attributes.
        """
        from penchant.data.reading.item_columns import attributes_of
        from penchant.data.reading.items import ITEM_ID, item_ids, read_items
        from penchant.data.reading.report import many

        read = read_items(source, sep=sep, encoding=encoding, role="user")
        ids, named = item_ids(read), read.frame.height - read.frame[ITEM_ID].null_count()
        notes = [f"{many(named - len(ids), 'row', 'rows')} of the user table repeat a user: the first row counts"]
        columns = attributes_of(read, ids)
        if not columns:
            raise DataError("the user table has no column beside the ids", file=read.table.source.name)
        if pseudonyms is not None:
            under = Pseudonyms(pseudonyms)
            ids = [under.of("user", one) for one in ids]
        return cls({one: row for row, one in enumerate(ids)}, columns, notes if named > len(ids) else ())

    def of(self, user_id: object) -> dict[str, Any]:
        """What is known of one person; empty for one who is not in the table."""
        row = self.rows.get(str(user_id))
        if row is None:
            return {}
        return {name: column[row] for name, column in self.columns.items() if column[row] is not None}

    def described(self, log: Interactions) -> Interactions:
        """The log with the attributes of its people as the last contexts.

        A context that the recipe of the log knows already keeps its values. Else a column of words has the values that
        at least five people of the log share, the most frequent 1,000; a number with more than 30 values is cut into up
        to eight parts that hold about as many people each; each of the ten most frequent values of a list is a context
        of its own. Columns without such a value are left out, and ``report.notes`` says which.

        Raises ``ParameterError`` for a log of sessions, and ``DataError`` where nobody of the log is in the table or a
        column is a context, too.
        """
        if log.sessions:
            raise ParameterError("a user table describes users, and the histories of this log are sessions")
        known = [{} if log.is_guest(row) else self.of(user_id) for row, user_id in enumerate(log.user_ids)]
        recipe = log.recipe
        log.report.notes += self.notes
        if not recipe.people:
            if not any(known):
                raise DataError("nobody of the log is in the user table", fix="Check that both have the same user ids")
            recipe = self._learned(log, known)
        codes, _ = recipe.encode(known)
        first = len(recipe.contexts) - len(recipe.people)
        own = np.full((len(log), first), -1, np.int32) if log.context is None else log.context[:, :first]
        return replace(log, recipe=recipe, context=np.concatenate([own, codes[log.users, first:]], axis=1))

    def _learned(self, log: Interactions, known: Sequence[Mapping[str, Any]]) -> Recipe:
        contexts: dict[str, tuple[str, ...]] = {}
        people: dict[str, tuple[float, ...]] = {}
        left: list[str] = []
        for name in self.columns:
            found = _contexts_of(name, [row[name] for row in known if name in row])
            if not found or len(people) + len(found) > MOST_COLUMNS:
                left.append(name)
                continue
            for context, (values, bounds) in found.items():
                if context in log.recipe.contexts:
                    raise DataError(
                        f"{context!r} is a context of the events and a column of the user table: rename one"
                    )
                contexts[context], people[context] = values, bounds
        if left:
            columns = "columns" if len(left) > 1 else "column"
            log.report.notes.append(
                f"user table: {columns} {', '.join(map(repr, left[:10]))} left out: no value describes {SHARED} people"
                f" of the log, or there are {MOST_COLUMNS} columns already"
            )
        if not people:
            raise DataError(f"no value of the user table describes {SHARED} people of the log")
        return replace(log.recipe, contexts={**log.recipe.contexts, **contexts}, people=people)


def _contexts_of(name: str, cells: Sequence[Any]) -> dict[str, tuple[tuple[str, ...], tuple[float, ...]]]:
    """The contexts that a column becomes, each with its values and the bounds of its parts."""
    if any(isinstance(cell, (list, tuple)) for cell in cells):
        counts: dict[str, int] = {}
        for cell in cells:
            for one in {found for part in split(cell) if (found := word(part)) is not None}:
                counts[one] = counts.get(one, 0) + 1
        shared = [one for one, count in counts.items() if SHARED <= count]
        most = sorted(shared, key=lambda one: (-counts[one], one))[:MOST_LISTED]
        return {f"{name}: {one}": ((NO, YES), ()) for one in in_order(most)}
    numbers = [float(cell) for cell in cells if isinstance(cell, (int, float)) and not isinstance(cell, bool)]
    if len(numbers) == len(cells) and len(set(numbers)) > EACH:
        parts = min(PARTS, len(numbers) // SHARED)
        cuts = np.unique(np.quantile(numbers, np.arange(1, parts) / parts, method="nearest"))
        bounds = tuple(float(cut) for cut in cuts if cut > min(numbers))
        return {name: (parts_of(bounds), bounds)} if bounds else {}
    counts = {}
    for cell in cells:
        if (found := word(cell)) is not None:
            counts[found] = counts.get(found, 0) + 1
    shared = [one for one, count in counts.items() if count >= SHARED]
    most = sorted(shared, key=lambda one: (-counts[one], one))[:MOST_VALUES]
    return {name: (tuple(in_order(most)), ())} if most else {}


def throughout(given: Histories, people: int) -> Histories:
    """The last ``people`` contexts of each request for all events of its row; where it states none, those of the last
    event for the request."""
    if not people or given.context is None:
        return given
    width = given.context.shape[1]
    asked = np.full((len(given), width), -1, np.int32) if given.asked is None else given.asked.copy()
    context = given.context.copy()
    some = np.flatnonzero(given.lengths > 0)
    mine: Ints = asked[some, width - people :]
    last = context[given.indptr[1:][some] - 1, width - people :]
    asked[some, width - people :] = np.where(mine < 0, last, mine)
    context[:, width - people :] = asked[given.rows, width - people :]
    return replace(given, asked=asked, context=context)
