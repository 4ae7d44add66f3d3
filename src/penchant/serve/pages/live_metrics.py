"""Load and response times by the second, for the page Live; counts in memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from prometheus_client import Counter

from penchant.serve.common.metrics import Metrics

SECONDS = 120  # of samples in memory
WINDOW = 10  # seconds over which quantiles are taken
QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Sample:
    """One second: accepted events, answers and fallback answers a second; and quantiles of the response times of the
    last ``WINDOW`` seconds, in milliseconds (None without answers)."""

    events: float
    answers: float
    fallback: float
    p50: float | None
    p95: float | None
    p99: float | None


def counted(counter: Counter, label: str) -> dict[str, float]:
    """The values of a counter by a label."""
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return {sample.labels[label]: sample.value for sample in samples if sample.name.endswith("_total")}


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that is not below this share of the values; None without values."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else None


class LiveMetrics:
    """Samples the counters once a second."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.samples: deque[Sample] = deque(maxlen=SECONDS)
        self._last = time.monotonic(), 0.0, 0.0, 0.0
        self._times: deque[list[float]] = deque(maxlen=WINDOW)

    def sample(self) -> None:
        """Add a sample of the time since the last one."""
        events = counted(self.metrics.events, "outcome").get("accepted", 0.0)
        answers = counted(self.metrics.answers, "kind")
        now, total, popular = time.monotonic(), sum(answers.values()), answers.get("fallback", 0.0)
        then, *before = self._last
        self._last = now, events, total, popular
        span = max(1e-3, now - then)
        self._times.append([1000 * seconds for seconds in self.metrics.lately])
        self.metrics.lately.clear()
        times = sorted(one for second in self._times for one in second)
        rates = [(new - old) / span for new, old in zip((events, total, popular), before, strict=True)]
        self.samples.append(Sample(*rates, *(quantile(times, share) for share in QUANTILES)))

    @contextlib.asynccontextmanager
    async def sampling(self) -> AsyncIterator[None]:
        """Sample once a second until the end of the block."""
        self.sample()
        self.samples.clear()  # it only set the baseline

        async def repeat() -> None:
            while True:
                await asyncio.sleep(1.0)
                self.sample()

        task = asyncio.create_task(repeat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
