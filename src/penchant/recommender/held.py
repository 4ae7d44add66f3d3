"""What the helpers of a recommender may know of it; the recommender imports them, not the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from penchant.core.histories import Bools, Longs
from penchant.data.vocab import Vocab
from penchant.models.kinds.base import Model
from penchant.text.encoder import TextEncoder

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog


class Held(Protocol):
    """Vocabulary, model and catalogue."""

    vocab: Vocab
    model: Model
    catalog: Catalog | None
    text: TextEncoder | None
    fitted_on: dict[str, Any]

    @property
    def item_counts(self) -> Longs:
        """As of ``Recommender``."""
        ...

    def index(self, item_id: object) -> int:
        """As of ``Recommender``."""
        ...

    def title(self, index: int) -> str | None:
        """As of ``Recommender``."""
        ...

    def available(self) -> Bools | None:
        """As of ``Recommender``."""
        ...
