"""``python -m bench experiments``: simulated experiments that are looked at all the time.

False alarms of 1,000 A/A experiments that are looked at after every hundred units, power at the effect that one look at
the end finds with power 80 %, how soon a broken split is found, and how many fewer units interleaving takes. No data is
read; every number is drawn from a stated seed. Writes ``bench/results/experiments.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import machine
from bench.duel import RESULTS
from penchant.core.metrics import Doubles
from penchant.experiments.comparing import Moments, against_zero, compare
from penchant.experiments.definition import LEAST_OUTCOMES, LEAST_UNITS
from penchant.experiments.interleaving import preference, team_draft
from penchant.experiments.planner import units_needed
from penchant.experiments.sample_ratio import ALPHA as ALARM
from penchant.experiments.sample_ratio import sample_ratio

OUT = RESULTS / "experiments.json"
RUNS, UNITS, EVERY, SEED = 1_000, 20_000, 100, 20
FALSE_ALARMS, POWER, SPLIT_UNITS = 0.06, 0.70, 20_000  # the goals
Rng = np.random.Generator


@dataclass(frozen=True)
class Metric:
    """What units do: value, base and what they did before; ``grow`` is what an arm makes of its values."""

    draw: Callable[[Rng, int], tuple[Doubles, Doubles | None, Doubles | None]]
    grow: Callable[[Rng, Doubles, Doubles | None, float], Doubles]
    base: bool = False


def _conversion(rate: float) -> Metric:
    def grow(rng: Rng, value: Doubles, base: Doubles | None, effect: float) -> Doubles:
        return np.maximum(value, rng.random(len(value)) < rate * effect / (1 - rate))

    return Metric(lambda rng, n: ((rng.random(n) < rate).astype(np.float64), None, None), grow)


def _times(rng: Rng, value: Doubles, base: Doubles | None, effect: float) -> Doubles:
    return value * (1 + effect)


def _revenue(rng: Rng, n: int) -> tuple[Doubles, None, None]:
    return (rng.random(n) < 0.05) * rng.lognormal(3.0, 1.0, n), None, None


def _clicks(rng: Rng, n: int) -> tuple[Doubles, Doubles, None]:
    """Units with 1 to 60 lists, and a liking of their own to click."""
    lists = np.minimum(rng.geometric(0.1, n), 60)
    return rng.binomial(lists, rng.beta(1.0, 9.0, n)).astype(np.float64), lists.astype(np.float64), None


def _more_clicks(rng: Rng, value: Doubles, base: Doubles | None, effect: float) -> Doubles:
    assert base is not None
    return value + rng.binomial((base - value).astype(np.int64), 0.1 * effect / 0.9)


def _known(rng: Rng, n: int) -> tuple[Doubles, None, Doubles]:
    """Spending with a habit that was seen before."""
    habit = rng.gamma(2.0, 1.0, n)
    return habit * rng.lognormal(0.0, 0.3, n), None, habit * rng.lognormal(0.0, 0.3, n)


METRICS = {
    "conversion of 10 %": _conversion(0.10),
    "conversion of 1 %": _conversion(0.01),
    "revenue, log-normal, of 5 % of the units": Metric(_revenue, _times),
    "clicks a list, 1 to 60 lists a unit": Metric(_clicks, _more_clicks),
    "spending, less what was spent before": Metric(_known, _times),
}


def looks(
    rng: Rng,
    metric: Metric,  # type: ignore[type-arg]  # of any draw
    n: int,
    effect: float,
) -> tuple[Moments, Moments, np.ndarray]:
    """Both arms after every hundred units, and at which looks each has enough of them."""
    second = rng.random(n) < 0.5
    value, base, before = metric.draw(rng, n)
    if effect:
        value = np.where(second, metric.grow(rng, value, base, effect), value)
    table = np.stack([value, np.ones(n) if base is None else base, np.zeros(n) if before is None else before], axis=1)
    starts, arms, enough = np.arange(0, n, EVERY), [], np.ones(-(-n // EVERY), dtype=np.bool_)
    for mask in (~second, second):
        own = table * mask[:, None]
        arms.append(Moments(
            np.add.reduceat(mask.astype(np.float64), starts).cumsum(),
            np.add.reduceat(own, starts).cumsum(axis=0),
            np.add.reduceat(own[:, :, None] * own[:, None, :], starts).cumsum(axis=0),
        ))  # fmt: skip
        enough &= np.add.reduceat(mask & (value != 0), starts).cumsum() >= LEAST_OUTCOMES
    enough &= arms[0].units + arms[1].units >= LEAST_UNITS
    return arms[0], arms[1], enough


def found(rng: Rng, metric: Metric, n: int, effect: float, planned: float) -> int | None:
    """After how many units an experiment says that there is a difference; None if it never does."""
    control, treatment, enough = looks(rng, metric, n, effect)
    said = compare(control, treatment, planned=planned)
    told = ((said.low > 0) | (said.high < 0)) & enough
    return (int(np.argmax(told)) + 1) * EVERY if told.any() else None


def moments_of(metric: Metric, effect: float = 0.0) -> tuple[float, float, float]:
    """The mean of the first arm, the standard deviation of a unit's share in it over both arms, of which the second has
    the effect, and the share of variance that is left after what was before."""
    rng = np.random.default_rng(SEED - 1)
    value, base, before = metric.draw(rng, 400_000)
    second = np.arange(len(value)) >= len(value) // 2
    if effect:
        value = np.where(second, metric.grow(rng, value, base, effect), value)
    arms = [Moments.of(value, base, before, own=own).at(-1) for own in (~second, second)]
    said = compare(arms[0], arms[1], planned=len(value))
    spreads = [np.einsum("i,ij,j->", arm.direction(), arm.covariance(), arm.direction()) for arm in arms]
    return float(arms[0].metric), float(np.sqrt(np.mean(spreads))), float(said.kept)


def tests(name: str, metric: Metric, runs: int) -> dict[str, Any]:
    """False alarms over ``UNITS`` units, and power within twice what one look at the end would take."""
    rng = np.random.default_rng([SEED, *name.encode()])
    false = sum(found(rng, metric, UNITS, 0.0, UNITS / 2) is not None for _ in range(runs))
    mean, spread, kept = moments_of(metric)
    effect = 2.8 * spread * float(np.sqrt(kept)) * 2 / (mean * float(np.sqrt(UNITS / 2)))  # one look: about half
    mean, spread, kept = moments_of(metric, effect)  # an effect changes the spread, too
    needed = units_needed(mean, spread, effect, kept=kept)
    after = [found(rng, metric, 2 * needed.fixed, effect, needed.units) for _ in range(runs)]
    units = [one for one in after if one is not None]
    return {
        "false_alarms": false / runs, "effect": effect, "fixed_units": needed.fixed, "planned_units": needed.units,
        "power": len(units) / runs, "median_units": float(np.median(units)), "variance_kept": kept,
    }  # fmt: skip


def splits(runs: int) -> dict[str, Any]:
    """How often a split of 52 to 48 is found within 20,000 units, and how often one of 50 to 50 is said to be wrong."""
    out: dict[str, Any] = {}
    for name, share in (("52:48", 0.52), ("50:50", 0.5)):
        rng, after = np.random.default_rng(SEED), list[int]()
        for _ in range(runs):
            first = np.add.reduceat(rng.random(SPLIT_UNITS) < share, np.arange(0, SPLIT_UNITS, EVERY)).cumsum()
            units = np.arange(EVERY, SPLIT_UNITS + 1, EVERY)
            alarms = sample_ratio(np.stack([first, units - first], axis=1), [0.5, 0.5]) < ALARM
            if alarms.any():
                after.append((int(np.argmax(alarms)) + 1) * EVERY)
        out[name] = {"found": len(after) / runs, "median_units": float(np.median(after)) if after else None}
    return out


def _clicked(rng: Rng, ranking: list[int], likes: Doubles) -> set[int]:
    """Positions are looked at with chance .9^position."""
    seen = 0.9 ** np.arange(len(ranking))
    return {
        item
        for item, roll, chance in zip(ranking, rng.random(len(ranking)), seen * likes[ranking], strict=True)
        if roll < chance
    }


def interleaved(runs: int, *, n: int, better: float | None, k: int = 10, items: int = 30) -> dict[str, Any]:
    """Units until interleaving and until A/B tell two rankings apart.

    The first orders items by what they are liked, with noise; the second has less of the same noise by the share
    ``better``, or is the same ranking where that is None. Each unit asks for one list, with likings of its own.
    """
    rng, after = np.random.default_rng(SEED + 1), {"interleaving": list[float](), "A/B": list[float]()}
    for _ in range(runs):
        liked = rng.beta(1.0, 8.0, items)
        noise = 0.1 * rng.standard_normal(items)
        orders = [np.argsort(-(liked + share * noise))[:k].tolist() for share in (1.0, 1.0 - (better or 0.0))]
        votes, clicks, second = np.zeros(n), np.zeros(n), rng.random(n) < 0.5
        names = [[str(item) for item in order] for order in orders]
        for unit in range(n):
            likes = np.clip(liked + 0.05 * rng.standard_normal(items), 0.0, 1.0)
            drafted = team_draft(names[0], names[1], k, rng.random(k) < 0.5)
            votes[unit] = preference(drafted, {str(i) for i in _clicked(rng, [int(i) for i in drafted.items], likes)})
            clicks[unit] = len(_clicked(rng, orders[int(second[unit])], likes))
        at = np.arange(EVERY - 1, n, EVERY)
        first, other = (Moments.of(clicks, own=own).at(at) for own in (~second, second))
        told = {
            "interleaving": against_zero(Moments.of(votes).at(at), planned=n / 2),
            "A/B": compare(first, other, planned=n / 2),
        }
        for name, said in told.items():
            says = (said.low > 0) | (said.high < 0)
            after[name].append((int(np.argmax(says)) + 1) * EVERY if says.any() else np.inf)
    return {
        name: {"found": float(np.isfinite(units).mean()), "median_units": float(np.median(units))}
        for name, units in after.items()
    }


def work() -> int:
    """Run every simulation, print the table and the goals, and write the result; returns the number of missed goals."""
    metrics = {}
    for name, metric in METRICS.items():
        metrics[name] = one = tests(name, metric, RUNS)
        print(f"{name}: false alarms {one['false_alarms']:.1%}, power {one['power']:.1%}, half find it after "
              f"{one['median_units']:,.0f} units, one look takes {one['fixed_units']:,}", flush=True)  # fmt: skip
    shares = splits(RUNS)
    same = interleaved(200, n=3_000, better=None)
    print(
        f"52:48 found {shares['52:48']['found']:.1%}, 50:50 said to be wrong {shares['50:50']['found']:.1%}", flush=True
    )
    rankings = interleaved(40, n=20_000, better=0.3)
    print(f"two rankings: {rankings}; equal ones: {same}")
    goals = [
        *({"text": f"{name}: share of false alarms", "value": one["false_alarms"], "limit": FALSE_ALARMS,
           "at_least": False} for name, one in metrics.items()),
        *({"text": f"{name}: power within twice the units of one look", "value": one["power"], "limit": POWER,
           "at_least": True} for name, one in metrics.items()),
        {"text": "a split of 52 to 48 found within 20,000 units, share of runs", "value": shares["52:48"]["found"],
         "limit": 0.95, "at_least": True},
        {"text": "a split of 50 to 50 said to be wrong, share of runs", "value": shares["50:50"]["found"],
         "limit": ALARM, "at_least": False},
        {"text": "interleaving of equal rankings, share of false alarms", "value": same["interleaving"]["found"],
         "limit": FALSE_ALARMS, "at_least": False},
    ]  # fmt: skip
    for goal in goals:
        goal["met"] = goal["value"] >= goal["limit"] if goal["at_least"] else goal["value"] <= goal["limit"]
        print(f"{goal['text']}: {goal['value']:.3g} ({'met' if goal['met'] else 'MISSED'}, limit {goal['limit']})")
    OUT.write_text(json.dumps({
        "command": "python -m bench experiments", "runs": RUNS, "units": UNITS, "looks_every": EVERY, "seed": SEED,
        "metrics": metrics, "splits": shares, "rankings": rankings, "equal_rankings": same, "goals": goals,
        "machine": machine.describe(), "versions": machine.versions("penchant", "numpy", "scipy"),
    }, indent=1) + "\n")  # fmt: skip
    return sum(not goal["met"] for goal in goals)


def section(
    table: Callable[..., str], where: Callable[[dict[str, Any]], str], goals: Callable[[Iterable[dict[str, Any]]], str]
) -> str:
    """The section of ``docs/benchmarks.md``."""
    if not OUT.exists():
        return ""
    found = json.loads(OUT.read_text())
    about = (
        f"{found['runs']:,} simulated experiments each, of {found['units']:,} units, looked at after every "
        f"{found['looks_every']}. *One look* is how many units a test takes that is looked at once, at the end, and "
        "finds the effect with power 80 %.\n"
    )
    rows = [
        (
            name,
            f"{one['false_alarms']:.1%}",
            f"{one['power']:.1%}",
            f"{one['median_units']:,.0f}",
            f"{one['fixed_units']:,}",
        )
        for name, one in found["metrics"].items()
    ]
    head = ("metric", "false alarms", "power within twice one look", "median units", "one look")
    draft, split = found["rankings"], found["splits"]["52:48"]
    words = (
        f"A split of 52 to 48 is found in {split['found']:.1%} of the runs, half of them within "
        f"{split['median_units']:,.0f} units. Two rankings are told apart after "
        f"{draft['interleaving']['median_units']:,.0f} "
        f"units by interleaving, and after {draft['A/B']['median_units']:,.0f} by an A/B test (medians).\n"
    )
    return "\n".join(
        [
            "## Experiments\n",
            about,
            table(head, rows),
            words,
            goals(found["goals"]),
            f"`{found['command']}`; {where(found['machine'])}.\n",
        ]
    )
