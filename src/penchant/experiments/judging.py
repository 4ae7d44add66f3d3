"""What an experiment says so far: every arm against the first, in numbers, over time, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from penchant.core.histories import Ints
from penchant.experiments.comparing import Moments, compare
from penchant.experiments.definition import LEAST_OUTCOMES, LEAST_UNITS, Experiment, Metric
from penchant.experiments.outcomes import Outcomes, Units
from penchant.experiments.sample_ratio import ALPHA as ALARM
from penchant.experiments.sample_ratio import sample_ratio
from penchant.experiments.sequences import ALPHA

DAY = 86_400
BETTER, WORSE, OPEN, EARLY, BROKEN = "better", "worse", "cannot tell", "too early", "broken"


@dataclass(frozen=True)
class Look:
    """A comparison at the end of a day: the difference and its interval, in units of the metric."""

    day: str
    units: int
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Judged:
    """One arm against the first by one metric. ``chance`` is the p value, valid at every look, corrected by Holm over
    all comparisons of the experiment; intervals hold together for all of them."""

    arm: str
    metric: Metric
    guard: bool
    units: tuple[int, int]  # whose time is over: of the first arm, of this one
    control: float
    treatment: float
    looks: tuple[Look, ...]
    chance: float
    verdict: str

    @property
    def last(self) -> Look | None:
        """The newest look; None where no time is over."""
        return self.looks[-1] if self.looks else None


@dataclass(frozen=True)
class Report:
    """All comparisons, whether the split holds, and what to do, in words."""

    name: str
    entered: dict[str, int]
    moved: int
    split_chance: float
    judged: tuple[Judged, ...]
    words: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "experiment": self.name,
            "units": self.entered,
            "units_of_two_arms": self.moved,
            "split": {"chance": self.split_chance, "alarm": self.split_chance < ALARM},
            "comparisons": [
                {
                    "arm": one.arm, "metric": one.metric.name, "kind": one.metric.kind, "guard": one.guard,
                    "units": list(one.units), "control": one.control, "treatment": one.treatment,
                    "chance": one.chance, "verdict": one.verdict, "looks": [vars(look) for look in one.looks],
                }
                for one in self.judged
            ],
            "words": list(self.words),
        }  # fmt: skip


def judge(experiment: Experiment, found: Outcomes) -> Report:
    """What may be believed of the outcomes so far; to be asked as often as one likes.

    A comparison counts from 1,000 units and 20 outcomes an arm on. The intervals of all comparisons hold together with
    a chance of 95 % (Bonferroni), p values are Holm's. Cost: sorted units, once a metric.
    """
    tests = (len(experiment.arms) - 1) * len(experiment.metrics)
    alpha = ALPHA / tests
    shares = list(experiment.shares.values())
    split = float(sample_ratio(found.entered.astype(np.float64), shares))
    looked = [
        _looked(experiment, place, number, found.metrics[number], alpha)
        for place in range(1, len(experiment.arms))
        for number in range(len(experiment.metrics))
    ]
    corrected = holm([one.chance for one in looked])
    broken = split < ALARM
    judged = tuple(
        Judged(**{**vars(one), "chance": chance, "verdict": _verdict(one, chance, broken=broken)})
        for one, chance in zip(looked, corrected, strict=True)
    )
    entered = {arm.name: int(units) for arm, units in zip(experiment.arms, found.entered, strict=True)}
    return Report(experiment.name, entered, found.moved, split, judged, _words(experiment, entered, split, judged))


def _looked(experiment: Experiment, place: int, number: int, units: Units, alpha: float) -> Judged:
    control, treatment = units.of(0), units.of(place)
    enough = _enough(units, place)
    at = _days(units.ended)
    at = at[enough[at]] if len(at) else at
    own = (experiment.arms[0].share + experiment.arms[place].share) * experiment.planned
    said = compare(control.at(at), treatment.at(at), planned=max(own, 1.0), alpha=alpha)
    looks = tuple(
        Look(_day(int(units.ended[look])), int(control.units[look] + treatment.units[look]), float(said.difference[i]),
             float(said.low[i]), float(said.high[i]))
        for i, look in enumerate(at)
    )  # fmt: skip
    chance = float(said.chance.min()) if len(at) else 1.0
    last = len(units.arm) - 1
    return Judged(
        experiment.arms[place].name, experiment.metrics[number], number > 0,
        (int(control.units[last]), int(treatment.units[last])) if last >= 0 else (0, 0),
        _metric(control, last), _metric(treatment, last), looks, chance, OPEN,
    )  # fmt: skip


def _metric(arm: Moments, last: int) -> float:
    return float(arm.metric[last]) if last >= 0 else 0.0


def _enough(units: Units, place: int) -> np.ndarray:
    two = units.mine(0) | units.mine(place)
    enough = np.cumsum(two) >= LEAST_UNITS
    for arm in (0, place):
        enough &= np.cumsum(units.mine(arm) & (units.value != 0)) >= LEAST_OUTCOMES
    return np.asarray(enough)


def _days(ended: Ints) -> Ints:
    """The last unit of each day."""
    if not len(ended):
        return np.zeros(0, dtype=np.int64)
    days = ended // DAY
    return np.append(np.flatnonzero(np.diff(days)), len(days) - 1)


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def holm(chances: list[float]) -> list[float]:
    """S. Holm, 1979: the smallest p value times all tests, the next times one less, never falling."""
    out, worst = [1.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        worst = max(worst, min(1.0, chances[place] * (len(chances) - rank)))
        out[place] = worst
    return out


def _verdict(one: Judged, chance: float, *, broken: bool) -> str:
    if broken:
        return BROKEN
    if one.last is None:
        return EARLY
    if chance >= ALPHA:
        return OPEN
    return BETTER if one.last.difference > 0 else WORSE


def _words(
    experiment: Experiment, entered: dict[str, int], split: float, judged: tuple[Judged, ...]
) -> tuple[str, ...]:
    if split < ALARM:
        asked = ", ".join(f"{arm.name} {arm.share:.0%}" for arm in experiment.arms)
        came = ", ".join(f"{name} {units:,}" for name, units in entered.items())
        warning = f"Do not believe the numbers: the arms were asked to get {asked}, and got {came} units"
        return (f"{warning} (chance {split:.2g}). Something loses or doubles the units of an arm.",)
    words = []
    for arm in experiment.arms[1:]:
        own = [one for one in judged if one.arm == arm.name]
        main, guards = own[0], own[1:]
        harmed = [one for one in guards if one.verdict == WORSE]
        if main.verdict == EARLY:
            words.append(
                f"{arm.name}: too early. {sum(main.units):,} units have had their time; nothing is said before "
                f"{LEAST_UNITS:,}, with {LEAST_OUTCOMES} outcomes in each arm."
            )
        elif harmed:
            words.append(f"{arm.name}: stop it. {_told(main)}; but {'; '.join(_told(one) for one in harmed)}.")
        elif main.verdict == BETTER:
            words.append(f"{arm.name}: ship it. {_told(main)}.")
        elif main.verdict == WORSE:
            words.append(f"{arm.name}: stop it. {_told(main)}.")
        else:
            words.append(f"{arm.name}: cannot tell yet. {_told(main)}.")
    return tuple(words)


def _told(one: Judged) -> str:
    last = one.last
    what = one.metric.name if one.metric.kind is None else f"{one.metric.name} ({one.metric.kind})"
    if last is None:
        return f"{what} is not known yet"
    interval = f"{last.difference:+.3g} ({last.low:+.3g} to {last.high:+.3g})"
    relative = f", {last.difference / one.control:+.1%}" if one.control > 0 else ""
    return f"{what} {one.control:.4g} -> {one.treatment:.4g}, a difference of {interval}{relative}"
