"""Metrics for Prometheus and for the page Live."""

from __future__ import annotations

from collections import deque

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATELY = 10_000  # response times kept for the page Live
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """The metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        self.lately: deque[float] = deque(maxlen=LATELY)
        self.requests = Counter("penchant_requests", "Requests.", ["method", "route", "status"], registry=own)
        self.seconds = Histogram(
            "penchant_request_seconds", "Time to answer.", ["route"], buckets=SECONDS, registry=own
        )
        self.events = Counter("penchant_events", "Events received.", ["outcome"], registry=own)
        self.answers = Counter("penchant_answers", "Recommendation lists.", ["kind"], registry=own)
        self.exposures = Counter("penchant_exposures", "Lists shown to people, page by page.", registry=own)
        self.exposed_items = Counter("penchant_exposed_items", "Items in them.", registry=own)
        self.results = Gauge(
            "penchant_results", "What came of the lists of today.", ["placement", "count"], registry=own
        )
        self.lost_exposures = Gauge("penchant_lost_exposures", "Exposures that were never written.", registry=own)
        self.commits = Histogram(
            "penchant_commit_seconds", "Time of one write transaction.", buckets=SECONDS, registry=own
        )
        self.groups = Histogram(
            "penchant_commit_events",
            "Events in one transaction.",
            buckets=(1, 4, 16, 64, 256, 1024, 4096),
            registry=own,
        )
        self.waiting = Gauge("penchant_waiting_events", "Events in the queue of the writer.", registry=own)
        self.store_bytes = Gauge("penchant_store_bytes", "Size of the store on disk.", registry=own)
        self.dropped = Gauge("penchant_dropped_events", "Events dropped by retention.", ["reason"], registry=own)
        self.model = Gauge("penchant_model_info", "The active model.", ["name", "model", "version"], registry=own)
        self.trainings = Counter("penchant_trainings", "Trainings beside the service.", ["outcome"], registry=own)
        self.stale_models = Gauge("penchant_stale_models", "Models that may hold erased people.", registry=own)
        self.overdue = Gauge("penchant_model_overdue", "1: so may the active one, past its date.", registry=own)
        self.text_failures = Gauge("penchant_text_failures", "Texts that the encoder failed on.", registry=own)
        self.items = Gauge("penchant_items", "Items in the catalogue.", registry=own)

    def committed(self, events: int, seconds: float) -> None:
        """Record a transaction of the writer."""
        self.commits.observe(seconds)
        if events:
            self.groups.observe(events)

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
