"""What an experiment is: arms with shares, a unit, a metric, what must not get worse, when it runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penchant.core.settings import parse_span
from penchant.errors import ParameterError

LEAST_UNITS = 1_000  # before which nothing is said, in all arms together
LEAST_OUTCOMES = 20  # and with any outcome, in each arm
PLANNED = 20_000  # units for which the intervals are narrowest, unless the experiment says it
UNITS = ("user", "session")
METRICS = ("conversion", "revenue", "click-through")
_ARM = {"name", "share", "placement", "model", "interleave"}
_METRIC = {"name", "kind", "within"}
_ALL = {"arms", "unit", "metric", "guards", "placement", "start", "stop", "group", "planned", "before"}


@dataclass(frozen=True)
class Arm:
    """One way to answer: another placement or another model; neither means as it is without the experiment."""

    name: str
    share: float
    placement: str | None = None
    model: str | None = None
    interleave: str | None = None  # a model whose ranking is drafted into one list with that of ``model``


@dataclass(frozen=True)
class Metric:
    """What is counted of a unit from its first list on: ``conversion`` is whether there is an event of the kind,
    ``revenue`` the sum of their values, ``click-through`` clicked items to items shown."""

    name: str
    kind: str | None  # of events; None for click-through
    within: int  # seconds after the first list; only units whose time is over count


@dataclass(frozen=True)
class Experiment:
    """See ``parse`` for the words of each field."""

    name: str
    arms: tuple[Arm, ...]
    placement: str
    unit: str
    metric: Metric
    guards: tuple[Metric, ...]
    start: int  # unix seconds
    stop: int | None
    group: str | None  # experiments of one group never share a unit
    planned: int
    before: int  # seconds before the first list that are taken off

    @property
    def shares(self) -> dict[str, float]:
        """The share of each arm, in their order."""
        return {arm.name: arm.share for arm in self.arms}

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metric and the guards."""
        return (self.metric, *self.guards)


def parse(name: str, given: Mapping[str, Any]) -> Experiment:
    """An experiment as TOML or JSON has it.

    ``arms`` is a list of ``{name, share, placement | model}``, the first being the control, ``metric`` and each of
    ``guards`` ``{name, kind, within}``, ``start`` and ``stop`` times with a zone. Raises ``ParameterError`` that names
    the experiment, the field, and for an unknown word the nearest known one.
    """
    where = f"experiment {name!r}"
    _only(where, given, _ALL)
    _texts(where, given, ("unit", "placement", "group"))
    unit = given.get("unit", "user")
    if unit not in UNITS:
        raise ParameterError(f"{where}: unit is {' or '.join(UNITS)}, not {unit!r}")
    start, stop = _moment(where, "start", given.get("start")), _moment(where, "stop", given.get("stop"))
    if start is None:
        raise ParameterError(f"{where}: start is needed, a time with a zone (2026-12-01T00:00:00Z)")
    if stop is not None and stop <= start:
        raise ParameterError(f"{where}: stop lies after start")
    planned = given.get("planned", PLANNED)
    if not isinstance(planned, int) or isinstance(planned, bool) or planned < LEAST_UNITS:
        raise ParameterError(f"{where}: planned is a number of units of at least {LEAST_UNITS:,}, not {planned!r}")
    guards = given.get("guards", [])
    if not isinstance(guards, list):
        raise ParameterError(f"{where}: guards is a list of metrics")
    return Experiment(
        name=name,
        arms=_arms(where, given.get("arms")),
        placement=given.get("placement", "default"),
        unit=unit,
        metric=_metric(where, "metric", given.get("metric")),
        guards=tuple(_metric(where, f"guards[{place}]", one) for place, one in enumerate(guards)),
        start=start,
        stop=stop,
        group=given.get("group"),
        planned=planned,
        before=_span(where, "before", given.get("before", "28d")) or 0,
    )


def _arms(where: str, given: Any) -> tuple[Arm, ...]:
    if not isinstance(given, list) or len(given) < 2:
        raise ParameterError(f"{where}: arms is a list of at least two, the first being what there is today")
    arms = []
    for place, one in enumerate(given):
        here = f"{where}: arms[{place}]"
        if not isinstance(one, Mapping):
            raise ParameterError(f"{here} is a table of name and share")
        _only(here, one, _ARM)
        _texts(here, one, ("name", "placement", "model", "interleave"))
        name, share = one.get("name"), one.get("share")
        if not name or "/" in name:
            raise ParameterError(f"{here}: name is a text without a slash")
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise ParameterError(f"{here}: share lies in (0, 1], not {share!r}")
        if one.get("placement") and one.get("model"):
            raise ParameterError(f"{here}: placement and model exclude each other")
        arms.append(Arm(name, float(share), one.get("placement"), one.get("model"), one.get("interleave")))
    if len({arm.name for arm in arms}) < len(arms):
        raise ParameterError(f"{where}: two arms have one name")
    total = sum(arm.share for arm in arms)
    if abs(total - 1) > 1e-9:
        raise ParameterError(f"{where}: the shares of the arms sum to {total:g}, not to 1")
    return tuple(arms)


def _metric(where: str, field: str, given: Any) -> Metric:
    here = f"{where}: {field}"
    if not isinstance(given, Mapping):
        raise ParameterError(f'{here} is a table such as {{name = "conversion", kind = "purchase", within = "7d"}}')
    _only(here, given, _METRIC)
    name, kind = given.get("name"), given.get("kind")
    if name not in METRICS:
        raise ParameterError(f"{here}: name is {', '.join(METRICS)}, not {name!r}")
    if name == "click-through":
        if kind is not None:
            raise ParameterError(f"{here}: click-through counts clicks; it takes no kind")
    elif not isinstance(kind, str) or not kind:
        raise ParameterError(f'{here}: {name} needs the kind of its events, such as kind = "purchase"')
    within = _span(where, f"{field}.within", given.get("within", "7d"))
    if within is None:
        raise ParameterError(f"{here}: within is above 0: outcomes need a time to happen in")
    return Metric(name, kind, within)


def _only(where: str, given: Mapping[str, Any], known: set[str]) -> None:
    for word in given:
        if word not in known:
            near = difflib.get_close_matches(word, sorted(known), 1)
            raise ParameterError(f"{where}: {word!r} is unknown" + (f": did you mean {near[0]!r}?" if near else ""))


def _texts(where: str, given: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if given.get(name) is not None and not isinstance(given[name], str):
            raise ParameterError(f"{where}: {name} is a text, not {given[name]!r}")


def _span(where: str, field: str, given: Any) -> int | None:
    if not isinstance(given, str):
        raise ParameterError(f'{where}: {field} is a time such as "7d", not {given!r}')
    try:
        return parse_span(field, given)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from None


def _moment(where: str, field: str, given: Any) -> int | None:
    """Unix seconds of a TOML time or an ISO 8601 text; both need a zone."""
    if given is None:
        return None
    try:
        moment = given if isinstance(given, datetime) else datetime.fromisoformat(given)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ParameterError(
            f"{where}: {field} is a time with a zone, such as 2026-12-01T00:00:00Z, not {str(given)!r}"
        )
    return int(moment.timestamp())
