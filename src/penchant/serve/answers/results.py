"""What came of the lists that were shown, as the page Results, the API and Prometheus have it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from penchant.errors import PenchantError
from penchant.serve.answers.models import Models
from penchant.serve.common.metrics import Metrics
from penchant.serve.common.settings import Settings
from penchant.store.event_loop import off_the_event_loop
from penchant.store.events import EventStore
from penchant.store.results import DAY, results

FRESH = 10.0  # seconds for which counts are used again
EVERY = 60.0  # seconds between two updates of the metrics
PLACEMENTS = 50  # that have metrics
COUNTS = ("lists", "shown", "seen", "clicked", "bought")


class ShownResults:
    """The results of the last days."""

    def __init__(self, settings: Settings, store: EventStore, models: Models, metrics: Metrics) -> None:
        self.settings, self.store, self.models, self.metrics = settings, store, models, metrics
        self._kept: dict[int, tuple[float, dict[str, Any]]] = {}
        self._one_at_a_time = threading.Lock()

    def lately(self, days: int) -> dict[str, Any]:
        """The results of the last days, today included, as JSON. Raises ``Slow`` on the event loop, ``StoreError``."""
        off_the_event_loop()
        with self._one_at_a_time:
            found = self._kept.get(days)
            if found is None or time.monotonic() - found[0] >= FRESH:
                found = self._kept[days] = time.monotonic(), self._count(days)
        return found[1]

    def _count(self, days: int) -> dict[str, Any]:
        now = int(time.time())
        since, active = (now // DAY + 1 - days) * DAY, self.models.active
        found = results(
            self.store.database,
            since,
            now + 1,
            attribution=self.settings.attribution_seconds,
            recipe=active.recommender.recipe,
            purchases=self.settings.purchases,
        )
        size = len(active.catalogue)
        groups = {
            f"{name}s": [{name: value, **counts.to_json(size)} for value, counts in rows]
            for name, rows in found.groups.items()
        }
        return {
            "since": datetime.fromtimestamp(since, UTC).isoformat(),
            "days_counted": days,
            "attribution_seconds": self.settings.attribution_seconds,
            "exposures": self.settings.exposures,
            "total": found.total.to_json(size),
            "without_consent": found.without_consent,
            **groups,
        }

    async def keep_measuring(self, heavy: Callable[..., Awaitable[dict[str, Any]]]) -> None:
        """Update the metrics once a minute."""
        while True:
            try:
                today = await heavy(self.lately, 1)
            except PenchantError:
                pass  # the next minute may be better; the page says what is wrong
            else:
                self._measure(today["placements"])
            await asyncio.sleep(EVERY)

    def _measure(self, placements: list[dict[str, Any]]) -> None:
        self.metrics.results.clear()
        for one in sorted(placements, key=lambda one: -one["shown"])[:PLACEMENTS]:
            for name in COUNTS:
                self.metrics.results.labels(one["placement"], name).set(one[name])
