"""Writing tables: errors of the disk keep their numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBER = re.compile(r"\(os error (\d+)\)")


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Within this context, an error of polars that comes from the system, such as a full disk, is an ``OSError``."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        found = _NUMBER.search(str(error))
        if found is None or getattr(error, "errno", None) is not None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
