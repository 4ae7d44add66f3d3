"""Stores on the command line."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from penchant.errors import MissingExtraError

if TYPE_CHECKING:
    from penchant.data.people import People
    from penchant.data.reading.streams import Stream
    from penchant.serve.common.settings import Settings
    from penchant.store.events import EventStore


def open_store(url: str | None, url_file: str | None) -> Stream:
    """The events of a store as a source; raises ``MissingExtraError`` if the extra is not installed."""
    need_store()
    from penchant.serve.common.settings import load
    from penchant.store.log import store_log

    return store_log(load({"store": url, "store_url_file": url_file}).store, inside=True)


def open_people(url: str | None, url_file: str | None) -> People:
    """The attributes of the users of a store; raises ``MissingExtraError`` if the extra is not installed."""
    need_store()
    from penchant.serve.common.settings import load
    from penchant.store.described import described_people

    return described_people(load({"store": url, "store_url_file": url_file}).store)


def need_store() -> None:
    """Raises ``MissingExtraError`` if the packages that a store needs are not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("sqlalchemy", "alembic")):
        raise MissingExtraError("serve", "a store")


def existing_store(settings: Settings) -> EventStore:
    """The store of the settings, which must exist. Raises ``DataError``."""
    from pathlib import Path

    from penchant.errors import DataError
    from penchant.store.database import file_of
    from penchant.store.events import EventStore

    file = file_of(settings.store)
    if file is not None and not Path(file).is_file():
        raise DataError("there is no store here", file=file)
    opened = EventStore(settings.store, secret=settings.secret or None)
    opened.open()
    return opened
