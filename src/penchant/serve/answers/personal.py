"""Recommendations for a person: read the history, rank, and sign the token of the next page."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from penchant.core.histories import Floats, Ints
from penchant.ranking.moods import PAUSE
from penchant.recommender.answer import Answer
from penchant.recommender.rerank import Reranker
from penchant.serve.answers.history import PersonHistory, asked_lately, history_of, marks_of, with_written
from penchant.serve.answers.models import Models, ServedModel
from penchant.serve.answers.ranking import Page, Query, Ranking, expect_reasons, gone, ranking
from penchant.serve.answers.selected import Limits, Selected, select
from penchant.serve.answers.shown import ShownLists
from penchant.serve.catalogue.filters import AllOf, Where, parse
from penchant.serve.common.hooks import hook
from penchant.serve.common.metrics import Metrics
from penchant.serve.common.settings import Settings
from penchant.store.choices import NOTHING, VALUE, Choices, Chosen
from penchant.store.database import StoreError
from penchant.store.event_loop import off_the_event_loop
from penchant.store.events import EventStore, StoredEvent
from penchant.store.ledger import FOREVER
from penchant.store.people import subject
from penchant.store.trends import Segment, Trends
from penchant.store.written import KeptWritten

NOBODY: Mapping[str, Any] = {}  # what is known of nobody


class SentEvent(NamedTuple):
    """An event of a history in the request; ``time`` None: now."""

    item: str
    kind: str | None = None
    value: float | None = None
    time: int | None = None
    context: str | None = None  # JSON


class Personal:
    """Answers of the active model, or for a later page of the model that began the list."""

    def __init__(
        self,
        settings: Settings,
        store: EventStore,
        models: Models,
        trends: Trends,
        metrics: Metrics,
        shown: ShownLists | None = None,
        choices: Choices | None = None,
    ) -> None:
        self.settings, self.store, self.models, self.trends, self.metrics = settings, store, models, trends, metrics
        self.shown = shown  # None: what is shown is not written
        self.choices = choices  # None: nobody can choose
        own = hook("rerank", settings.rerank)
        self.rerank = None if own is None else Reranker(own, settings.rerank_seconds)

    def for_person(self, person: str, query: Query) -> dict[str, Any]:
        """The answer for a person whom the store may know, as JSON: one read, one score."""
        fingerprint = query.fingerprint(person)
        served, page = self._page(query, fingerprint)
        chosen = self.choices_of(person)
        query = replace(query, where=_without(query.where, chosen.off_items))
        trouble: str | None = None
        rows, written = list[StoredEvent](), list[KeptWritten]()
        segment: Segment | None = None
        about: dict[str, Any] = {}
        try:
            rows = self._until(self.store.history(person, FOREVER if page is None else page.last), page)
            rows = _used(rows, chosen)
            written = self._written(person, chosen, page)
            about = self.about_of(served, person, chosen)
            if not (rows or about or chosen.private or (page is None and self._asks(served, written))):
                segment = self._segment(served, person, page)
                written = [] if segment is not None else written  # what was written after a list began changes no page
        except StoreError as failed:
            if page is not None:
                raise  # a later page must continue the same list
            trouble = f"the history could not be read ({failed}): popular items"
        numbers = [row.seq for row in rows] + [one.seq for one in written]
        held = _held(numbers, segment, about)
        if page is None:
            page = _first(served, max(numbers, default=0), segment, held, query.offset)
        elif page.held != held:
            raise gone("the events of this list were merged, erased or dropped")
        self._expect(served, len(rows), query)
        history = self._history(served, rows, page.moment, query, about, written)
        ranked = ranking(served, history, query, page, self.settings.why_parts, order=_order(served, segment))
        if trouble is not None:
            ranked.degraded.append(trouble)
            ranked.more = False
        shown, again = None, False
        if self.shown is not None and query.expose and chosen.records:
            shown, again = self.shown.id_of(query, page, fingerprint)
            page = replace(page, shown=shown)
        answer = self._answer(served, history, ranked, page, fingerprint, query)
        if segment is not None:
            answer = replace(answer, segment=segment.to_json())
        if self.shown is not None and shown is not None and not again:
            self.shown.note(person, shown, query, page, served, answer)
        return {**answer.to_json(), **subject(person), "recommendation": shown}

    def for_rows(self, rows: list[SentEvent], query: Query, by: ServedModel | None = None) -> dict[str, Any]:
        """The answer for the history in a request, oldest event first, as JSON.

        ``by`` is another loaded model to use for a first page.
        """
        self._expect(by or self.models.active, len(rows), query)
        fingerprint = query.fingerprint(json.dumps(rows))
        served, page = (by, None) if by is not None else self._page(query, fingerprint)
        page = page or _first(served, 0, None, offset=query.offset)
        timed = [
            StoredEvent(item, kind, value, page.moment if when is None else when, 0, context)
            for item, kind, value, when, context in rows
        ]
        timed.sort(key=lambda row: row.time)  # stable: of equal times the last one sent is the newest
        history = self._history(served, timed[::-1], page.moment, replace(query, most_impressions=None))
        ranked = ranking(served, history, query, page, self.settings.why_parts)
        return self._answer(served, history, ranked, page, fingerprint, query).to_json()

    def selected(self, served: ServedModel, limits: Limits) -> Selected:
        """What a list that is the same for everybody may show; what a person has seen or dislikes is left out."""
        seen, disliked, degraded = list[int](), list[int](), list[str]()
        if limits.person is not None:
            try:
                rows = _used(self._until(self.store.history(limits.person)), self.choices_of(limits.person))
                marks = marks_of(served, rows, int(time.time()), dislike_days=self.settings.dislike_days)
                seen, disliked = marks.seen, marks.disliked
            except StoreError as failed:
                degraded = [f"the history could not be read ({failed}): nothing is left out as seen"]
        found = select(served, limits.where, disliked=disliked, seen=seen, exclude=limits.exclude)
        found.degraded.extend(degraded)
        return found

    def taste(self, served: ServedModel, person: str) -> Floats | None:
        """The scores of all items for a person, ``(n_items,)``; None for one without a history that the model knows."""
        try:
            chosen = self.choices_of(person)
            rows = _used(self._until(self.store.history(person)), chosen)
            about = self.about_of(served, person, chosen)
        except StoreError:
            return None
        history = self._history(served, rows, int(time.time()), Query(), about)
        if not len(history.given.items):
            return None
        scores: Floats = served.recommender.model.score(history.given)[0]
        return scores

    def choices_of(self, person: str) -> Chosen:
        """What a person chose; nothing where the store cannot be read, for then nothing of theirs is used."""
        try:
            return self.choices.of(person) if self.choices is not None and self.choices.any() else NOTHING
        except StoreError:
            return NOTHING

    def used_of(self, person: str, chosen: Chosen) -> list[StoredEvent]:
        """The events that answers for a person may use, newest first. Raises ``StoreError``."""
        return _used(self._until(self.store.history(person, FOREVER)), chosen)

    def _until(self, rows: list[StoredEvent], page: Page | None = None) -> list[StoredEvent]:
        """The events that count at the moment of a list: with ``gorse_api``, feedback counts from its time on."""
        if not self.settings.gorse_api:
            return rows
        moment = int(time.time()) if page is None else page.moment
        return [row for row in rows if row.time <= moment]

    def _written(self, person: str, chosen: Chosen, page: Page | None) -> list[KeptWritten]:
        """What a person wrote without an item lately, and lets answers use, newest first. Raises ``StoreError``."""
        moment, upto = (int(time.time()), FOREVER) if page is None else (page.moment, page.last)
        seconds = max(PAUSE, int(60 * self.settings.need_minutes))
        found = [] if chosen.private else self.store.written.lately(person, moment, seconds, upto)
        return [one for one in found if one.kind not in chosen.off_kinds]

    def _asks(self, served: ServedModel, written: list[KeptWritten]) -> bool:
        """Whether what a person wrote is a need now."""
        return asked_lately(served, written, int(time.time()), 60 * self.settings.need_minutes) is not None

    def _page(self, query: Query, fingerprint: str) -> tuple[ServedModel, Page | None]:
        if query.page is None:
            return self.models.active, None
        page = Page.of(query.page, self.store.secret, fingerprint)
        served = self.models.find(page.version)
        if served is None:
            raise gone(f"the model {page.version} that began this list is no longer loaded")
        return served, page

    def about_of(self, served: ServedModel, person: str, chosen: Chosen) -> dict[str, Any]:
        """The attributes of a person that the model has learned from; none of one who is private."""
        recipe = served.recommender.recipe
        if not recipe.people or not served.recommender.model.uses_context or chosen.private:
            return {}
        return recipe.known_of(self.store.attributes(person))

    def _history(
        self, served: ServedModel, rows: list[StoredEvent], now: int, query: Query, person: Mapping[str, Any] = NOBODY,
        written: Sequence[KeptWritten] = (),
    ) -> PersonHistory:  # fmt: skip
        """The history for the model; ``person`` are the attributes of the person, which the request may overrule, and
        ``written`` what they wrote without an item."""
        settings = self.settings
        most = settings.most_impressions if query.most_impressions is None else query.most_impressions
        about = {"recent": settings.recent, "most_impressions": most}
        context = {**person, **(query.context or {})}
        found = history_of(served, rows, now, dislike_days=settings.dislike_days, context=context, **about)
        if not written:
            return found
        seconds = 60 * settings.need_minutes
        return with_written(served, found, rows, written, now, need_seconds=seconds, context=context)

    def _expect(self, served: ServedModel, events: int, query: Query) -> None:
        """Raises ``Slow`` on the event loop before anything is done twice."""
        if query.need is not None and self.rerank is not None:
            off_the_event_loop()
        if query.why:
            expect_reasons(served, min(events, self.settings.recent), query.k)

    def _segment(self, served: ServedModel, person: str, page: Page | None) -> Segment | None:
        """The segment of a person without events; on later pages that of the first page."""
        if page is not None:
            return (
                None
                if page.segment is None
                else self.trends.as_of(*page.segment, page.last, served.kinds, served.least)
            )
        said = self.store.attributes(person)
        return self.trends.segment(said, served.kinds, served.least) if said else None

    def _answer(
        self,
        served: ServedModel,
        history: PersonHistory,
        ranked: Ranking,
        page: Page,
        fingerprint: str,
        query: Query,
    ) -> Answer:
        """The answer with the token of the next page."""
        token = None
        if ranked.more:
            last = str(served.catalogue.item_id(ranked.items[-1]))
            onward = replace(page, offset=page.offset + len(ranked.items), after=last)
            token = onward.token(self.store.secret, fingerprint)
        strange = served.recommender.recipe.encode([query.context])[1] if query.context else []
        answer = ranked.answer(served, history.unknown, next=token, strange=strange)
        if query.need is not None and self.rerank is not None:
            answer = self.rerank(answer, query.need, history.given, served.recommender)
        kind = "degraded" if answer.degraded else "fallback" if answer.fallback else "personal"
        self.metrics.answers.labels(kind).inc()
        return answer


def _first(served: ServedModel, last: int, segment: Segment | None, held: int = 0, offset: int = 0) -> Page:
    """The first page of a new list."""
    if segment is None:
        return Page(served.version, last, int(time.time()), offset, held=held)
    chosen = segment.attribute, segment.value
    return Page(served.version, segment.upto, int(time.time()), offset, segment=chosen, held=held)


def _held(numbers: list[int], segment: Segment | None, about: Mapping[str, Any] = NOBODY) -> int:
    """A checksum of what a list is made from: the numbers of events and texts, and attributes; or the items of the
    segment."""
    told = repr(numbers if segment is None else segment.items)
    return zlib.crc32((told + (repr(sorted(about.items())) if about else "")).encode())


def _order(served: ServedModel, segment: Segment | None) -> Ints | None:
    """Positions of a segment's items, most people first."""
    if segment is None:
        return None
    positions = (served.catalogue.vocab.index(item) for item in segment.items)
    return np.array([at for at in positions if at >= 0], dtype=np.int32)


def _used(rows: list[StoredEvent], chosen: Chosen) -> list[StoredEvent]:
    """The events that a person lets answers use."""
    if chosen.private:
        return []
    return [row for row in rows if row.kind not in chosen.off_kinds] if chosen.off_kinds else rows


def _without(where: Where | None, off: Sequence[str]) -> Where | None:
    """A filter that also leaves out what a person switched off."""
    if not off:
        return where
    conditions = [{"attribute": name, "in": [value]} for name, _, value in (one.partition(VALUE) for one in off)]
    without = parse({"none": conditions})
    return without if where is None else AllOf.model_construct(None, all=[where, without])
