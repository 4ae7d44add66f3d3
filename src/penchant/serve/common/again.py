"""When to try again what failed: soon at first, then less and less often."""

from __future__ import annotations

import time

FIRST, LONGEST = 1.0, 60.0  # seconds between two tries
NEVER = float("inf")


class Again:
    """The next try of one thing that failed; none is due until something did."""

    def __init__(self) -> None:
        self._pause, self._next, self._reason = FIRST, NEVER, ""

    def due(self) -> bool:
        """Whether to try again now."""
        return time.monotonic() >= self._next

    def again(self, reason: str) -> bool:
        """It failed: try again after a pause, twice as long as the one before. Returns whether the reason is new."""
        new, self._reason = reason != self._reason, reason
        self._pause = FIRST if new else min(LONGEST, 2 * self._pause)
        self._next = time.monotonic() + self._pause
        return new

    def over(self) -> None:
        """It is done, or no longer wanted."""
        self._next, self._reason = NEVER, ""
