"""The items of one page: those that may be shown, ranked, with their reasons and the token of the next page."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Histories, Ints
from penchant.recommender.answer import Answer, Item, Why
from penchant.recommender.fallback import rank_or_popular
from penchant.recommender.search import Asked, Wanted, rank_by_need
from penchant.serve.answers.content import by_content
from penchant.serve.answers.history import PersonHistory
from penchant.serve.answers.models import ServedModel
from penchant.serve.answers.new_items import Listed, with_new
from penchant.serve.answers.selected import select
from penchant.serve.catalogue.filters import Where, text
from penchant.serve.common.problems import Problem, invalid
from penchant.serve.common.signing import digest, sign, unsign
from penchant.store.event_loop import QUICK, breathe, off_the_event_loop
from penchant.store.exposures import DEFAULT

MOST = 1000  # items in one answer
SAME = "user, exclude, where, repeat, context, need, placement and most_impressions"  # of every page of a list
DEEPEST = 10_000  # items in all pages of one answer
PART_SECONDS = 4e-7  # of one event for the reasons of one item
log = logging.getLogger("penchant.serve")


@dataclass(frozen=True)
class Query:
    """A request, without the history."""

    k: int = 10
    page: str | None = None
    exclude: Sequence[str] = ()
    where: Where | None = None
    why: bool = False
    repeat: bool = False
    placement: str = DEFAULT
    expose: bool = True  # whether the list is shown to the person
    most_impressions: int | None = None  # after so many without another event, an item is left out; None: the setting
    offset: int = 0  # the position of the first item of a list that begins without a token
    context: Mapping[str, Any] | None = None  # what holds at the moment of the request
    need: str | None = None  # what the person says they want

    def fingerprint(self, who: str) -> str:
        """A digest of what must be the same on every page."""
        more = [] if self.placement == DEFAULT else [self.placement]
        more += [] if self.most_impressions is None else [str(self.most_impressions)]
        more += [f"from {self.offset}"] if self.offset else []
        more += [json.dumps(self.context, sort_keys=True)] if self.context else []
        more += [f"need {self.need}"] if self.need else []
        return digest([who, sorted(self.exclude), text(self.where), self.repeat, *more])


@dataclass(frozen=True)
class Page:
    """Where a list continues: the model, the last event and the moment of the first page, and the number of items shown
    so far with the last of them. For a person without events, also the segment. ``held`` is a checksum of the history,
    or of the items of the segment; ``shown`` is the id of the list."""

    version: str
    last: int
    moment: int
    offset: int = 0
    after: str | None = None
    segment: tuple[str, Any] | None = None
    held: int = 0
    shown: str | None = None

    def token(self, secret: bytes, fingerprint: str) -> str:
        """The page as a signed token."""
        document: dict[str, Any] = {
            "v": self.version,
            "s": self.last,
            "t": self.moment,
            "o": self.offset,
            "a": self.after,
            "g": self.segment,
            "h": self.held,
            "r": self.shown,
        }
        return sign(secret, "page", {**document, "q": fingerprint})

    @classmethod
    def of(cls, token: str, secret: bytes, fingerprint: str) -> Page:
        """The page of a token; raises ``Problem`` 422 for a token of another request."""
        document = unsign(secret, "page", token)
        if document is None:
            raise invalid("page", "is not a token of this service")
        if document["q"] != fingerprint:
            raise invalid("page", f"belongs to another request: {SAME} stay the same")
        segment = document["g"] and (document["g"][0], document["g"][1])
        version, last, moment, offset, after, held = (document[name] for name in "vstoah")
        return cls(version, last, moment, offset, after, segment, held, document.get("r"))


@dataclass(eq=False)
class Ranking:
    """The items of one page, by position, before they become an ``Answer``."""

    items: list[int]
    scores: list[float]
    fallback: bool
    removed: dict[str, int]
    degraded: list[str]
    more: bool  # whether another page follows
    whys: list[Why | None] | None = None

    def answer(self, served: ServedModel, unknown: list[str], **more: Any) -> Answer:
        """The answer, with the ids and titles of the live catalogue."""
        items = Item.listed(self.items, self.scores, served.catalogue, self.whys)
        return served.answer(items, self.removed, self.degraded, fallback=self.fallback, unknown=unknown, **more)


def ranking(
    served: ServedModel, history: PersonHistory, query: Query, page: Page, parts: int, *, order: Ints | None = None
) -> Ranking:
    """The items of one page. ``order``, positions best first, replaces the model for a person without events (the
    popular items of a segment). The first items have reasons, as many as ``parts`` allows: items times events.

    If the model fails, a first page is the popularity list, and ``degraded`` says so. A later page cannot continue the
    list then: raises ``Problem`` 503.
    """
    after = -1 if page.after is None else served.catalogue.vocab.index(page.after)
    seen = () if query.repeat else history.seen
    selected = select(
        served, query.where, disliked=history.disliked, seen=seen, tired=history.tired, exclude=query.exclude
    )
    mask, removed, degraded = selected.mask, selected.removed, selected.degraded
    if after >= 0:
        mask[after] = True  # to find the end of the last page, even if that item is hidden now
    if history.left_out:
        degraded.append(f"{history.left_out} older events were not scored")
    start, wanted = page.offset, page.offset + query.k + 1
    need = query.need or history.asked
    while True:
        ranked = _ranked(served, history, mask, wanted, order, need)
        if after in ranked.items:
            start = ranked.items.index(after) + 1
        if len(ranked.items) < wanted or (start + query.k < wanted and (after < 0 or after in ranked.items)):
            break
        wanted = 2 * wanted  # more items may be shown now before the end of the last page
    stop = start + query.k
    chosen = ranked.items[start:stop]
    if ranked.failed and page.offset:
        raise Problem(503, "the model failed: the list cannot continue", headers={"Retry-After": "1"})
    if ranked.failed:
        degraded.append("the model failed: this is the popularity list")
    if len(chosen) < query.k and start == 0:
        degraded.append(f"only {len(chosen)} of {query.k} items: no others may be shown")
    more = not ranked.failed and len(ranked.items) > stop and page.offset + query.k < DEEPEST
    whys: list[Why | None] | None = None
    if query.why:
        explained = chosen[: max(1, parts // max(1, len(history.given.items)))]
        why = reasons(served, history.given, explained) if need is None else _needed(served, history, need, explained)
        said = history.told.beside(why, explained, served.recommender.catalog)
        whys = [*said, *[None] * (len(chosen) - len(explained))]
        if len(explained) < len(chosen):
            degraded.append(f"the first {len(explained)} of {len(chosen)} items have reasons: the history is long")
    return Ranking(chosen, ranked.scores[start:stop], ranked.fallback, removed, degraded, more, whys)


def _needed(served: ServedModel, history: PersonHistory, need: str | Asked, positions: Sequence[int]) -> list[Why]:
    """The reasons of items for a need."""
    wanted = Wanted.of(served.recommender, history.given, need)
    n = served.catalogue.n_model
    return [wanted.whys([at])[0] if at < n else Why("exact", 0.0, []) for at in positions]


def _ranked(
    served: ServedModel,
    history: PersonHistory,
    mask: Bools,
    wanted: int,
    order: Ints | None,
    need: str | Asked | None,
) -> Listed:
    """The list of the model, then items that it does not know: the most similar by content first, then the latest."""
    if need is not None:
        found = _by_need(served, history, mask, wanted, need)
    else:
        found = (
            _by_segment(served, mask, wanted, order) if order is not None else _by_model(served, history, mask, wanted)
        )
    missing, n_model = wanted - len(found.items), served.catalogue.n_model
    if missing > 0 and len(mask) > n_model:
        new = (n_model + np.flatnonzero(mask[n_model:])).tolist()
        like = by_content(served.catalogue, history.given.items.tolist(), new)
        new.sort(key=lambda at: (-like.get(at, 0.0), -int(served.catalogue.added[at]), at))
        found.items += new[:missing]
        found.scores += [0.0] * len(new[:missing])
    return found if order is not None or need is not None else with_new(served, history, mask, found, wanted)


def _by_need(served: ServedModel, history: PersonHistory, mask: Bools, wanted: int, need: str | Asked) -> Listed:
    """The list for a need; the person's own and disliked items are not in the mask."""
    allow = mask[: served.catalogue.n_model]
    try:
        ranked, _ = rank_by_need(served.recommender, history.given, need, wanted, allow=allow, repeat=True, why=False)
    except Exception:
        log.exception("the model failed")
        return replace(_by_model(served, history, mask, wanted), failed=True)
    found = ranked.items[0] >= 0
    return Listed(ranked.items[0][found].tolist(), ranked.scores[0][found].tolist(), fallback=False)


