"""Rate limits: one token bucket per caller."""

from __future__ import annotations

import time

BUCKETS = 100_000


class Buckets:
    """Allows each caller ``rate`` requests a second, and bursts of ``rate`` (at least one) after a pause.

    Each of ``processes`` that share the callers allows its part, so that all of them together never allow more.
    """

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens left, when

    def take(self, who: str, rate: float, room: float = 1.0) -> float:
        """Take a token; returns 0, or the seconds to wait. ``room`` allows larger bursts."""
        now = time.monotonic()
        rate, room = rate / self._processes, max(1.0, max(room, rate) / self._processes)
        tokens, when = self._buckets.get(who, (room, now))
        tokens = min(room, tokens + (now - when) * rate)
        if len(self._buckets) >= BUCKETS and who not in self._buckets:
            self._buckets.clear()
        if tokens < 1:
            self._buckets[who] = tokens, now
            return (1 - tokens) / rate
        self._buckets[who] = tokens - 1, now
        return 0.0
