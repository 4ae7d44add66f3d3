"""Structured logs: one JSON object a line on standard error, without keys, ids of people or query strings."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from dataclasses import fields
from typing import Any

from penchant.serve.common.environment import check_names
from penchant.serve.common.settings import Settings

NAME = "penchant.serve"


class JsonLines(logging.Formatter):
    """Formats a record as a line of JSON; ``extra={"data": {...}}`` adds fields, and so does ``worker``, a number."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self.worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        document: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if self.worker is not None:
            document["worker"] = self.worker
        document |= getattr(record, "data", {})
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


def configure(level: str, worker: int | None = None) -> logging.Logger:
    """The logger of the service, set up to write JSON lines to standard error."""
    logger = logging.getLogger(NAME)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(worker))
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return logger


def tell_settings(logger: logging.Logger, settings: Settings) -> None:
    """Log the settings, and the variables of the environment that look like some and are not read."""
    logger.info("settings", extra={"data": {"settings": settings.shown()}})
    for name in check_names(os.environ, (one.name for one in fields(settings))):
        logger.warning("a variable of the environment is not read", extra={"data": {"variable": name}})