def _by_model(served: ServedModel, history: PersonHistory, mask: Bools, wanted: int) -> Listed:
    allow = mask[: served.catalogue.n_model]
    try:
        ranked = rank_or_popular(
            served.recommender.model, history.given, wanted, exclude=served.nobody, allow=allow,
            popularity_rank=served.popularity_rank, threads=1,
        )  # fmt: skip
        found = ranked.items[0] >= 0
        return Listed(ranked.items[0][found].tolist(), ranked.scores[0][found].tolist(), bool(ranked.fallback[0]))
    except Exception:
        log.exception("the model failed")
        by_popularity = popular(served)
        items = by_popularity[allow[by_popularity]][:wanted].tolist()
        return Listed(items, [0.0] * len(items), fallback=True, failed=True)


def _by_segment(served: ServedModel, mask: Bools, wanted: int, order: Ints) -> Listed:
    """The items of a segment, then the popular ones."""
    chosen = order[mask[order]][:wanted].tolist()
    by_popularity, listed = popular(served), set(chosen)
    rest = by_popularity[mask[by_popularity]][:wanted].tolist()
    items = [*chosen, *(at for at in rest if at not in listed)][:wanted]
    return Listed(items, [0.0] * len(items), fallback=True)


def popular(served: ServedModel) -> Ints:
    """Positions by training count, the most popular first."""
    if "popular" not in served.kept:
        served.kept["popular"] = np.argsort(served.popularity_rank).astype(np.int32)
    return served.kept["popular"]  # type: ignore[no-any-return]  # kept holds many kinds


def reasons(served: ServedModel, given: Histories, positions: Sequence[int]) -> list[Why]:
    """The reasons of each item. Raises ``Slow`` on the event loop if computing them takes long."""
    known = [at for at in positions if at < served.catalogue.n_model]
    expect_reasons(served, len(given.items), len(known))
    whys: list[Why] = []
    breathe()
    said = served.recommender.model.explain_items(given, known) if known else []
    for why in Why.each(said, given, served.catalogue, served.recommender.recipe.contexts):
        whys.append(why)
        breathe()
    explained = dict(zip(known, whys, strict=True))
    return [explained.get(at) or Why("exact", 0.0, []) for at in positions]


def expect_reasons(served: ServedModel, events: int, items: int) -> None:
    """Raises ``Slow`` on the event loop if the reasons of so many items for so long a history take long."""
    times = events if served.reason_grows else items
    if times * served.reason_seconds + events * items * PART_SECONDS > QUICK:
        off_the_event_loop()


def gone(what: str) -> Problem:
    """410: the model that began a list is no longer loaded, or its history has changed."""
    return Problem(410, f"{what}: ask for the first page", field="page")
