"""New items by their attributes and texts, without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penchant.data.vocab import Vocab
from penchant.errors import DataError, ParameterError
from penchant.models.kinds.extendable import Extendable
from penchant.recommender.held import Held

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog


def extended(recommender: Held, items: Any, reading: Mapping[str, Any]) -> tuple[Vocab, Catalog]:
    """Extend the model of a recommender by an item table; returns the vocabulary and the catalogue with the new items.

    Raises as ``Recommender.extend`` does.
    """
    from penchant.data.catalog import Catalog
    from penchant.data.reading.items import item_ids, read_items

    model = recommender.model
    if not isinstance(model, Extendable):
        raise ParameterError(f"{model.name} learns from behaviour alone: fit it again to add items")
    vocab = Vocab(recommender.vocab.ids, integers=recommender.vocab.integers)
    fresh = item_ids(read_items(items, **reading))
    vocab.integers = vocab.integers and all(item_id.isdecimal() for item_id in fresh)
    vocab.extend(fresh)
    catalog = Catalog.read(items, vocab, **reading)
    lost = set() if recommender.catalog is None else recommender.catalog.described() - {*fresh}
    if lost:
        raise DataError(
            f"the item table lacks {len(lost):,} known items, {min(lost)!r} among them",
            fix="Give the complete table: the known items and the new ones.",
        )
    if recommender.text is not None:
        catalog = catalog.with_vectors(recommender.text.encode(catalog.texts()))
    model.extend(catalog.features())
    return vocab, catalog
