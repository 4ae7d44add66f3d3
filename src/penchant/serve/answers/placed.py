"""Lists by a placement in the service: for a person, a session, an item, a basket, or nobody."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penchant.core.histories import Bools
from penchant.core.settings import parse_span
from penchant.data.recipe import normalise_kind
from penchant.errors import ParameterError
from penchant.placements.compiled import Compiled, Past, barred
from penchant.placements.placement import ACTIVE, Placement
from penchant.placements.why_not import explain_absence
from penchant.recommender.placing import Asked, place, placed_answer
from penchant.serve.answers.history import history_of
from penchant.serve.answers.lists import known
from penchant.serve.answers.models import ServedModel
from penchant.serve.answers.personal import Personal
from penchant.serve.answers.placements import Placements
from penchant.serve.answers.ranking import Page, Query, reasons
from penchant.serve.catalogue.filters import parse
from penchant.serve.common.problems import Problem
from penchant.store.database import StoreError
from penchant.store.events import StoredEvent
from penchant.store.people import subject

DAY = 86_400
EVEN_UNAVAILABLE = parse({"any": [{"available": True}, {"available": False}]})  # rules decide on availability
WHERE = {"person": "users/{id}", "session": "sessions/{id}", "item": "items/{id}", "items": "items", "nobody": ""}


@dataclass(frozen=True)
class AskPlaced:
    """A request for a list by a placement."""

    why: bool = False
    expose: bool = True
    context: Mapping[str, Any] | None = None


class Placed:
    """Answers by placements; people are read as ``Personal`` reads them."""

    def __init__(self, personal: Personal, placements: Placements) -> None:
        self.personal, self.placements = personal, placements

    def of(self, name: str, *whom: str) -> Placement:
        """The placement of a name; raises ``Problem`` 404 unless it is for one of these."""
        found = self.placements.of(name)
        if found.whom not in whom:
            path = f"/v1/placements/{name}/{WHERE[found.whom]}".rstrip("/")
            raise Problem(404, f"the placement {name} is for {found.whom}: ask {path}", field="name")
        return found

    def for_person(self, person: str, name: str, ask: AskPlaced) -> dict[str, Any]:
        """The list for "u:" + user or "s:" + session."""
        placement = self.of(name, "session" if person.startswith("s:") else "person")
        return self.preview(person, placement, ask)

    def preview(self, person: str, placement: Placement, ask: AskPlaced) -> dict[str, Any]:
        """The list of a placement that may not be declared."""
        personal, now = self.personal, int(time.time())
        chosen_by, trouble, rows = personal.choices_of(person), list[str](), list[StoredEvent]()
        try:
            rows = personal.used_of(person, chosen_by)
        except StoreError as failed:
            trouble = [f"the history could not be read ({failed}): popular items"]
        served = self._model(placement, rows, trouble)
        compiled = self.placements.compiled(placement, served)
        if not trouble:
            ask = replace(ask, context={**personal.about_of(served, person, chosen_by), **(ask.context or {})})
        asked, unknown = self._asked(served, compiled, rows, now, person, ask, chosen_by.off_items)
        shown, again, held = None, False, zlib.crc32(repr([row.seq for row in rows]).encode())
        query = Query(placement.k, placement=placement.name, expose=ask.expose, context=ask.context)
        page = Page(served.version, max((row.seq for row in rows), default=0), now, held=held)
        if personal.shown is not None and ask.expose and chosen_by.records:
            shown, again = personal.shown.id_of(query, page, query.fingerprint(person))
            asked = replace(asked, seed=zlib.crc32(shown.encode()))  # asked again, it is the same list
        listed, fallback, removed = place(served.recommender, compiled, asked)
        whys = reasons(served, asked.given, listed.items) if ask.why else None
        answer = replace(
            placed_answer(served.catalogue, compiled, listed, whys), fallback=fallback, unknown=unknown,
            removed=removed,
            model=type(served.recommender.model).name, version=served.version, degraded="; ".join(trouble) or None,
        )  # fmt: skip
        if personal.shown is not None and shown is not None and not again:
            personal.shown.note(person, shown, query, page, served, answer)
        personal.metrics.answers.labels("fallback" if fallback else "personal").inc()
        return {**answer.to_json(), **subject(person), "recommendation": shown}

    def for_items(self, items: Sequence[str], placement: Placement, ask: AskPlaced) -> dict[str, Any]:
        """The list for an item, a basket, or nobody (no items). Raises ``Problem`` 404 for an unknown item."""
        trouble, now = list[str](), int(time.time())
        rows = [StoredEvent(item, None, None, now, 0) for item in reversed(items)]
        served = self._model(placement, rows, trouble)
        if placement.whom == "item":
            known(served.catalogue, items[0])
        compiled = self.placements.compiled(placement, served)
        asked, unknown = self._asked(served, compiled, rows, now, None, ask, ())
        listed, fallback, removed = place(served.recommender, compiled, asked)
        answer = replace(
            placed_answer(served.catalogue, compiled, listed), fallback=fallback, unknown=unknown, removed=removed,
            model=type(served.recommender.model).name, version=served.version, degraded="; ".join(trouble) or None,
        )  # fmt: skip
        return {**answer.to_json(), "recommendation": None}

    def why_not(self, person: str, name: str, item: str) -> dict[str, Any]:
        """Why an item is not in the list of a person."""
        placement = self.of(name, "session" if person.startswith("s:") else "person")
        chosen_by, now = self.personal.choices_of(person), int(time.time())
        rows = self.personal.used_of(person, chosen_by)
        served = self._model(placement, rows, [])
        at, compiled = known(served.catalogue, item), self.placements.compiled(placement, served)
        asked, _ = self._asked(served, compiled, rows, now, person, AskPlaced(), chosen_by.off_items)
        asked, rank = replace(asked, seed=0), None
        if len(asked.given.items) and at < served.catalogue.n_model:
            scores = served.recommender.model.score(asked.given)[0]
            rank = int((scores > scores[at]).sum()) + 1

        def again(changed: Placement) -> Any:
            return place(served.recommender, self.placements.compiled(changed, served), asked)[0]

        bars = barred(compiled, asked.past, normalise_kind)
        return explain_absence(compiled, at, rank, bars, again)

    def _model(self, placement: Placement, rows: Sequence[StoredEvent], trouble: list[str]) -> ServedModel:
        """The first model of the placement that knows an item of the history; the last one where none does."""
        models, found = self.personal.models, self.personal.models.active
        for name in placement.model:
            at_hand = {one.name: one for one in models.at_hand}
            one = models.active if name == ACTIVE else at_hand.get(name)
            if one is None:
                trouble.append(f"the model {name} is not loaded")
                continue
            found = one
            if any(0 <= one.recommender.index(row.item) for row in rows):
                break
        return found

    def _asked(
        self, served: ServedModel, compiled: Compiled, rows: Sequence[StoredEvent], now: int, person: str | None,
        ask: AskPlaced, off: Sequence[str],
    ) -> tuple[Asked, list[str]]:  # fmt: skip
        settings, recipe = self.personal.settings, served.recommender.recipe
        history = history_of(
            served, rows, now, recent=settings.recent, dislike_days=settings.dislike_days, context=ask.context
        )
        shown: dict[int, list[int]] = {}
        kept: list[StoredEvent] = []
        for row in rows:
            if recipe.is_impression(row.kind):
                shown.setdefault(served.catalogue.vocab.index(row.item), []).append(row.time)
            else:
                kept.append(row)
        positions = served.catalogue.vocab.encode([row.item for row in kept]).tolist() if kept else []
        kinds = [row.kind for row in kept] if person is not None else None
        past = Past(
            positions, kinds, [row.time for row in kept], shown, now, None if person is None else person[2:],
            settings.purchases,
        )  # fmt: skip
        return Asked(
            history.given, past, self._allowed(served, history.disliked, off), self._trend(served)
        ), history.unknown

    @staticmethod
    def _allowed(served: ServedModel, disliked: Sequence[int], off: Sequence[str]) -> Bools:
        """What is there and neither hidden, expired, disliked nor switched off."""
        mask = served.catalogue.select(EVEN_UNAVAILABLE).mask.copy()
        for one in off:
            name, _, value = one.partition("=")
            column = served.catalogue.column(name)
            if column is not None:
                mask &= ~column.one_of([value])
        mask[[at for at in disliked if at < len(mask)]] = False
        return mask

    def _trend(self, served: ServedModel) -> Any:
        """The items of a fallback that counts events, or of the newest, by position."""

        def items(name: str) -> list[int] | None:
            kind, _, span = name.partition(":")
            if kind == "latest":
                added = served.catalogue.added[: len(served.catalogue)]
                newest: list[int] = np.lexsort((-np.arange(len(added)), -added)).tolist()
                return newest
            count = self.personal.trends.trending if kind == "trending" else self.personal.trends.popular
            try:
                counted = count((parse_span(name, span) or DAY) / DAY, served.kinds)
            except (StoreError, ParameterError):
                return None
            positions = (served.catalogue.vocab.index(item) for item, _ in counted)
            return [at for at in positions if at >= 0]

        return items
