"""The verdict: which models beat which, which one to take, and which are not worth their cost.

A model beats another where the 95 % interval of the paired difference (bootstrap over users, the same draws for all
models) lies above zero. A network or a second stage that does not beat every baseline is not worth its cost: Ferrari
Dacrema, Cremonesi and Jannach (2019) found that most published networks lost to tuned classical models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penchant.core.log_shape import LogShape
from penchant.core.memory import fits
from penchant.core.metrics import Doubles
from penchant.evaluation.bootstrap import ends
from penchant.evaluation.result import Result
from penchant.models.registry import MODELS, create, model_class
from penchant.planning.estimate import estimate
from penchant.planning.machine import this_machine

if TYPE_CHECKING:
    from rich.console import RenderableType

BASELINES = ("popular", "item-knn", "transitions", "ease", "als")
RATING_BASELINES = ("bias", "item-knn", "svd")
RANKERS = "penchant.ranking."  # the modules of second stages
OF_ORDER = "transitions"  # needs an order of events
LONGEST_FIT = 3600.0  # seconds; the verdict asks for no baseline that takes longer
RULE = "a model beats another where the 95 % interval of the paired difference lies above 0"


@dataclass(frozen=True)
class Difference:
    """A model's mean minus that of another (of errors the other way round), with its 95 % interval."""

    other: str  # its label
    mean: float
    low: float
    high: float

    @property
    def beats(self) -> bool:
        """Whether the model is above the other beyond noise."""
        return self.low > 0

    @property
    def beaten(self) -> bool:
        """Whether the model is below the other beyond noise."""
        return self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"

    def to_json(self) -> dict[str, Any]:
        return {"label": self.other, "difference": {"mean": self.mean, "low": self.low, "high": self.high}}


@dataclass(frozen=True)
class Standing:
    """One model against all others.

    ``worth_it`` says whether it beats every baseline. It is None for a baseline, and for a model that beats all
    baselines so far while others are missing.
    """

    label: str
    baseline: bool
    deep: bool
    value: float
    against: Sequence[Difference]  # the best model first
    not_beaten: Sequence[str]  # baselines it does not beat, of several of one name the best
    worth_it: bool | None
    fit_seconds: float
    answer_ms: float | None
    size_mib: float
    ranker: bool = False  # a second stage over other models

    @property
    def unworthy(self) -> bool:
        """Whether it is a network or a second stage that does not beat every baseline."""
        return (self.deep or self.ranker) and self.worth_it is False

    @property
    def beats(self) -> list[str]:
        return [one.other for one in self.against if one.beats]

    @property
    def beaten_by(self) -> list[str]:
        return [one.other for one in self.against if one.beaten]

    @property
    def cost(self) -> str:
        """Fit, answer and size in words."""
        answer = "" if self.answer_ms is None else f"{self.answer_ms:.1f} ms an answer, "
        return f"{self.fit_seconds:.1f} s to fit, {answer}{self.size_mib:.1f} MiB"

    @property
    def role(self) -> str:
        """What the table says of the model beside who beats whom."""
        if self.baseline:
            return "baseline"
        if self.worth_it:
            return "worth it"
        return "not worth it" if self.unworthy else ""

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "baseline": self.baseline,
            "deep": self.deep,
            "ranker": self.ranker,
            "worth_it": self.worth_it,
            "beats": self.beats,
            "beaten_by": self.beaten_by,
            "does_not_beat": list(self.not_beaten),
            "against": [difference.to_json() for difference in self.against],
            "fit_seconds": round(self.fit_seconds, 4),
            "answer_ms": None if self.answer_ms is None else round(self.answer_ms, 3),
            "size_mib": round(self.size_mib, 3),
        }


