"""The size and shape of a log, as far as costs depend on them: counts, history lengths and the popularity of items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from penchant.core.blocks import counted
from penchant.core.histories import Histories
from penchant.errors import ParameterError

Doubles = NDArray[np.float64]

TYPICAL = 1_000  # history lengths that stand for all
LOOKED_AT = 20_000  # histories whose distinct items are counted, at most
GROUPS = 96  # of items of about equal popularity
LENGTHS = 24  # groups of histories of similar length
ALONE = 0.999  # share of distinct events from which on there is nothing to merge
ROUNDS, ONCE = 5, 0.97  # corrections of the popularity; share of distinct events from which on nobody repeats items
EXPONENT, SPREAD = 0.9, 1.0  # of Zipf's law and of log-normal lengths, where nothing else is known


@dataclass(frozen=True, eq=False)
class LogShape:
    """What decides how much work and memory a log takes.

    ``lengths`` are the distinct items of typical histories, each standing for equally many. ``sizes`` and ``shares``
    describe groups of equally popular items, the most popular first: how many, and the share of the events each has.
    """

    events: int
    users: int  # or sessions: histories
    items: int
    lengths: Doubles  # (typical histories,) ascending
    sizes: Doubles  # (groups,)
    shares: Doubles  # (groups,)
    ratings: bool = False
    ordered: bool = True
    sessions: bool = False
    described: bool = False  # items have attributes or vectors
    contexts: bool = False  # events state contexts, or attributes of their person

    # -- making ---------------------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls, train: Histories, *, ordered: bool | None = None, sessions: bool = False, described: bool = False
    ) -> LogShape:
        """The shape of histories; at most 20,000 of them are looked at."""
        rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), LOOKED_AT)).astype(np.int64))
        some = train[rows]
        sampled = some.distinct().lengths if len(rows) else np.zeros(1)
        lengths = typical(sampled)
        if len(some.items) == sampled.sum() and len(some.items) < len(train.items):  # nobody repeats items
            lengths *= len(train.items) / max(1.0, float(lengths.mean()) * len(train))
        sizes, shares = grouped(counted(train.items, train.n_items))
        return cls(
            len(train.items), len(train), train.n_items, lengths, sizes, shares,
            train.values_are == "rating", train.ordered if ordered is None else ordered, sessions, described,
            train.context is not None and train.context.shape[1] > 0,
        )  # fmt: skip

    @classmethod
    def of_numbers(
        cls, events: float, users: float, items: float, *, ratings: bool = False, described: bool = False
    ) -> LogShape:
        """A log known by numbers alone: popularity by Zipf's law, log-normal lengths.

        Raises ``ParameterError`` for numbers below one, or not finite, and for fewer events than users.
        """
        for name, number in (("rows", events), ("users", users), ("items", items)):
            if not (np.isfinite(number) and number >= 1):
                raise ParameterError(f"{name} must be a number of at least 1, got {number:g}")
        if events < users:
            raise ParameterError(f"{events:,.0f} rows cannot have {users:,.0f} users: every user has a row")
        sizes, shares = zipf(int(items))
        normal = np.sqrt(2) * _inverse_erf(2 * (np.arange(TYPICAL) + 0.5) / TYPICAL - 1)
        drawn = np.exp(SPREAD * normal)
        drawn *= events / users / drawn.mean()
        all_events = cls(
            int(events), int(users), int(items), drawn, sizes, shares, ratings, described=described
        )  # fmt: skip
        return all_events.without_repeats()

    def without_repeats(self) -> LogShape:
        """With ``lengths``, which were those of all events, of distinct items, drawn by their popularity."""
        lengths = [(self.sizes * -np.expm1(-self.shares * length)).sum() for length in self.lengths]
        return replace(self, lengths=np.clip(lengths, min(1.0, self.items), self.items))

    def sampled(self, share: float) -> LogShape:
        """With that share of the histories."""
        return replace(
            self, events=max(1, round(share * self.events)), users=max(1, round(share * self.users)),
        )  # fmt: skip

    def of_items(self, items: int) -> LogShape:
        """With only the most popular items; the events of the others are dropped."""
        items = min(items, self.items)
        before = np.concatenate([[0.0], np.cumsum(self.sizes)])[:-1]
        sizes = np.clip(items - before, 0, self.sizes)
        kept = sizes > 0
        share = float((sizes * self.shares).sum())
        return replace(
            self, events=max(1, round(share * self.events)), items=items, sizes=sizes[kept],
            shares=self.shares[kept] / share, lengths=np.clip(self.lengths * share, 0, items),
        )  # fmt: skip

    # -- what costs depend on -------------------------------------------------------------------------------------

    @property
    def distinct(self) -> float:
        """Events, a repeated item of a history counted once."""
        return self._over(self.lengths)

    @property
    def merged(self) -> float:
        """Events of a log in which people repeat items: repeats are found and merged. 0 for any other log."""
        return 0.0 if self.distinct > ALONE * self.events else float(self.events)

    def pairs(self, most: int | None = None) -> float:
        """Σ over histories of the square of their distinct items, of the ``most`` newest."""
        return self._over(self._bounded(most) ** 2)

    def within(self, reach: int | None, most: int | None = None) -> float:
        """Ordered pairs of events of one history at most ``reach`` apart."""
        n = self._bounded(most) * max(1.0, self.events / max(self.distinct, 1.0))
        r = np.maximum(np.minimum(n - 1, np.inf if reach is None else reach), 0)
        return self._over(2 * n * r - r * (r + 1))

    def kept(self, neighbours: int | None, *, reach: int | None = None, most: int | None = None) -> float:
        """Entries of an item → item operator of at most so many neighbours an item, from pairs within ``reach``.

        Histories of the same length contain items independently of each other, popular ones more often. People have
        tastes, so that real items meet fewer others: an upper bound, and mostly a close one.
        """
        met = self._neighbours(reach, most)
        return float((self.sizes * np.minimum(met, np.inf if neighbours is None else neighbours)).sum())

    def _neighbours(self, reach: int | None, most: int | None) -> Doubles:
        """Other items that an item meets in some history, by group of items."""
        known: dict[tuple[int | None, int | None], Doubles] = vars(self).setdefault("_met", {})
        if (reach, most) not in known:
            weights, held = self._held(most)
            pairs = (weights[:, None] * held).T @ held
            if reach is not None:
                pairs *= min(1.0, self.within(reach, most) / max(self.pairs(most) - self.newest(most), 1.0))
            known[reach, most] = -np.expm1(-pairs) @ self.sizes
        return known[reach, most]

    @cached_property
    def met(self) -> float:
        """Distinct training events that a history meets when each of its events visits all those of the same item."""
        weights, held = self._held(None)
        counts = weights @ held
        return float((weights @ (held * counts) @ self.sizes) / max(self.users, 1))

    def _held(self, most: int | None) -> tuple[Doubles, Doubles]:
        """Groups of histories of similar length: how many, and the chance of each item to be in one, by group."""
        squares = np.cumsum(self._bounded(most) ** 2)
        edges = np.unique(np.searchsorted(squares, np.linspace(0, squares[-1], LENGTHS + 1)))
        edges = np.unique(np.concatenate([[0], edges[edges < len(squares)], [len(squares)]]))
        parts = [self._bounded(most)[lo:hi] for lo, hi in pairwise(edges)]
        weights = np.array([len(part) for part in parts]) * (self.users / len(squares))
        lengths = [float(np.sqrt((part**2).mean())) for part in parts]
        drawn, wanted = self.shares, self.shares * float(weights @ np.array(lengths))
        held = self._chances(np.array(lengths), drawn)
        # where nobody has an item twice, a share is that of histories that hold it: popular items are drawn more often
        for _ in range(ROUNDS if self.distinct > ONCE * self.events else 0):
            drawn = drawn * np.clip(wanted / np.maximum(weights @ held, 1e-12), 0.5, 2)
            held = self._chances(np.array(lengths), drawn)
        return weights, held

    def _chances(self, lengths: Doubles, drawn: Doubles) -> Doubles:
        """The chance of each item to be in a history of so many distinct ones: 1 − e^(−draws · drawn), by length."""
        low, high = np.full(len(lengths), 1e-9), np.full(len(lengths), 1e15)
        for _ in range(60):  # bisection, by ratio
            draws = np.sqrt(low * high)
            fewer = -np.expm1(-draws[:, None] * drawn) @ self.sizes < lengths
            low, high = np.where(fewer, draws, low), np.where(fewer, high, draws)
        everything = lengths >= 0.999 * float(self.sizes[drawn > 0].sum())
        return np.where(everything[:, None], drawn > 0, -np.expm1(-low[:, None] * drawn))

    @property
    def length(self) -> float:
        """The mean number of distinct items of a history."""
        return float(self.lengths.mean())

    @property
    def longest(self) -> float:
        """The distinct items of the longest of the typical histories."""
        return float(self.lengths[-1])

    def newest(self, most: float | None) -> float:
        """Events if histories were cut to their newest ``most``."""
        return self._over(self._bounded(most))

    def _bounded(self, most: float | None) -> Doubles:
        return self.lengths if most is None else np.minimum(self.lengths, most)

    def _over(self, values: Doubles) -> float:
        return float(values.mean() * self.users)


def typical(lengths: NDArray[np.integer] | Doubles) -> Doubles:
    """At most 1,000 lengths with the distribution of these, ascending; the mean of their squares is kept."""
    lengths = np.sort(np.asarray(lengths, dtype=np.float64))
    if len(lengths) <= TYPICAL:
        return lengths if len(lengths) else np.zeros(1)
    return np.array([float(np.sqrt((part**2).mean())) for part in np.array_split(lengths, TYPICAL)])


def grouped(counts: NDArray[np.integer] | Doubles) -> tuple[Doubles, Doubles]:
    """Sizes and shares of groups of items of about equal popularity, the most popular first."""
    counts = -np.sort(-np.asarray(counts, dtype=np.float64))
    edges = _edges(len(counts))
    total = max(float(counts.sum()), 1.0)
    sums = np.add.reduceat(counts, edges[:-1]) if len(counts) else np.zeros(0)
    sizes = np.diff(edges).astype(np.float64)
    return sizes, sums / np.maximum(sizes, 1) / total


def zipf(items: int, exponent: float = EXPONENT) -> tuple[Doubles, Doubles]:
    """The groups of a catalogue whose popularity falls as rank^(−exponent), without a list of its items."""
    edges = _edges(items).astype(np.float64)
    # the integral of rank^(-exponent), from half a rank before the first to half a rank behind the last
    of = 1 - exponent
    lo, hi = edges[:-1] + 0.5, edges[1:] + 0.5
    sums = np.log(hi / lo) if of == 0 else (hi**of - lo**of) / of
    sizes = hi - lo
    return sizes, sums / sizes / sums.sum()


def _edges(items: int) -> NDArray[np.int64]:
    """Where groups begin: single items at first, then ever more."""
    steps = np.unique(np.round(np.geomspace(1, max(items, 1) + 1, GROUPS + 1)).astype(np.int64)) - 1
    return np.unique(np.concatenate([[0], steps, [max(items, 1)]]))


def _inverse_erf(y: Doubles) -> Doubles:
    """By Winitzki's approximation, to 0.2 %: enough for quantiles of lengths."""
    a, log = 0.147, np.log(1 - y**2)
    part = 2 / (np.pi * a) + log / 2
    return np.asarray(np.sign(y) * np.sqrt(np.sqrt(part**2 - log / a) - part))
