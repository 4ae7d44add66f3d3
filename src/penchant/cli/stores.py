"""Stores on the command line."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from penchant.errors import MissingExtraError

if TYPE_CHECKING:
    from penchant.data.reading.streams import Stream


def open_store(url: str | None, url_file: str | None) -> Stream:
    """The events of a store as a source; raises ``MissingExtraError`` if the extra is not installed."""
    need_store()
    from penchant.serve.common.settings import load
    from penchant.store.log import store_log

    return store_log(load({"store": url, "store_url_file": url_file}).store, inside=True)


def need_store() -> None:
    """Raises ``MissingExtraError`` if the packages that a store needs are not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("sqlalchemy", "alembic")):
        raise MissingExtraError("serve", "a store")
