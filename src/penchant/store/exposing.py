"""Lists for everybody, as exposures of a store: what a mailing or a nightly export shows."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
import time

from penchant.data.vocab import Vocab
from penchant.errors import ParameterError
from penchant.recommender.bulk import Block
from penchant.store.events import EventStore
from penchant.store.exposures import GROUP, PREFIX, Exposure, Exposures

DAY = 86_400
PLACEMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def checked_placement(name: str) -> None:
    """Raises ``ParameterError`` for a name that no placement has."""
    if not PLACEMENT.fullmatch(name):
        raise ParameterError(f"a placement is letters, digits, '.', '-' and '_', at most 64, not {name[:80]!r}")


class BatchExposures:
    """Writes the lists of blocks to an open store; each block is on disk when the call returns.

    The id of a list is a keyed hash of its person, model, placement and day: lists that are made again on the same day
    count once. Raises ``StoreError``.
    """

    def __init__(self, store: EventStore, vocab: Vocab, version: str, placement: str, *, sessions: bool) -> None:
        self.store, self.vocab, self.version, self.placement = store, vocab, version, placement
        self.sessions = sessions  # whether every user of the log is a session
        self.written = 0
        self._exposures, self._now = Exposures(store), int(time.time())

    def __call__(self, block: Block) -> None:
        found = [one for row in range(len(block.users)) if (one := self._exposure(block, row)).items]
        for start in range(0, len(found), GROUP):
            some = found[start : start + GROUP]
            self.written += self.store.writer.do_now(functools.partial(self._exposures.write, some=some))

    def _exposure(self, block: Block, row: int) -> Exposure:
        guest = self.sessions or (block.guests is not None and bool(block.guests[row]))
        person = f"{'s' if guest else 'u'}:{block.users[row]}"
        key = f"batch\0{person}\0{self.version}\0{self.placement}\0{self._now // DAY}"
        hashed = hmac.digest(self.store.secret, key.encode(), hashlib.sha256)[:12]
        kept = block.ranked.items[row] >= 0
        items = [self.vocab.ids[at] for at in block.ranked.items[row][kept].tolist()]
        return Exposure(
            person,
            PREFIX + base64.urlsafe_b64encode(hashed).decode(),
            0,
            self._now,
            self.placement,
            self.version,
            bool(block.ranked.fallback[row]),
            items,
            block.ranked.scores[row][kept].tolist(),
            None if block.placed is None else block.placed[row].chances,
        )
