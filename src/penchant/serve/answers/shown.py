"""Lists that people are shown: an id for each, and its exposure in the store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from typing import Any

from penchant.errors import PenchantError
from penchant.recommender.answer import Answer
from penchant.serve.answers.models import ServedModel
from penchant.serve.answers.ranking import Page, Query
from penchant.serve.common.metrics import Metrics
from penchant.store.exposures import PREFIX, Exposure, Exposures

EVERY = 0.5  # seconds between two writes: what a crash may lose
RETRY = 60  # seconds within which the same request is the same list
log = logging.getLogger("penchant.serve")


class ShownLists:
    """Gives lists their ids and queues their exposures; ``keep_writing`` writes them.

    The id of a list is a keyed hash of its request, its model, the last event of the person and the minute. A request
    that is sent again within a minute, to this process or in the same minute to another, gets the same id, and is
    written once. Pages carry the id of the first page in their token.
    """

    def __init__(self, exposures: Exposures, secret: bytes, metrics: Metrics) -> None:
        self.exposures, self.metrics, self._secret = exposures, metrics, secret
        self._lately: dict[str, tuple[str, int]] = {}
        self._before: dict[str, tuple[str, int]] = {}
        self._since = 0

    def id_of(self, query: Query, page: Page, fingerprint: str) -> tuple[str, bool]:
        """The id of the list that a page belongs to, and whether this page was answered before."""
        if page.shown is not None:
            return page.shown, False
        key = f"{fingerprint} {query.k} {page.version} {page.last} {page.held}"
        if page.moment - self._since >= RETRY:
            self._lately, self._before, self._since = {}, self._lately, page.moment
        found = self._lately.get(key) or self._before.get(key)
        if found is not None and page.moment - found[1] < RETRY:
            return found[0], True
        hashed = hmac.digest(self._secret, f"exposure\0{key} {page.moment // RETRY}".encode(), hashlib.sha256)[:12]
        made = PREFIX + base64.urlsafe_b64encode(hashed).decode()
        self._lately[key] = made, page.moment
        return made, False

    def note(self, person: str, shown: str, query: Query, page: Page, served: ServedModel, answer: Answer) -> None:
        """Queue the exposure of a page."""
        if not answer.items:
            return
        items, scores = [str(one.item) for one in answer.items], [one.score for one in answer.items]
        now = int(time.time())
        exposure = Exposure(
            person,
            shown,
            page.offset,
            now,
            query.placement,
            served.version,
            answer.fallback,
            items,
            scores,
            answer.chances,
        )
        self.exposures.add(exposure)
        self.metrics.exposures.inc()
        self.metrics.exposed_items.inc(len(items))

    async def keep_writing(self) -> None:
        """Write what is queued, twice a second. What cannot be written waits, the oldest are lost in the end."""
        failing = False
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.exposures.flush()
            except PenchantError as wrong:
                if not failing:
                    _warn(str(wrong))
                failing = True
            else:
                failing = False

    async def finish(self) -> None:
        """Write what is left."""
        try:
            await self.exposures.flush()
        except PenchantError as wrong:
            _warn(str(wrong))


def _warn(reason: str) -> None:
    data: dict[str, Any] = {"reason": reason}
    log.warning("exposures could not be written", extra={"data": data})
