"""From sources to one sorted event table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from penchant.core.curve import Curve, Shape
from penchant.core.histories import Bools, Floats, Ints, ValuesAre
from penchant.core.shown import Shown
from penchant.data.contexts import MOST_VALUES, catalogue_of, parse_names
from penchant.data.doctor import glance
from penchant.data.interactions import Interactions
from penchant.data.reading.cleaning import Cleaner
from penchant.data.reading.columns import CONTEXT, index_of, is_quantity, parse_kinds
from penchant.data.reading.dates import MISSING
from penchant.data.reading.findings import damage_error, damage_finding, from_reading, refund_finding
from penchant.data.reading.gathering import Gathered, Progress, gather
from penchant.data.reading.items import item_ids, read_items
from penchant.data.reading.ordering import Trace, event_order, look_for_disorder, picked
from penchant.data.reading.sources import Opened
from penchant.data.reading.weights import shape_weights
from penchant.data.reading.wording import option
from penchant.data.recipe import UNLESS_NAMED, Recipe
from penchant.data.refunds import Netted, checked_refund, net
from penchant.data.vocab import Vocab
from penchant.errors import DataError, ParameterError

_INTEGER = re.compile(r"^(0|-?[1-9]\d*)$")


def read(sources: Sequence[Any], **options: Any) -> Interactions:
    """The event table of the sources; see ``read_interactions``."""
    return read_traced(sources, trace=False, **options)[0]


def read_traced(
    sources: Sequence[Any],
    *,
    columns: Mapping[str, str] | str | None = None,
    kinds: Mapping[str, float | str] | str | None = None,
    values: ValuesAre | None = None,
    weight: Shape | None = None,
    positive: str | None = None,
    refund: str = "newest",
    sep: str | None = None,
    encoding: str | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    day_first: bool | None = None,
    strict: bool = False,
    rejected: str | Path | bool | None = None,
    force: bool = False,
    items: Any = None,
    by: str | None = None,
    ids: str = "text",
    max_history: int = 500,
    context: Sequence[str] | Mapping[str, Sequence[str]] | str | None = None,
    progress: Progress | None = None,
    trace: bool = True,
) -> tuple[Interactions, Trace]:
    """The event table of the sources and, if asked for, the file and line of each event."""
    weights, cancels = parse_kinds(kinds)
    if values is not None and values not in get_args(ValuesAre):
        raise ParameterError(f"values are 'rating', 'weight' or 'none', not {values!r}")
    if ids not in ("text", "as given"):
        raise ParameterError(f"ids are 'text' or 'as given', not {ids!r}")
    which = checked_refund(refund)
    Curve(weight or "raw")
    # refuses a bad rule before anything is read
    plan = Recipe(weights, positive, values or "weight", max_history, cancels=cancels, refund=which)
    names = list(context) if isinstance(context, Mapping) else parse_names(context)
    gathered = gather(
        sources,
        contexts=names,
        columns=columns,
        values=values,
        sep=sep,
        encoding=encoding,
        time_format=time_format,
        time_zone=time_zone,
        day_first=day_first,
        strict=strict,
        rejected=rejected,
        force=force,
        items=items,
        by=by,
        progress=progress,
        traced=trace,
    )
    cleaner, report, name = gathered.cleaner, gathered.report, gathered.column("value")
    contexts = _contexts(gathered, context if isinstance(context, Mapping) else None)
    values_are, report.values_why = cleaner.values_are()
    if name is None and cleaner.kinds and (weights or UNLESS_NAMED.keys() & cleaner.kinds.keys()):
        values_are, report.values_why = values or "weight", "events count the weight of their kind"
    quantity = gathered.column("quantity")
    if quantity is not None and cleaner.value_name is None and values is None:
        report.values_why += f"; {quantity!r} counts only if asked for: {option('values', 'weight')}"
    log, found = _assemble(
        gathered,
        replace(
            plan, values_are=values_are, quantities=values_are == "weight" and is_quantity(name), contexts=contexts
        ),
        weight,
        trace=trace,
        as_given=ids != "text",
    )
    damaged = [source for source in report.sources if source.damage]
    table = None if gathered.table is None else read_items(gathered.table)
    if table is not None:
        if table.table.source.damage:
            damaged.append(table.table.source)
            if strict:
                raise damage_error(table.table.source)
        log.vocab.extend(item_ids(table))
        report.notes += [note] if (note := table.note()) else []
    report.rows, report.kept = sum(s.rows for s in report.sources), len(log)
    report.findings += [damage_finding(source) for source in damaged]
    report.findings += [*from_reading(report, cleaner, log.recipe, found), *glance(log, found, table)]
    return log, found


def _assemble(
    gathered: Gathered,
    recipe: Recipe,
    weight: Shape | None,
    *,
    trace: bool,
    as_given: bool,
) -> tuple[Interactions, Trace]:
    opened, cleaner, report = gathered.opened, gathered.cleaner, gathered.report
    sizes = [sum(cleaned.rows for cleaned in source) for source in gathered.parts]
    values = gathered.take("values", np.nan, np.float32)
    quantities = gathered.take("quantities", np.nan, np.float32)
    kinds = gathered.take("kinds", -1, np.int32)
    times = gathered.take("times", MISSING, np.int64)
    nanos = gathered.take("nanos", 0, np.int16)
    positions = gathered.take("positions", 0, np.float64)
    marks = gathered.take("parts", -1, np.int32)
    users = gathered.take("users", 0, np.int32)
    items = gathered.take("items", 0, np.int32)
    context = gathered.take("context", -1, np.int32)
    registered = len(cleaner.users.index)
    if cleaner.guests.index:  # guests follow the users
        users = np.where(users < 0, registered - 1 - users, users).astype(np.int32)
    if recipe.positive is not None and values is None and kinds is None:
        raise DataError(
            f"{recipe.positive!r} needs a column of values, and the log has none",
            file=report.sources[0].name if report.sources else None,
        )
    if recipe.values_are == "rating" and values is not None and np.isnan(values).any():
        lacking = next(o.name for o in opened if "value" not in o.roles)
        raise DataError("there is no column of ratings, which the other files have", file=lacking)
    if marks is not None and (marks < 0).any():
        lacking = next(o.name for o in opened if "split" not in o.roles)
        raise DataError("there is no split column, which the other files have", file=lacking)
    found = Trace(cleaner)
    if trace:
        found.lines, found.kinds = gathered.take("lines", 0, np.int64), kinds
        found.sources = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        look_for_disorder(found, users, times)
    order = event_order(users, times, positions, nanos)

    positions = nanos = None
    # one at a time, so that only one is in memory twice
    if order is not None:
        users, items = picked(users, order), picked(items, order)
        values = None if values is None else picked(values, order)
        kinds = None if kinds is None else picked(kinds, order)
        quantities = None if quantities is None else picked(quantities, order)
        times = None if times is None else picked(times, order)
        marks = None if marks is None else picked(marks, order)
        context = None if context is None else context[order]
        if trace:
            found.lines, found.sources = picked(found.lines, order), picked(found.sources, order)
        order = None
    if trace:
        found.kinds = kinds
    bought = is_quantity(cleaner.value_name)
    netted = _net(users, items, kinds, values if bought else quantities, values, cleaner, recipe)
    if netted is not None:
        if recipe.values_are == "weight" and values is not None:
            values = np.where(np.isnan(values), values, netted.amounts).astype(np.float32)
        report.findings.append(refund_finding(netted, report, option("refund", "oldest")))
        users, items = users[netted.keep], items[netted.keep]
        values, kinds, times, marks, context = (
            None if a is None else a[netted.keep] for a in (values, kinds, times, marks, context)
        )
        if trace:
            found.lines, found.sources, found.kinds = found.lines[netted.keep], found.sources[netted.keep], kinds
        if not len(items):
            raise DataError("refunds cancel every event of this log", file=report.sources[0].name)
    kept, shown = _weighing(kinds, cleaner, recipe), None
    if kept is not None:
        if not kept.any():
            raise DataError("every event of this log has weight 0", file=report.sources[0].name)
        report.notes.append(f"{int((~kept).sum()):,} events of weight 0, such as impressions, enter no history")
        shown = _shown(kinds, users, items, times, cleaner, recipe)
        users, items = users[kept], items[kept]
        values, kinds, times, marks, context = (
            None if a is None else a[kept] for a in (values, kinds, times, marks, context)
        )
        if trace:
            found.lines, found.sources, found.kinds = found.lines[kept], found.sources[kept], kinds
    weighed, liked = recipe.weigh_coded(list(cleaner.kinds), kinds, values)
    del values
    if weighed is not None and recipe.values_are == "weight":
        recipe, why = shape_weights(recipe, users, items, weighed, weight, quantity=bought)
        report.values_why += why
    if times is not None and (times == MISSING).all():
        times = None
    elif times is not None:
        np.floor_divide(times, 1_000_000, out=times)
    integers = as_given and all(_INTEGER.match(item) for item in cleaner.items.index) and _numbers_or_text(opened)
    labels = np.array([*cleaner.parts, ""], dtype=np.str_)
    people = [*cleaner.users.index, *cleaner.guests.index]
    guests: Bools | None = np.arange(len(people)) >= registered if cleaner.guests.index else None
    log = Interactions(
        Vocab(cleaner.items.index, integers=integers),
        people,
        users,
        items,
        weighed,
        "none" if weighed is None else recipe.values_are,
        liked,
        times,
        None if marks is None else labels[marks],
        cleaner.by != "user",
        recipe,
        report,
        guests,
        None if context is None else _by_catalogue(context, cleaner.contexts, recipe),
        shown,
    )
    if (netted is not None or kept is not None) and np.bincount(users, minlength=len(people)).min() == 0:
        log = log.where(np.ones(len(items), dtype=np.bool_))  # drops people of whom nothing is left
    return log, found


def _contexts(gathered: Gathered, known: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
    """The values of each context: those of ``known``, or else the most frequent of the log.

    Raises ``DataError`` where no source has the column of a context, unless ``known`` says what it may hold.
    """
    if known is not None:
        return {name: tuple(values) for name, values in known.items()}
    counts: dict[str, dict[str, int]] = {}
    for at, (name, table) in enumerate(gathered.cleaner.contexts.items()):
        if all(CONTEXT + name not in one.roles for one in gathered.opened):
            index_of(name, gathered.opened[0].table.names, "context", gathered.opened[0].name)  # raises
        total = np.zeros(len(table), dtype=np.int64)
        for source in gathered.parts:
            for cleaned in source:
                assert cleaned.context is not None  # there are contexts
                codes = cleaned.context[:, at]
                total += np.bincount(codes[codes >= 0], minlength=len(table))
        counts[name] = dict(zip(table, total.tolist(), strict=True))
        if len(table) > MOST_VALUES:
            gathered.report.notes.append(
                f"context {name!r} has {len(table):,} values: the most frequent {MOST_VALUES:,} count, the others are "
                "missing"
            )
    return catalogue_of(counts)


def _by_catalogue(context: Ints, tables: Mapping[str, dict[str, int]], recipe: Recipe) -> Ints:
    """Codes of the rows' own numbering as codes of the recipe."""
    out = np.empty_like(context)
    for at, (name, table) in enumerate(tables.items()):
        to = {value: code for code, value in enumerate(recipe.contexts[name])}
        codes = np.array([*(to.get(value, -1) for value in table), -1], dtype=np.int32)  # -1 picks the last
        out[:, at] = codes[context[:, at]]
    return out


