"""What people were shown and did not take, as negatives of their own events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Histories, Longs

if TYPE_CHECKING:
    from torch import Tensor

NO_EFFECT = "shown has no effect: "
NONE_SHOWN = NO_EFFECT + "the log has no impressions of weight 0"


class NotTaken:
    """The items that the people of training histories were shown without an event of theirs."""

    def __init__(self, train: Histories) -> None:
        assert train.shown is not None  # the caller saw it
        found = train.shown.not_taken(train)
        self._start, self._count = found.indptr[:-1], np.diff(found.indptr)
        self._items = np.append(found.items, np.int32(0))  # for rows without any

    def draw(self, rows: Longs, device: object, number: int = 1) -> tuple[Tensor, Tensor]:
        """Items ``(events, number)`` for events of training ``rows`` (events,), and which rows have any ``(events,)``.

        With replacement, from torch's random stream.
        """
        import torch

        count = self._count[rows]
        place = torch.rand(len(rows), number, dtype=torch.float64).numpy()
        at = self._start[rows, None] + np.minimum((place * count[:, None]).astype(np.int64), (count - 1)[:, None])
        at[count == 0] = len(self._items) - 1
        return torch.from_numpy(self._items[at]).long().to(device), torch.from_numpy(count > 0).to(device)


def not_taken(train: Histories, share: float, notes: list[str], *, every_item: bool = False) -> NotTaken | None:
    """What a model draws a ``share`` of its negatives from; None where there is nothing, which ``notes`` then says."""
    if not share:
        return None
    if every_item:
        notes.append(NO_EFFECT + "this loss compares with every item")
        return None
    if train.shown is None:
        notes.append(NONE_SHOWN)
        return None
    return NotTaken(train)
