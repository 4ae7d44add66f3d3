"""From a question to the recommend object: read the history, score it, sign the token of the next page."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np

from penchant.histories import Ints
from penchant.serve.answers import Answer, Page, Query, answer, gone
from penchant.serve.crowd import Crowd
from penchant.serve.database import StoreError
from penchant.serve.history import Taste, taste
from penchant.serve.metrics import Metrics
from penchant.serve.people import subject
from penchant.serve.settings import Settings
from penchant.serve.store import EventStore
from penchant.serve.versions import Loaded, Versions


class Answering:
    """Answers with the active model, or with the model that began a list whose next page is asked for."""

    def __init__(
        self, settings: Settings, store: EventStore, versions: Versions, crowd: Crowd, metrics: Metrics
    ) -> None:
        self.settings, self.store, self.versions, self.crowd, self.metrics = settings, store, versions, crowd, metrics

    def for_person(self, person: str, query: Query) -> dict[str, Any]:
        """The recommend object for someone the store may know: one read, one score."""
        fingerprint = query.fingerprint(person)
        loaded, page = self._page(query, fingerprint)
        trouble: str | None = None
        try:
            rows = self.store.history(person, **({} if page is None else {"upto": page.last}))
        except StoreError as failed:
            rows, trouble = [], f"the history could not be read ({failed}): popular items"
        now = int(time.time()) if page is None else page.moment
        page = page or Page(loaded.version, rows[0][4] if rows else 0, now)
        known = self._taste(loaded, rows, now)
        segment, order = self._segment(loaded, person) if not rows and trouble is None else (None, None)
        told = answer(loaded, known, query, page, order=order)
        told.segment = segment
        if trouble is not None:
            told.degraded.append(trouble)
        return self._told(told, query, page, fingerprint, person)

    def for_rows(self, rows: list[tuple[Any, ...]], query: Query) -> dict[str, Any]:
        """The recommend object for a history that was sent along; rows ``(item, kind, value, time)``, oldest first."""
        fingerprint = query.fingerprint(json.dumps(rows))
        loaded, page = self._page(query, fingerprint)
        now = int(time.time()) if page is None else page.moment
        page = page or Page(loaded.version, 0, now)
        timed = [(item, kind, value, now if when is None else when) for item, kind, value, when in rows]
        told = answer(loaded, self._taste(loaded, timed[::-1], now), query, page)
        return self._told(told, query, page, fingerprint, None)

    def _page(self, query: Query, fingerprint: str) -> tuple[Loaded, Page | None]:
        if query.page is None:
            return self.versions.active, None
        page = Page.of(query.page, self.store.secret, fingerprint)
        loaded = self.versions.find(page.version)
        if loaded is None:
            raise gone(page.version)
        return loaded, page

    def _taste(self, loaded: Loaded, rows: list[tuple[Any, ...]], now: int) -> Taste:
        return taste(loaded, rows, now, recent=self.settings.recent, dislike_days=self.settings.dislike_days)

    def _segment(self, loaded: Loaded, person: str) -> tuple[dict[str, Any] | None, Ints | None]:
        """For someone without events: what is popular among people of whom the same was said."""
        said = self.store.attributes(person)
        found = self.crowd.segment(said) if said else None
        if found is None:
            return None, None
        segment, items = found
        positions = (loaded.shelf.position.get(item, -1) for item in items)
        return segment, np.array([at for at in positions if at >= 0], dtype=np.int32)

    def _told(self, told: Answer, query: Query, page: Page, fingerprint: str, person: str | None) -> dict[str, Any]:
        if told.more:
            last = told.loaded.shelf.ids[told.items[-1]]
            onward = replace(page, offset=page.offset + len(told.items), after=last)
            told.next = onward.token(self.store.secret, fingerprint)
        kind = "degraded" if told.degraded else "fallback" if told.fallback else "personal"
        self.metrics.answers.labels(kind).inc()
        document = told.to_json()
        return document if person is None else {**document, **subject(person)}
