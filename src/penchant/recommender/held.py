"""What the helpers of a recommender may know of it; the recommender imports them, not the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from penchant.core.histories import Bools, Histories, Ints, Longs
from penchant.data.events import Events
from penchant.data.recipe import Recipe
from penchant.data.translate import Translation
from penchant.data.vocab import Vocab
from penchant.models.kinds.base import Model
from penchant.text.encoder import TextEncoder

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog
    from penchant.placements.placement import Placement


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


class Answering(Held, Protocol):
    """What lists by a placement need beside that."""

    recipe: Recipe
    placements: dict[str, Placement]

    @property
    def version(self) -> str:
        """As of ``Recommender``."""
        ...

    @property
    def popularity_rank(self) -> Ints:
        """As of ``Recommender``."""
        ...

    @property
    def translation(self) -> Translation:
        """As of ``Recommender``."""
        ...

    def item_id(self, index: int) -> str | int:
        """As of ``Recommender``."""
        ...

    def known(self, item_id: object) -> int:
        """As of ``Recommender``."""
        ...

    def heard(self, history: Events | Iterable[Any]) -> Events:
        """As of ``Recommender``."""
        ...

    def histories(
        self, history: Histories | Events | Iterable[Any], *, now: int | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> tuple[Histories, list[str]]:  # fmt: skip
        """As of ``Recommender``."""
        ...
