"""Why an item is not in a list, and what would change that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penchant.placements.chosen import Chosen
from penchant.placements.compiled import Compiled
from penchant.placements.placement import Placement


def explain_absence(
    compiled: Compiled, item: int, rank: int | None, bars: Mapping[str, Sequence[int]],
    again: Callable[[Placement], Chosen],
) -> dict[str, Any]:  # fmt: skip
    """``{"rank", "removed_by", "would_need"}`` of an item position.

    ``rank`` is its place among all items by the model (None without a history), ``bars`` what rules keep from this
    person, and ``again`` makes the list of another placement.
    """
    placement = compiled.placement
    listed = again(placement).items
    if item in listed:
        return {"rank": rank, "removed_by": None, "would_need": f"nothing: it is number {listed.index(item) + 1}"}
    by = next((name for name, passed in compiled.filters if not passed[item]), None)
    by = by or next((name for name, items in bars.items() if item in items), None)
    if by == "unavailable":
        return {"rank": rank, "removed_by": by, "would_need": "to be available"}
    if by == "seen":
        changed = again(_changed(placement, repeat="allowed"))
        return {"rank": rank, "removed_by": "repeat", "would_need": _place(changed, item, 'repeat = "allowed"')}
    if by is not None:
        changed = again(placement.without(by))
        return {"rank": rank, "removed_by": by, "would_need": _place(changed, item, f"no rule {by!r}")}
    for name in placement.rules():
        changed = again(placement.without(name))
        if item in changed.items:
            return {"rank": rank, "removed_by": name, "would_need": _place(changed, item, f"no rule {name!r}")}
    lifted = again(_changed(placement, candidates=compiled.size, k=min(1000, compiled.size)))
    place = lifted.items.index(item) + 1 if item in lifted.items else None
    told = f"it is number {place} by this placement" if place else "it is far behind"
    return {"rank": rank, "removed_by": "rank", "would_need": f"a higher score or a boost: {told}, k is {placement.k}"}


def _changed(placement: Placement, **values: Any) -> Placement:
    from dataclasses import replace

    return replace(placement, **values)


def _place(changed: Chosen, item: int, need: str) -> str:
    if item in changed.items:
        return f"{need}: it would be number {changed.items.index(item) + 1}"
    return f"{need}, and a higher score or a boost"