@dataclass(frozen=True)
class Verdict:
    """Every model against every other; ``take`` is the one to use."""

    metric: str
    baselines: Sequence[str]  # labels, the best first; of several of one name the best
    models: Sequence[Standing]  # the best first
    missing: Sequence[str] = ()  # names of baselines that were not asked for
    refused: Sequence[str] = ()  # labels of baselines that could not be fitted
    untuned: Sequence[str] = ()  # labels of baselines at their defaults
    out_of_reach: Sequence[str] = ()  # names of baselines that this log makes too large

    def __getitem__(self, label: str) -> Standing:
        """The row of one model, by its label."""
        for model in self.models:
            if model.label == label:
                return model
        raise KeyError(f"{label!r}: the models are " + ", ".join(one.label for one in self.models))

    @property
    def take(self) -> Standing:
        """The best model; a network or second stage that is not worth its cost is passed over."""
        return next((one for one in self.models if not one.unworthy), self.models[0])

    @property
    def says(self) -> str:
        """Which model to take, and what it costs, in one sentence."""
        take, best = self.take, self.models[0]
        said = f"take {take.label}: "
        if take is best:
            said += f"the best by {self.metric} ({take.value:.4f}), {take.cost}"
        else:
            said += f"{self.metric} {take.value:.4f}, {take.cost}; {best.label} ({best.value:.4f}) does not beat every "
            said += f"baseline and costs {best.cost}"
        beaten = {take.label, *take.beats}
        near = [one for one in self.models if one.label not in beaten and not one.deep]
        return said + (f"; within noise of it: {_listed(one.label for one in near)}" if near else "")

    def to_json(self) -> dict[str, Any]:
        """The ``verdict`` of the evaluation's JSON."""
        return {
            "metric": self.metric,
            "take": self.take.label,
            "says": self.says,
            "baselines": list(self.baselines),
            "missing": list(self.missing),
            "refused": list(self.refused),
            "out_of_reach": list(self.out_of_reach),
            "untuned": list(self.untuned),
            "models": [model.to_json() for model in self.models],
        }

    def parts(self) -> list[RenderableType]:
        """What ``rich`` prints below the table of numbers: what to take, a row per model, remarks."""
        from penchant.evaluation.table import Folding

        best = self.models[0]
        rows, order = [], [model.label for model in self.models]
        for place, model in enumerate(self.models):
            to_best = next((str(one) for one in model.against if one.other == best.label), "")
            answer = "–" if model.answer_ms is None else f"{model.answer_ms:.1f}"
            below, above = _names(model.beats, order, place), _names(model.beaten_by, order, place)
            costs = (f"{model.fit_seconds:.1f}", answer, f"{model.size_mib:.1f}")
            rows.append([model.label, below, above, to_best, *costs, model.role])
        head = ("model", "beats", "beaten by", f"{self.metric} to the best", "fit s", "answer ms", "saved MiB", "")
        table = Folding(head, rows, folded=(0, 1, 2), optional=(3,), right=(3, 4, 5, 6))
        return [self.says, table, f"verdict by {self.metric}: {RULE}", *self.remarks()]

    def remarks(self) -> list[str]:
        """What makes the verdict weaker than it looks."""
        out = []
        if self.missing:
            asked = " ".join(f"-m {name}" for name in self.missing)
            out.append(f"  not compared with {_listed(self.missing)}: add {asked} before you trust a model")
        if self.refused:
            out.append(f"  could not be fitted here, so no model had to beat it: {_listed(self.refused)}")
        if self.out_of_reach:
            out.append(f"  too large for this machine, so no model had to beat it: {_listed(self.out_of_reach)}")
        if self.untuned and len(self.models) > len(self.untuned):
            out.append(
                f"  at its defaults: {_listed(self.untuned)}; tune a baseline before you hold a model against it "
                "(penchant tune NAME -o FILE.json, then -m @FILE.json)"
            )
        return out


