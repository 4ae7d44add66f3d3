"""Dumps of Gorse into a store, with the checks of the API: each row once, however often a dump is imported."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from penchant.data.reading.batches import BadRow
from penchant.data.reading.rejects import RejectedRows
from penchant.data.reading.report import ReadReport, Source
from penchant.serve.common.problems import Problem, message_of, place
from penchant.serve.gorse.documents import LABELS, feedback_event, item_change, user_attributes
from penchant.serve.gorse.dumps import FEEDBACK, ITEM, USER, Row, rows_of
from penchant.serve.http.schemas.events import checked_context
from penchant.serve.http.schemas.fields import Request
from penchant.serve.http.schemas.gorse import GorseFeedback, GorseItem, GorseUser
from penchant.store.database import transaction
from penchant.store.events import AHEAD, EventStore, NewEvent
from penchant.store.feedback import FIRST, Feedback
from penchant.store.importing import bulk
from penchant.store.items import Items
from penchant.store.keep import Keep
from penchant.store.people import People

AT_ONCE = 20_000  # rows of one transaction
Progress = Callable[[str, int, int], None]
FORMS: dict[str, type[Request]] = {USER: GorseUser, ITEM: GorseItem, FEEDBACK: GorseFeedback}


@dataclass
class Written:
    """What became of the rows of one kind."""

    rows: int = 0
    written: int = 0
    there: int = 0  # already as the row says; for feedback also a later one
    erased: int = 0  # of people who were erased


@dataclass
class GorseImport:
    """What became of the rows of the dumps; the report has the rejected ones."""

    users: Written = field(default_factory=Written)
    items: Written = field(default_factory=Written)
    feedback: Written = field(default_factory=Written)
    left_out: Counter[str] = field(default_factory=Counter)  # feedback by reason, and parts of rows
    report: ReadReport = field(default_factory=ReadReport)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        counts = {name: asdict(getattr(self, name)) for name in ("users", "items", "feedback")}
        return {**counts, "left_out": dict(self.left_out), "rejected": self.report.n_rejected}


def import_dumps(
    store: EventStore,
    files: Sequence[Path],
    *,
    keep: Keep | int | None = None,
    rejected: Path | bool = True,
    force: bool = False,
    strict: bool = False,
    progress: Progress | None = None,
) -> GorseImport:
    """Bring dumps into an open store, in the order of the files.

    Users and items take the place of those there; of the same feedback the latest stays. Labels that the store cannot
    keep are left out and counted, and so is feedback that is older than ``keep`` (seconds, or by kind), before
    1970 or over a day in the future. Users and feedback of people who were erased are refused. ``rejected`` is the file
    for rows that are invalid, or True for one beside each dump. Raises ``DataError`` for a damaged file, and with
    ``strict`` for the first invalid row; ``StoreError`` where the store fails. What was committed before stays.
    """
    done = GorseImport()
    done.report.sources = [Source(str(file), "Gorse", has_lines=True) for file in files]
    into = _Into(store, Keep.all(keep), done)
    with (
        RejectedRows(done.report, rejected, strict, list(files), force) as rejects,
        bulk(store, lambda: f"{done.report.kept:,} rows were imported") as connection,
    ):
        for file in files:
            rows = rows_of(file)
            while part := list(itertools.islice(rows, AT_ONCE)):
                done.report.rows += len(part)
                checked = [into.checked(row) for row in part]
                rejects.add(str(file), file, [one for one in checked if isinstance(one, BadRow)])
                with transaction(connection, immediate=store.database.sqlite):
                    into.write(connection, [one for one in checked if not isinstance(one, BadRow)])
                done.report.kept = done.report.rows - done.report.n_rejected
                if progress is not None:
                    progress(f"importing {file.name}", round(1000 * part[-1].share), 1000)
    return done


class _Into:
    """Checks rows and writes them into a store."""

    def __init__(self, store: EventStore, keep: Keep, done: GorseImport) -> None:
        self.store, self.keep, self.done, self.now = store, keep, done, int(time.time())
        self.people, self.items, self.feedback = People(store), Items(store), Feedback(store)

    def checked(self, row: Row) -> tuple[str, Any] | BadRow:
        """What to write for a row: its kind, and the attributes of a user, an item or an event; None: nothing."""
        if isinstance(row.document, BadRow):
            return row.document
        given = dict(row.document)
        if row.kind == USER and given.pop("Subscribe", None):
            self.done.left_out["Subscribe of users"] += 1
        said = given.pop("Labels", None) if row.kind == FEEDBACK else None
        try:
            form = FORMS[row.kind].model_validate(given).model_dump()
            if row.kind == USER:
                return USER, ("u:" + form["UserId"], self._kept(form, USER, _attributes))
            return (ITEM, self._kept(form, ITEM, _item)) if row.kind == ITEM else (FEEDBACK, self._event(form, said))
        except ValidationError as wrong:
            first = wrong.errors()[0]
            return _bad(row, place(first["loc"]), str(first["input"]), message_of(first))
        except Problem as wrong:
            return _bad(row, str(wrong.errors[0]["field"]), "", str(wrong.errors[0]["detail"]))

    def _kept(
        self, form: dict[str, Any], kind: str, make: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        """What is made of a form, without the labels that cannot be kept."""
        while True:
            try:
                return make(form)
            except Problem as wrong:
                _, _, label = str(wrong.errors[0]["field"]).partition("Labels.")
                if not isinstance(form["Labels"], dict) or label not in form["Labels"]:
                    raise
                self.done.left_out[f"label {label} of {kind}s"] += 1
                form["Labels"] = {name: value for name, value in form["Labels"].items() if name != label}

    def _event(self, form: dict[str, Any], labels: Any) -> NewEvent | None:
        first, last = form["Timestamp"], form["Updated"]
        when = max((moment for moment in (first, last) if moment is not None), default=self.now)
        if reason := self._unusable(when, form["FeedbackType"]):
            self.done.left_out[f"feedback {reason}"] += 1
            return None
        event = feedback_event({**form, "Timestamp": when}, self.now)
        context = json.loads(event.context or "{}")
        context |= {FIRST: first} if first is not None and first != when else {}
        try:
            context = context if labels is None else checked_context({**context, LABELS: labels})
        except ValueError:
            self.done.left_out["labels of feedback"] += 1
        text = json.dumps(context, ensure_ascii=False) if context else None
        return event._replace(context=text, ours=first is None and last is None)

    def _unusable(self, when: int, kind: str) -> str:
        """Why the service would refuse feedback of a time and kind; empty where it would not."""
        if when < 0:
            return "before 1970"
        if when > self.now + AHEAD:
            return "more than a day in the future"
        seconds = self.keep.of(kind)
        return "older than events are kept" if seconds is not None and when < self.now - seconds else ""

    def write(self, connection: Any, rows: Sequence[tuple[str, Any]]) -> None:
        """Write checked rows inside a transaction of the caller."""
        done, by_kind = self.done, {kind: [one for of, one in rows if of == kind] for kind in FORMS}
        for person, attributes in by_kind[USER]:
            done.users.rows += 1
            if self.store.ledger.limit(connection, person) is not None:
                done.users.erased += 1
            elif self.people.put_within(connection, person, attributes):
                done.users.written += 1
            else:
                done.users.there += 1
        changed = self.items.put_within(connection, by_kind[ITEM])
        done.items.rows += len(by_kind[ITEM])
        done.items.written += changed
        done.items.there += len(by_kind[ITEM]) - changed
        brought = self.feedback.import_within(connection, [one for one in by_kind[FEEDBACK] if one is not None])
        done.feedback.rows += len(by_kind[FEEDBACK])
        done.feedback.written += brought.written
        done.feedback.there += brought.there
        done.feedback.erased += brought.erased


def _attributes(user: dict[str, Any]) -> dict[str, Any]:
    return user_attributes(user["Labels"], user["Comment"])


def _item(item: dict[str, Any]) -> dict[str, Any]:
    return item_change(item["ItemId"], item, {}, whole=True)


def _bad(row: Row, field: str, value: str, reason: str) -> BadRow:
    return BadRow(row.line, field, value[:80], reason, row.raw())
