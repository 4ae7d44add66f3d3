"""The metrics of all workers in one text: each leaves its own in a file, and whoever is asked reads them all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from penchant.errors import PenchantError
from penchant.serve.common.metrics import Metrics

EVERY = 1.0  # seconds between two writes
LABEL = "worker"

log = logging.getLogger("penchant.serve")


def file_of(folder: Path, number: int) -> Path:
    """The file in which a worker leaves its metrics."""
    return folder / f"{number}.prom"


class SharedMetrics:
    """The metrics of this worker and of the others, labelled with the number of the worker.

    ``measure`` updates gauges that are computed on demand; ``thread`` runs what blocks.
    """

    def __init__(
        self,
        metrics: Metrics,
        number: int,
        folder: Path,
        *,
        measure: Callable[[], object],
        thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        self.metrics, self.number, self.folder, self.measure, self.thread = metrics, number, folder, measure, thread

    async def keep_writing(self) -> None:
        """Write the metrics of this worker once a second."""
        failing = False
        while True:
            try:
                await self.thread(self.write)
            except (PenchantError, OSError) as wrong:
                if not failing:
                    log.warning("metrics could not be shared", extra={"data": {"reason": str(wrong)}})
                failing = True
            else:
                failing = False
            await asyncio.sleep(EVERY)

    def write(self) -> None:
        """Write the metrics of this worker; readers see the old file or the new one."""
        self.measure()
        part = self.folder / f"{self.number}.part"
        part.write_bytes(self.metrics.text())
        part.replace(file_of(self.folder, self.number))

    def text(self) -> bytes:
        """The metrics of all workers: this one as of now, the others as of a second ago."""
        texts = {}
        for path in self.folder.glob("*.prom"):
            with contextlib.suppress(OSError):  # a worker has ended
                texts[int(path.stem)] = path.read_text(encoding="utf-8")
        return merged({**texts, self.number: self.metrics.text().decode()})


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = families

    def collect(self) -> Iterable[Metric]:
        return self.families


def merged(texts: Mapping[int, str]) -> bytes:
    """Several texts in the format of Prometheus as one; each sample gets its worker as a label."""
    families: dict[str, Metric] = {}
    for number, text in sorted(texts.items()):
        for family in text_string_to_metric_families(text):
            into = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            into.samples += [sample._replace(labels={LABEL: str(number), **sample.labels}) for sample in family.samples]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families.values()))
    return generate_latest(registry)
