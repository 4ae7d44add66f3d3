"""How long events are kept, by their kind. The setting stands in the store, so that every reader obeys it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penchant.core.settings import parse_span
from penchant.data.recipe import normalise_kind
from penchant.errors import ParameterError

KEEP = "keep"  # the setting in the store
REST = "*"  # the kinds that are not named
DEFAULT = "2y"
SHORTEST = 60  # seconds
NAME = re.compile(r"[a-z0-9_.:/+-]+( [a-z0-9_.:/+-]+)*")  # stands in SQL as it is, and is in lower case everywhere
Cutoffs = tuple[tuple[str | None, int], ...]  # events of a kind (None: every other) before a moment are past


@dataclass(frozen=True)
class Keep:
    """How long events are kept, in seconds (None: for ever): ``kinds`` by name, ``rest`` every other."""

    rest: int | None = None
    kinds: tuple[tuple[str, int | None], ...] = ()

    @classmethod
    def read(cls, text: str) -> Keep:
        """A setting such as ``2y`` or ``view=90d,purchase=2y``; raises ``ParameterError``."""
        rest: int | None = None
        said, kinds = False, dict[str, int | None]()
        for part in text.split(","):
            name, sign, span = part.rpartition("=")
            kind = normalise_kind(name)
            if sign and kind != REST and not NAME.fullmatch(kind):
                raise ParameterError(
                    f"keep: {name[:80]!r} is not a kind of events: it has letters, digits and _.:/+- only"
                )
            seconds = parse_span(KEEP, span)
            if seconds is not None and seconds < SHORTEST:
                raise ParameterError("keep is at least a minute, or 0 (for ever)")
            if kind in kinds or (kind in {"", REST} and said):
                raise ParameterError(f"keep says twice how long {kind or 'other kinds'} is kept")
            if kind in {"", REST}:
                rest, said = seconds, True
            else:
                kinds[kind] = seconds
        return cls(rest if said else parse_span(KEEP, DEFAULT), tuple(sorted(kinds.items())))

    @classmethod
    def all(cls, keep: Keep | int | None) -> Keep:
        """The same, or every kind for so many seconds."""
        return keep if isinstance(keep, Keep) else cls(keep)

    def of(self, kind: str | None) -> int | None:
        """How long an event of a kind is kept, in seconds."""
        return dict(self.kinds).get(normalise_kind(kind), self.rest) if self.kinds and kind is not None else self.rest

    def until(self, kind: str | None, when: int) -> int | None:
        """Until when an event of a moment is kept, in unix seconds; None: for ever."""
        seconds = self.of(kind)
        return None if seconds is None else when + seconds

    @property
    def longest(self) -> int | None:
        """The longest of all, in seconds."""
        spans = [self.rest, *(seconds for _, seconds in self.kinds)]
        return None if None in spans else max(one for one in spans if one is not None)

    def cutoffs(self, now: int) -> Cutoffs:
        """The moments before which events are past; the last is of every other kind."""
        named = [(kind, 0 if seconds is None else now - seconds) for kind, seconds in self.kinds]
        return (*named, (None, 0 if self.rest is None else now - self.rest))

    def __str__(self) -> str:
        spans = [f"{kind}={seconds or 0}{'s' if seconds else ''}" for kind, seconds in self.kinds]
        return ",".join([*spans, f"{self.rest}s" if self.rest else "0"])


def from_table(table: Mapping[str, Any]) -> str:
    """The setting as text, from a table such as ``{view = "90d", purchase = "2y"}``; raises ``ParameterError``."""
    for kind, span in table.items():
        if not isinstance(span, str) or "," in kind + span or "=" in kind + span:
            raise ParameterError(f'keep is a table of kinds and texts such as {{view = "90d"}}, not {kind[:40]!r}')
    return ",".join(f"{kind}={span}" for kind, span in table.items())


def of_kind(kind: str | None, cutoffs: Cutoffs) -> str:
    """The condition that an event is of a kind (None: of one that is not named), as SQL."""
    name = "lower(trim(coalesce(kind, '')))"
    if kind is not None:
        return f"{name} = '{kind}'"
    names = ", ".join(f"'{one}'" for one, _ in cutoffs if one is not None)
    return f"{name} NOT IN ({names})" if names else "1 = 1"


CUTS = "past"  # among the facts of a model


def past(cutoffs: Cutoffs, moment: str = "time") -> str:
    """The condition that an event is past, as SQL in which ``moment`` is its time; empty where none can be."""
    parts = [f"{of_kind(kind, cutoffs)} AND {moment} < {int(before)}" for kind, before in cutoffs if before > 0]
    return f"({' OR '.join(parts)})" if parts else ""


def is_past(cutoffs: Iterable[Sequence[Any]], kind: str | None, when: int) -> bool:
    """As ``past``, of one event."""
    table = {name: int(before) for name, before in cutoffs}
    return when < table.get(None if kind is None else normalise_kind(kind), table.get(None, 0))


def stated(connection: Any) -> Cutoffs:
    """What is past now, as the store says; nothing where it says nothing. Raises ``ParameterError``."""
    rows = connection.execute("SELECT value FROM settings WHERE name = 'keep'").fetchall()
    return Keep.read(str(rows[0][0])).cutoffs(int(time.time())) if rows else ()