def _weighing(kinds: np.ndarray | None, cleaner: Cleaner, recipe: Recipe) -> Bools | None:
    """Which events have a kind of another weight than 0, ``(events,)``; None if all have."""
    weights = np.array([*(recipe.weight_of(name) for name in cleaner.kinds), 1.0])
    return None if kinds is None or weights.all() else weights[kinds] != 0


def _shown(
    kinds: np.ndarray | None, users: np.ndarray, items: np.ndarray, times: np.ndarray | None, cleaner: Cleaner,
    recipe: Recipe,
) -> Shown | None:  # fmt: skip
    """The impressions; None if there are none."""
    seen = np.array([*(recipe.is_impression(name) for name in cleaner.kinds), False], dtype=np.bool_)
    at = np.flatnonzero(seen[kinds]) if kinds is not None else np.empty(0, dtype=np.int64)
    if not len(at):
        return None
    when = None if times is None or (times == MISSING).all() else times[at] // 1_000_000
    people = len(cleaner.users.index) + len(cleaner.guests.index)
    return Shown.of(users[at], items[at], people, when)


def _net(
    users: np.ndarray,
    items: np.ndarray,
    kinds: np.ndarray | None,
    quantities: Floats | None,
    values: Floats | None,
    cleaner: Cleaner,
    recipe: Recipe,
) -> Netted | None:
    """Refunds taken off earlier purchases; None if the log has none."""
    refunding = np.zeros(len(items), dtype=np.bool_)
    if quantities is not None:
        refunding |= quantities < 0
    weights = None
    if kinds is not None and recipe.cancels:
        cancelling = np.array([*(name in recipe.cancels for name in cleaner.kinds), False], dtype=np.bool_)
        refunding |= cancelling[kinds]
        weights = np.array([*(recipe.weight_of(name) for name in cleaner.kinds), 1.0])[kinds]
    if not refunding.any():
        return None
    amounts = quantities
    if amounts is None and recipe.values_are == "weight":
        amounts = values
    amounts = np.ones(len(items), dtype=np.float32) if amounts is None else np.where(np.isnan(amounts), 1, amounts)
    pairs = users.astype(np.int64) * max(1, len(cleaner.items.index)) + items
    return net(pairs, amounts, refunding, weights, which=recipe.refund)


def _numbers_or_text(opened: Sequence[Opened]) -> bool:
    """Whether ids that look like whole numbers are: they came as text from a file or in a column of numbers."""
    for one in opened:
        if one.table.source.has_lines:
            continue
        batch = next(iter(one.table.batches([one.roles["item"]])))
        if not batch.frame.to_series(0).dtype.is_numeric():
            return False
    return True
