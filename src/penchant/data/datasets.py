"""The data set of the package: MovieLens ml-latest-small (2016), with its own licence beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions


def movielens_small_path(table: str = "interactions") -> Path:
    """The path of the bundled Parquet table ``interactions`` or ``items``."""
    return Path(__file__).parent / "bundled" / "ml-latest-small" / f"{table}.parquet"


def load_movielens_small(**options: Any) -> tuple[Interactions, Catalog]:
    """MovieLens ml-latest-small: 100,004 ratings of 9,066 films by 671 people, and the films' titles and genres.

    ``options`` are those of ``read_interactions``. The vocabulary holds the rated films.
    """
    from penchant.data.read import read_interactions

    log = read_interactions(movielens_small_path(), **options)
    return log, Catalog.read(movielens_small_path("items"), log.vocab)