def judge(
    results: Sequence[Result],
    drawn: Doubles,
    metric: str,
    *,
    lower_is_better: bool = False,
    baselines: Sequence[str] = BASELINES,
    ordered: bool = True,
    n_items: int = 0,
    refused: Mapping[str, str] | None = None,
) -> Verdict | None:
    """The verdict on ``results``, whose bootstrap means of the metric are the columns of ``drawn`` (draws, models).

    ``baselines`` are the names of the models that others have to beat. Those that cannot be had here are not missed:
    ``transitions`` on a log without order (``ordered``), ``ease`` over more items (``n_items``) than memory or an hour
    allow. ``refused`` are the models that could not be fitted, their names by their labels. None where no model has
    the metric.
    """
    sign = -1.0 if lower_is_better else 1.0
    values = {n: sign * mean for n, one in enumerate(results) if (mean := one.metrics[metric].mean) is not None}
    if not values:
        return None
    in_order = sorted(values, key=lambda n: -values[n])  # equal ones stay in the order they were asked in
    best: dict[str, int] = {}
    for n in in_order:
        if results[n].name in baselines:
            best.setdefault(results[n].name, n)
    gone = {label: name for label, name in (refused or {}).items() if name in baselines and name not in best}
    unasked = [name for name in baselines if name not in {*best, *gone.values()}]
    unasked = [name for name in unasked if ordered or name != OF_ORDER]
    far = [name for name in unasked if name == "ease" and not ease_in_reach(n_items)]
    missing = [name for name in unasked if name not in far]
    rows = []
    for n in in_order:
        against = {
            other: _difference(results[other].label, values[n] - values[other], sign * (drawn[:, n] - drawn[:, other]))
            for other in in_order
            if other != n
        }
        baseline = results[n].name in baselines
        unbeaten = [results[b].label for b in best.values() if b != n and not against[b].beats]
        worth = None if baseline or (not unbeaten and (missing or not best)) else not unbeaten
        rows.append(
            Standing(
                results[n].label, baseline, is_deep(results[n].name, results[n].params), sign * values[n],
                list(against.values()), unbeaten, worth, results[n].fit_seconds, results[n].answer_ms,
                results[n].size_mib, is_ranker(results[n].name),
            )
        )  # fmt: skip
    at_defaults = [results[n].label for n in best.values() if _is_at_defaults(results[n])]
    return Verdict(metric, [results[n].label for n in best.values()], rows, missing, list(gone), at_defaults, far)


def _difference(label: str, mean: float, drawn: Doubles) -> Difference:
    return Difference(label, float(mean), *ends(drawn))


def ease_in_reach(n_items: int) -> bool:
    """Whether memory and an hour are enough for the dense solution of ``ease`` over so many items."""
    model, log, machine = (
        create("ease"),
        LogShape.of_numbers(max(n_items, 1), 1, max(n_items, 1)),
        this_machine(calibrate=False),
    )
    took = estimate(model, log, machine)
    return took is not None and fits(round(took.working)) and machine.wall(took.fit_seconds) <= LONGEST_FIT


def is_deep(name: str, params: dict[str, Any]) -> bool:
    """Whether a model, or one inside it, is a neural one."""
    inner = params.get("members") or ()
    return (name in MODELS and MODELS[name].extra == "neural") or any(
        is_deep(one["model"], one.get("params", {})) for one in inner if isinstance(one, dict) and "model" in one
    )


def is_ranker(name: str) -> bool:
    """Whether a model is a second stage."""
    return name in MODELS and MODELS[name].module.startswith(RANKERS)


def _is_at_defaults(result: Result) -> bool:
    """Whether nothing that the tuner searches differs from its default."""
    if result.name not in MODELS:
        return False
    fields = [f for f in model_class(result.name).hyper_parameters() if f.metadata["hyper"]["space"] is not None]
    return bool(fields) and all(result.params.get(f.name, ...) == f.default for f in fields)


def _names(others: list[str], order: list[str], place: int) -> str:
    """Labels in words: short where they are one end of the order of all models, as they mostly are."""
    if not others:
        return "–"
    size = len(others)
    if size > 1 and others == order[-size:]:
        return "all below" if len(order) - size == place + 1 else f"{others[0]} and below"
    if size > 1 and others == order[:size]:
        return "all above" if size == place else f"{others[-1]} and above"
    return ", ".join(others)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
