"""The plan: memory and time of reading, fitting, saving and answering, for each model, before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penchant.errors import ParameterError
from penchant.models.kinds.base import Model
from penchant.models.kinds.composite import with_members
from penchant.models.registry import MODELS, parse
from penchant.planning.advice import instead
from penchant.planning.coefficients import coefficients
from penchant.planning.estimate import BEYOND, Estimate, estimate, with_index
from penchant.planning.look import Look, look
from penchant.planning.machine import Machine, parse_machine, this_machine
from penchant.planning.result import ModelPlan, Plan, Step

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

READING = 0.4  # the share of reading that is divided among the cores


def plan(
    source: Interactions | Any = None,
    models: Model | str | Sequence[Model | str] | None = None,
    *,
    rows: float | None = None,
    users: float | None = None,
    items: float | None = None,
    machine: Machine | str | None = None,
    table: Any = None,
    index: bool = False,
    **reading: Any,
) -> Plan:
    """What models would take on a log: memory and time of every step, without doing any of it.

    ``source`` is a log that was read, or files, of which a sample is read (``reading`` are options of
    ``read_interactions``, such as ``columns``). Without a source, ``rows``, ``users`` and ``items`` describe a log that
    one does not have. ``models`` are objects or text; without any, all models that need no item table. ``machine`` is
    another machine (``"24GiB,2cores"``), as fast as this one; by default this one, which is measured once, for at most
    three seconds. ``table`` is an item table, whose items count, too. With ``index``, models that can have an
    index over their items get one, and answer from it.

    Seconds are those of the wall clock on an otherwise idle machine, without compiling, which happens once a machine.
    Raises ``ParameterError`` for numbers beside a source and for numbers that make no log, and ``DataError`` for a
    source that cannot be looked at without reading all of it.
    """
    numbers = {"rows": rows, "users": users, "items": items}
    if source is None:
        if missing := [name for name, number in numbers.items() if number is None]:
            raise ParameterError(f"name a log, or plan one by numbers: {', '.join(missing)} is missing")
        found = Look.of_numbers(float(rows or 0), float(users or 0), float(items or 0))
    elif any(number is not None for number in numbers.values()):
        raise ParameterError("rows, users and items describe a log that one does not have: leave out the log, or them")
    else:
        found = look(source, table=table, **reading)
    on = this_machine() if machine is None else parse_machine(machine) if isinstance(machine, str) else machine
    chosen = [models] if isinstance(models, (Model, str)) else list(models or everything())
    return Plan(found, on, [of_model(model, found, on, index=index) for model in chosen])


def everything() -> list[str]:
    """The registered models that need no other models to be made of."""
    return [name for name in MODELS if name != "blend"]


def of_model(model: Model | str, found: Look, machine: Machine, *, index: bool = False) -> ModelPlan:
    """The plan of one model on a log that was looked at."""
    label = model if isinstance(model, str) else model.name
    built = parse(model) if isinstance(model, str) else model
    took = estimate(built, found.shape, machine)
    if took is None:
        return ModelPlan(label, built.name, (), fits=True, notes=[f"{built.name} does not state what it costs"])
    took = with_index(took, built, found.shape, machine) if index else took
    steps = steps_of(built, took, found, machine)
    most = max(step.bytes for step in steps)
    fits = machine.usable is None or most <= machine.usable
    notes = []
    if extrapolated := found.shape.events > BEYOND * took.measured:
        notes.append(f"extrapolated: {built.name} was measured up to {took.measured:,} rows")
    if took.at_most:
        notes.append("at most: training may stop by itself before")
    return ModelPlan(
        label, built.name, steps, fits, took.at_most, extrapolated, round(took.saved),
        () if fits else instead(built, found.shape, machine, base_bytes(built, found), index=index), notes,
    )  # fmt: skip


def steps_of(model: Model, took: Estimate, found: Look, machine: Machine) -> list[Step]:
    """Reading, fitting, saving, and answering everybody."""
    known, shape = coefficients(), found.shape
    slow = machine.slowness["kernels"]
    base = base_bytes(model, found)
    general = known.log["fit event"] * shape.merged
    start = known.start["seconds"] + (known.start["neural seconds"] if is_neural(model) else 0.0)
    read = found.seconds(known) * slow
    save = known.save["seconds"] + known.save["byte"] * took.saved + known.save["item"] * shape.items
    everybody = took.answer_seconds * shape.users
    return [
        Step("read", machine.wall(read, READING) + start * slow, round(found.bytes(known))),
        Step("fit", machine.wall(took.fit_seconds), round(base + max(general, took.working))),
        Step("save", save * slow, round(base + took.held + known.save["item bytes"] * shape.items)),
        Step("answer", machine.wall(everybody), round(base + took.held + took.answering)),
    ]


def base_bytes(model: Model, found: Look) -> float:
    """What the process holds while it fits: programs, and the log, unless that is mapped from a prepared folder."""
    known, shape = coefficients(), found.shape
    programs = known.start["bytes"] + (known.start["neural bytes"] if is_neural(model) else 0.0)
    events = 0.0 if found.mapped else known.log["event"] * shape.events
    return programs + events + known.log["user"] * shape.users + (
        known.log["item"] * shape.items
    )  # fmt: skip


def is_neural(model: Model) -> bool:
    """Whether the model, or one inside it, is trained with torch."""
    return any(one.name in MODELS and MODELS[one.name].extra == "neural" for one in with_members(model))
