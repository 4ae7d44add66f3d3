"""Item features for models, from the catalogue that a caller names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penchant.core.item_features import ItemFeatures
from penchant.errors import DataError, ParameterError

if TYPE_CHECKING:
    from penchant.core.split import Split
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions


def features_of(catalog: Catalog | None, log: Interactions | Split | Sequence[Split]) -> ItemFeatures | None:
    """The attributes and vectors of a catalogue, checked to be about the items of ``log``; None without a catalogue.

    A log has ids, which must be those of the catalogue in the same order. A split has only a number of items. Raises
    ``DataError`` where the two do not match and ``ParameterError`` for anything but a catalogue.
    """
    from penchant.core.split import Split
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions

    if catalog is None:
        return None
    if not isinstance(catalog, Catalog):
        raise ParameterError(f"catalog takes a Catalog, not {type(catalog).__name__}: read one with Catalog.read(…)")
    if isinstance(log, Interactions):
        if catalog.vocab.ids != log.vocab.ids:
            raise DataError(
                "catalogue and log are about different items, or number them differently",
                fix="Read the catalogue with Catalog.read(…, log.vocab).",
            )
    else:
        for split in [log] if isinstance(log, Split) else log:
            if len(catalog) != split.train.n_items:
                raise DataError(f"the catalogue has {len(catalog)} items, the split {split.train.n_items}")
    return catalog.features()
