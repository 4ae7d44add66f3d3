"""Two rankings in one list: team draft, and who is credited with what was taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from penchant.errors import ParameterError

FIRST, SECOND = "a", "b"


@dataclass(frozen=True)
class Drafted:
    """A list made of two, and the team of each position (``a`` or ``b``)."""

    items: tuple[str, ...]
    teams: tuple[str, ...]


def team_draft(first: Sequence[str], second: Sequence[str], k: int, coins: Sequence[bool]) -> Drafted:
    """Interleave two rankings: the team with fewer items picks its best that is left, and a coin decides where equal.

    F. Radlinski, M. Kurup and T. Joachims, "How does clickthrough data reflect retrieval quality?" (CIKM 2008). One
    coin a pair of picks: ``coins[i]`` is True where the first team begins pair ``i``. A team with nothing left leaves
    its picks to the other. Raises ``ParameterError`` for too few coins or an item that stands twice in one ranking.
    """
    for ranking in (first, second):
        if len(set(ranking)) != len(ranking):
            raise ParameterError("an item stands twice in a ranking that is to be interleaved")
    if len(coins) < (k + 1) // 2:
        raise ParameterError(f"a list of {k} needs {(k + 1) // 2} coins, not {len(coins)}")
    rankings = {FIRST: first, SECOND: second}
    at, items, teams, there = {FIRST: 0, SECOND: 0}, list[str](), list[str](), set[str]()
    picks = {FIRST: 0, SECOND: 0}
    while len(items) < k:
        if picks[FIRST] == picks[SECOND]:
            team = FIRST if coins[min(picks[FIRST], len(coins) - 1)] else SECOND
        else:
            team = FIRST if picks[FIRST] < picks[SECOND] else SECOND
        for turn in (team, SECOND if team == FIRST else FIRST):
            ranking = rankings[turn]
            while at[turn] < len(ranking) and ranking[at[turn]] in there:
                at[turn] += 1
            if at[turn] < len(ranking):
                break
        else:
            break  # neither has anything left
        item = rankings[turn][at[turn]]
        items.append(item)
        teams.append(turn)
        there.add(item)
        picks[turn] += 1
    return Drafted(tuple(items), tuple(teams))


def preference(drafted: Drafted, taken: Collection[str]) -> int:
    """What a list says: items taken of the second team less those of the first."""
    return sum(
        1 if team == SECOND else -1 for item, team in zip(drafted.items, drafted.teams, strict=True) if item in taken
    )
