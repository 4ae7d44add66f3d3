"""From candidates to a list: standardise, boost, solve, and say which rules moved what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from penchant.core.histories import Floats, Ints
from penchant.placements.compiled import Compiled
from penchant.placements.exact import solve_exactly
from penchant.placements.problem import Problem, solve_greedily

WIDER = 4  # times more candidates where the rules cannot be kept with those at hand
EXACT_MOST = 2000  # candidates that the exact solver takes
SMALL = 64  # candidates of which the exact solver looks again where the greedy one finds no full list
LIST = tuple[Ints, Floats]
More = Callable[[int], LIST]  # so many candidates by the model, best first


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates of one answer in the order of the model, and those of the fallback chain after them."""

    items: Ints
    scores: Floats  # of the model
    z: Floats  # standardised
    merit: Floats  # z and boosts
    base: int  # candidates of the model
    sources: dict[int, str] = field(default_factory=dict)  # item: the fallback that it comes from

    def sorted(self) -> Ints:
        """The places by merit, the best first; equal ones stay in the order of the model."""
        return np.argsort(-self.merit, kind="stable").astype(np.int32)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A list by a placement: item positions with the scores of the model."""

    items: list[int]
    scores: list[float]
    told: Callable[[], list[tuple[str, ...]]] = field(repr=False)  # works out ``rules``
    loosened: list[str] = field(default_factory=list)  # what could not be kept, and what would let it
    chances: list[float] | None = None  # of each item at its position, given those before it
    sources: dict[int, str] = field(default_factory=dict)
    total: float = 0.0  # the sum of the merits

    @property
    def rules(self) -> list[tuple[str, ...]]:
        """The rules that moved each item."""
        return self.told()


def standardised(scores: Floats, base: Floats) -> Floats:
    """Scores less the mean of ``base``, divided by its deviation; where all are equal, the order counts."""
    wide = base.astype(np.float64)
    mean, spread = float(wide.mean()), float(wide.std())
    if not spread > 1e-12 * max(1.0, abs(mean)):
        places = np.arange(len(base), dtype=np.float64)
        mean, spread = float(places.mean()), float(places.std()) or 1.0
        return ((mean - np.arange(len(scores))) / spread).astype(np.float32)
    return ((scores.astype(np.float64) - mean) / spread).astype(np.float32)


def pool_of(compiled: Compiled, ranked: LIST, base: int, rest: list[tuple[str, LIST]], pins: Ints) -> Pool:
    """Candidates with their merit. ``base`` of them standardise; ``rest`` are the lists of the fallback chain, each
    below everything before it. ``pins`` that are none of these come last, with the score 0."""
    items, scores = ranked
    n = len(items)
    z = standardised(scores, scores[:base]) if n else np.zeros(0, np.float32)
    sources: dict[int, str] = {}
    known = set(items.tolist())
    for name, (listed, listed_scores) in rest:
        fresh = np.array([at not in known for at in listed.tolist()], np.bool_)
        more, more_scores = listed[fresh], listed_scores[fresh]
        floor = (float(z.min()) if len(z) else 0.0) - 1.0
        z = np.concatenate([z, (floor - np.arange(len(more)) / max(1, len(more))).astype(np.float32)])
        items, scores = np.concatenate([items, more]), np.concatenate([scores, more_scores]).astype(np.float32)
        known.update(more.tolist())
        sources |= dict.fromkeys(more.tolist(), f"fallback {name}")
    absent = np.array([at for at in pins.tolist() if at not in known], np.int32)
    if len(absent):
        floor = (float(z.min()) if len(z) else 0.0) - 2.0
        z = np.concatenate([z, np.full(len(absent), floor, np.float32)])
        items = np.concatenate([items, absent])
        scores = np.concatenate([scores, np.zeros(len(absent), np.float32)]).astype(np.float32)
    items = items.astype(np.int32)
    merit = z if compiled.added is None else z + compiled.added[items]
    return Pool(items, scores, z, merit.astype(np.float32), n, sources)


def choose(
    compiled: Compiled, ranked: LIST, more: More | None, chain: Callable[[], list[tuple[str, LIST]]], now: float,
    pins: Ints,
    step: Callable[[Problem], tuple[Ints, list[float] | None]] | None = None,
) -> Chosen:  # fmt: skip
    """The list of one answer from its candidates by the model, best first.

    ``more`` gives more of them where these do not do, ``chain`` the lists of the fallbacks where the model has no more.
    ``pins`` are the pinned items that may be shown.
    ``step`` makes the list item by item instead of the solver.
    """
    base, rest, wanted = len(ranked[0]), list[tuple[str, LIST]](), len(ranked[0])
    chained = False
    while True:
        pool = pool_of(compiled, ranked, min(base, compiled.placement.candidates), rest, pins)
        order = pool.sorted()
        problem = problem_of(compiled, pool, order, now)
        places, unmet = solved(compiled, problem)
        ends = more is None or len(ranked[0]) < wanted or wanted >= compiled.size
        if len(places) == problem.k and not unmet.any() and (ends or enough(compiled, pool, problem, places)):
            break
        if not ends:
            assert more is not None  # there may be more
            wanted = min(compiled.size, max(wanted, compiled.placement.k) * WIDER)
            ranked = more(wanted)
            if base == 0:
                base = len(ranked[0])
        elif not chained and (len(places) < problem.k or unmet.any()):
            rest, chained = chain(), True
        else:
            break
    chances: list[float] | None = None
    if step is not None:
        places, chances = step(problem)
    chosen = order[places]
    return Chosen(
        pool.items[chosen].tolist(), pool.scores[chosen].tolist(),
        lambda: moved(compiled, pool, places, problem), loosening(compiled, problem, places, now), chances,
        pool.sources, float(problem.merit[places].sum()),
    )  # fmt: skip


def problem_of(compiled: Compiled, pool: Pool, order: Ints, now: float) -> Problem:
    """The problem of a pool, its best merit first."""
    return Problem(
        np.ascontiguousarray(pool.items[order]), np.ascontiguousarray(pool.merit[order]), compiled.counters,
        compiled.placement.k, compiled.pinned(now),
    )  # fmt: skip


def enough(compiled: Compiled, pool: Pool, problem: Problem, places: Ints) -> bool:
    """Whether no boost could lift an item that is no candidate above those chosen for their merit: all but pins, and
    what meets a ``least`` that is just met."""
    if compiled.most_added <= 0 or not pool.base:
        return True
    c, pinned = compiled.counters, set(problem.pinned.tolist())
    used = filled(compiled, problem.items[places])
    tight = (c.least > 0) & (used <= c.least)
    free = [
        at for at in places.tolist()
        if (item := int(problem.items[at])) not in pinned and not tight[c.of[c.indptr[item] : c.indptr[item + 1]]].any()
    ]  # fmt: skip
    floor = min((float(problem.merit[at]) for at in free), default=np.inf)
    return float(pool.z[: pool.base].min()) + compiled.most_added <= floor + 1e-6


def filled(compiled: Compiled, items: Ints) -> Ints:
    """How often each counter is filled by some items."""
    c = compiled.counters
    used = np.zeros(len(c.most), np.int32)
    for item in items.tolist():
        used[c.of[c.indptr[item] : c.indptr[item + 1]]] += 1
    return used


def solved(compiled: Compiled, problem: Problem) -> tuple[Ints, Ints]:
    """The places of the best list that the solvers find, and how many items each ``least`` lacks."""
    places, unmet = solve_greedily(problem)
    short = len(places) < min(problem.k, len(problem.items)) or bool(unmet.any())
    most = EXACT_MOST if compiled.placement.solver == "exact" else SMALL if short else 0
    if len(problem.items) <= most:
        proved = solve_exactly(problem)
        if proved is not None:
            return proved, np.zeros_like(unmet)
    return places, unmet


def moved(compiled: Compiled, pool: Pool, places: Ints, problem: Problem) -> list[tuple[str, ...]]:
    """The rules that moved each item of a list."""
    c, placement = compiled.counters, compiled.placement
    pins = {item: name for _, item, name, _ in compiled.pins}
    here = {at for at in problem.pins() if at >= 0}
    listed, chosen = places.tolist(), set(places.tolist())
    used = filled(compiled, problem.items[places])
    full = (c.most >= 0) & (used >= c.most)
    ranks = {at: n for n, at in enumerate(sorted(listed))}
    last = max(listed, default=-1)
    names_of = np.array(c.names, dtype=object)
    passed: set[str] = set()  # rules that kept a better item out, down to the place at hand
    before: dict[int, tuple[str, ...]] = {}
    for at in range(last + 1):
        if at in chosen:
            before[at] = tuple(sorted(passed))
        else:
            item = int(problem.items[at])
            held = c.of[c.indptr[item] : c.indptr[item + 1]]
            passed |= set(names_of[c.rule[held[full[held]]]].tolist())
    found = []
    for n, at in enumerate(listed):
        item = int(problem.items[at])
        names = [pins[item]] if at in here and item in pins else []
        names += [boost.name for boost in compiled.boosts if boost.mask[item] and boost.by]
        if at >= placement.k:
            held = c.of[c.indptr[item] : c.indptr[item + 1]]
            names += names_of[c.rule[held[c.least[held] > 0]]].tolist()
        names += before.get(at, ())
        if compiled.stepwise and ranks[at] != n:
            rules = (placement.diversity, placement.calibrate, placement.explore)
            names += [rule.name for rule in rules if rule is not None]
        if item in pool.sources:
            names.append(pool.sources[item])
        found.append(tuple(dict.fromkeys(names)))
    return found


def loosening(compiled: Compiled, problem: Problem, places: Ints, now: float) -> list[str]:
    """What a list does not keep, and which rule to loosen."""
    found = [f"{name}: the catalogue has no such item" for name in compiled.missing]
    in_list = {int(problem.items[at]) for at in places}
    for _, item, name, until in compiled.pins:
        if item not in in_list and (until is None or now < until):
            reason = next((said for said, passed in compiled.filters if not passed[item]), "")
            found.append(
                f"{name}: left out" + (f" by {reason}: loosen it" if reason else ", another rule keeps it out")
            )
    c = compiled.counters
    used = filled(compiled, problem.items[places])
    lacking = [counter for counter in c.bounded.tolist() if used[counter] < c.least[counter]]
    short = problem.k - len(places)
    if not lacking and short <= 0:
        return found
    blame = to_loosen(compiled, problem, lacking)
    for counter in lacking:
        name = c.names[c.rule[counter]]
        found.append(f"{name}: only {used[counter]} of {c.least[counter]} could be met; loosen {blame}")
    if short > 0 and not lacking:
        found.append(f"only {len(places)} of {problem.k} items: loosen {blame}")
    return found


def to_loosen(compiled: Compiled, problem: Problem, lacking: list[int]) -> str:
    """The rules of which one alone, taken away, would let all others be kept; else what removes most items."""
    c, able = compiled.counters, []
    for number, name in enumerate(c.names):
        mine = c.rule == number
        freed = replace(
            c, most=np.where(mine, -1, c.most).astype(np.int32), least=np.where(mine, 0, c.least).astype(np.int32),
            bounded=np.flatnonzero(np.where(mine, 0, c.least)).astype(np.int32),
        )  # fmt: skip
        places, unmet = solve_greedily(replace(problem, counters=freed))
        if len(places) == problem.k and not unmet.any():
            able.append(name)
    if able:
        return " or ".join(able)
    if lacking:
        counted = np.zeros(compiled.size, np.bool_)
        starts, ends = c.indptr[:-1], c.indptr[1:]
        of = np.repeat(np.arange(compiled.size), ends - starts)
        counted[of[np.isin(c.of, lacking)]] = True
        filters = [(name, int((counted & ~passed).sum())) for name, passed in compiled.filters]
    else:
        filters = [(name, int((~passed).sum())) for name, passed in compiled.filters]
    worst = max(filters, key=lambda one: one[1], default=("", 0))
    if worst[1]:
        return worst[0]
    return c.names[c.rule[lacking[0]]] if lacking else "what the person may not see (exclude, repeat)"
