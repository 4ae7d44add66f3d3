"""What a list may show: the filter of a request, less the items that it or a person's history leaves out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from penchant.core.histories import Bools
from penchant.serve.answers.models import ServedModel
from penchant.serve.catalogue.filters import Where


@dataclass(frozen=True)
class Limits:
    """What a request for a list that is the same for everybody may limit."""

    where: Where | None = None
    exclude: Sequence[str] = ()
    person: str | None = None  # whose seen and disliked items are left out


@dataclass(frozen=True, eq=False)
class Selected:
    """The items that may be shown, by position, and how many items each filter removed (each item counted once)."""

    mask: Bools
    removed: dict[str, int]
    degraded: list[str] = field(default_factory=list)

    def leave_out(self, name: str, positions: Iterable[int]) -> None:
        """Remove these positions, counted under a name; items that are newer than the selection are not in it."""
        inside = [at for at in positions if at < len(self.mask)]
        count = int(self.mask[inside].sum()) if inside else 0
        if count:
            self.mask[inside] = False
            self.removed[name] = self.removed.get(name, 0) + count


def select(
    served: ServedModel,
    where: Where | None,
    *,
    disliked: Collection[int] = (),
    seen: Collection[int] = (),
    tired: Collection[int] = (),
    exclude: Sequence[str] = (),
) -> Selected:
    """The items that a list may show. Each item counts for the first filter that removes it."""
    catalogue = served.catalogue
    excluded = [at for item in exclude if (at := catalogue.vocab.index(item)) >= 0]
    selection = catalogue.select(where)  # after the look-ups, so that it covers all positions found
    degraded = [f"no item has the attribute {name!r}" for name in selection.unknown]
    found = Selected(selection.mask.copy(), dict(selection.removed), degraded)
    for name, positions in (
        ("disliked", disliked),
        ("seen", seen),
        ("impressions", tired),
        ("exclude", excluded),
    ):
        found.leave_out(name, positions)
    return found
