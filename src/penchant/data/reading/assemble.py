"""From sources to one sorted event table."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from penchant.core.curve import Curve, Shape
from penchant.core.histories import Bools, Floats, Ints, ValuesAre
from penchant.data.contexts import MOST_VALUES, catalogue_of, parse_names
from penchant.data.doctor import glance
from penchant.data.interactions import Interactions
from penchant.data.liked_for import LogAspects
from penchant.data.opinions import UNREAD, Use, scale_of, settled
from penchant.data.people import People
from penchant.data.reading.cleaning import Cleaner
from penchant.data.reading.columns import CONTEXT, index_of, is_quantity, parse_kinds
from penchant.data.reading.dates import MISSING
from penchant.data.reading.findings import damage_error, damage_finding, from_reading, refund_finding
from penchant.data.reading.gathering import Gathered, Progress, gather, named
from penchant.data.reading.items import item_ids, read_items
from penchant.data.reading.ordering import Trace, look_for_disorder
from penchant.data.reading.report import ReadReport
from penchant.data.reading.settling import Columns, note_what_is_left, settle
from penchant.data.reading.sources import Opened
from penchant.data.reading.weights import Sums, positive_sums, shape_weights
from penchant.data.reading.wording import option
from penchant.data.recipe import TAKING_BACK, UNLESS_NAMED, Recipe
from penchant.data.refunds import checked_refund
from penchant.data.vocab import Vocab
from penchant.errors import DataError, ParameterError
from penchant.text.learned_opinion import LearnedOpiner
from penchant.text.opinion import Opiner

INTEGER = re.compile(r"^(0|-?[1-9]\d*)$")


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
    text: str | None = None,
    opinion: Use | None = None,
    opiner: Opiner | Literal["learn"] | None = None,
    aspects: bool = False,
    users: Any = None,
    people: Mapping[str, tuple[float, ...]] | None = None,
    progress: Progress | None = None,
    trace: bool = True,
    pseudonyms: bytes | None = None,
) -> tuple[Interactions, Trace]:
    """The event table of the sources and, if asked for, the file and line of each event.

    ``people`` are the last of the given contexts: those of the recipe of a recommender that knows attributes of users.
    """
    if ids not in ("text", "as given"):
        raise ParameterError(f"ids are 'text' or 'as given', not {ids!r}")
    plan = planned(kinds, values, weight, positive, refund, max_history)  # refuses bad options before reading
    if aspects and text is None:
        raise ParameterError(f"aspects are those of texts: name their column with {option('text', 'review')}")
    if opinion is None and (opiner is not None or (text is not None and not aspects)):
        raise ParameterError(f"texts count by their opinions: say how with {option('opinion', 'blend')}")
    plan = replace(plan, opinion=opinion)
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
        text=text,
        opinion=opinion,
        opiner=opiner,
        aspects=aspects,
        progress=progress,
        traced=trace,
        pseudonyms=pseudonyms,
        plan=plan,
    )
    report = gathered.report
    contexts = _contexts(gathered, context if isinstance(context, Mapping) else None)
    recipe = replace(
        understood(plan, gathered.opened, gathered.cleaner, report, values), contexts=contexts, people=people or {}
    )
    log, found = _assemble(gathered, recipe, weight, trace=trace, as_given=ids != "text")
    if users is not None:
        table_of = People.read(users, pseudonyms=pseudonyms) if not isinstance(users, People) else users
        log = table_of.described(log)
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
    report.findings += [*from_reading(report, gathered.cleaner, log.recipe, found), *glance(log, found, table)]
    return log, found


def planned(
    kinds: Mapping[str, float | str] | str | None,
    values: ValuesAre | None,
    weight: Shape | None,
    positive: str | None,
    refund: str,
    max_history: int,
) -> Recipe:
    """The recipe as far as the options say; raises ``ParameterError`` for a bad one."""
    weights, cancels = parse_kinds(kinds)
    if values is not None and values not in get_args(ValuesAre):
        raise ParameterError(f"values are 'rating', 'weight' or 'none', not {values!r}")
    which = checked_refund(refund)
    Curve(weight or "raw")
    return Recipe(weights, positive, values or "weight", max_history, cancels=cancels, refund=which)


def understood(
    plan: Recipe, opened: Sequence[Opened], cleaner: Cleaner, report: ReadReport, values: ValuesAre | None
) -> Recipe:
    """The recipe after every row was read; ``report`` says why."""
    name, quantity = named(opened, "value"), named(opened, "quantity")
    values_are, report.values_why = cleaner.values_are()
    if name is None and cleaner.kinds and (plan.kinds or UNLESS_NAMED.keys() & cleaner.kinds.keys()):
        values_are, report.values_why = values or "weight", "events count the weight of their kind"
    if quantity is not None and cleaner.value_name is None and values is None:
        report.values_why += f"; {quantity!r} counts only if asked for: {option('values', 'weight')}"
    back = tuple(kind for kind in sorted(cleaner.kinds) if kind in TAKING_BACK and kind not in plan.kinds)
    if back:
        report.notes.append(
            f"events of kind {' and '.join(back)} take earlier ones back; {option('kinds', {back[0]: 1})} counts them "
            "like others"
        )
    scale = None
    if plan.opinion is not None and values_are == "none":
        values_are, report.values_why = "weight", "events count the opinion of their text"
    elif plan.opinion is not None and values_are == "rating":
        scale = scale_of(cleaner.low, cleaner.high)
        if scale is None:
            raise DataError("all ratings are equal: opinions have no scale to move them on")
    quantities = values_are == "weight" and is_quantity(name)
    return replace(plan, values_are=values_are, scale=scale, quantities=quantities, cancels=(*plan.cancels, *back))


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
    columns = Columns.of(gathered, trace=trace)
    opiner = _opiner(opened, columns, cleaner, recipe, report)
    registered = len(cleaner.users.index)
    if cleaner.guests.index:  # guests follow the users
        columns.users = np.where(columns.users < 0, registered - 1 - columns.users, columns.users).astype(np.int32)
    spoken = _aspects(columns, cleaner)
    values, marks = columns.values, columns.parts
    weighing = recipe.weighing(list(cleaner.kinds), columns.kinds, len(columns.users))
    check_columns(
        opened,
        recipe,
        {name for name in ("values", "kinds", "opinions") if getattr(columns, name) is not None},
        unvalued=values is not None and bool((_unsaid(values, columns.opinions) & weighing).any()),
        unmarked=marks is not None and bool((marks < 0).any()),
    )
    del values, marks, weighing
    found = Trace(cleaner)
    if trace:
        assert columns.lines is not None
        columns.sources = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        found.lines, found.sources = columns.lines, columns.sources
        look_for_disorder(found, columns.users, columns.times)
    cleaner.spoken = None
    left, shown = settle(columns, cleaner, recipe, people=registered + len(cleaner.guests.index))
    if left.refunds:
        report.findings.append(refund_finding(left, report, option("refund", "oldest")))
    note_what_is_left(left, len(columns.users), report)
    users, items, values, kinds = columns.users, columns.items, columns.values, columns.kinds
    times, marks = columns.times, columns.parts
    if trace:
        assert columns.lines is not None and columns.sources is not None
        found.lines, found.sources, found.kinds = columns.lines, columns.sources, kinds
    bought = is_quantity(cleaner.value_name)
    weighed, liked = recipe.weigh_coded(list(cleaner.kinds), kinds, values, columns.opinions)
    del values
    if weighed is not None and recipe.values_are == "weight":
        sums = functools.partial(positive_sums, users, items, weighed)
        recipe, why = shape_weights(recipe, lambda: Sums(sums()), weight, quantity=bought)
        report.values_why += why
    if times is not None and (times == MISSING).all():
        times = None
    elif times is not None:
        np.floor_divide(times, 1_000_000, out=times)
    integers = as_given and all(INTEGER.match(item) for item in cleaner.items.index) and numbers_or_text(opened)
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
        None if columns.context is None else _by_catalogue(columns.context, cleaner.contexts, recipe),
        shown,
        spoken,
        opiner,
    )
    if left.fewer and np.bincount(users, minlength=len(people)).min() == 0:
        log = log.where(np.ones(len(items), dtype=np.bool_))  # drops people of whom nothing is left
    return log, found


def _opiner(
    opened: Sequence[Opened], columns: Columns, cleaner: Cleaner, recipe: Recipe, report: ReadReport
) -> Opiner | None:
    """What read the texts; where it is learned from the log, that happens here, and no text is scored by a model that
    has seen it. Raises ``DataError`` where no row has a text."""
    said = columns.opinions
    if recipe.opinion is None:
        return None
    if said is None or np.isnan(said).all():
        if any(one.table.source.format == "store" for one in opened):  # nobody has said anything yet
            return cleaner.opiner
        raise DataError("no event has a text", fix=f"Name the column: {option('text', 'review')}")
    opiner = cleaner.opiner
    if cleaner.learns and cleaner.spoken is not None:
        if columns.values is None or recipe.values_are != "rating":
            raise DataError("opinions are learned from the ratings of texts, and this log has none")
        opiner, held_out = LearnedOpiner.learn(cleaner.spoken, columns.values, scale=recipe.scale)
        columns.opinions = np.where(said == UNREAD, settled(2 * held_out - 1), said)
        said = columns.opinions
        facts = opiner.facts
        report.notes.append(
            f"opinions were learned from {facts['texts']:,} texts with stars; out of fold, AUC {facts['auc']:.3f}"
        )
    report.notes.append(f"{int((~np.isnan(said)).sum()):,} events have a text, whose opinion counts ({recipe.opinion})")
    return opiner


def _aspects(columns: Columns, cleaner: Cleaner) -> LogAspects | None:
    """What the texts speak of, where that is asked for."""
    if not cleaner.aspects or cleaner.spoken is None:
        return None
    texts, test = cleaner.spoken, cleaner.parts.get("test")
    if columns.parts is not None and test is not None:
        texts = [None if held else text for text, held in zip(texts, columns.parts == test, strict=True)]
    return LogAspects.of(texts, columns.users, columns.items)


def _unsaid(values: Floats, opinions: Floats | None) -> Bools:
    """Which events have neither a value nor an opinion."""
    missing = np.isnan(values)
    return missing if opinions is None else missing & np.isnan(opinions)


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


def check_columns(
    opened: Sequence[Opened], recipe: Recipe, columns: set[str], *, unvalued: bool, unmarked: bool
) -> None:
    """Raise ``DataError`` for a rule without a column of values, and for a file without one that others have.

    ``unvalued`` and ``unmarked`` say whether a row lacks its value, or its part.
    """
    if recipe.positive is not None and not columns & {"values", "kinds", "opinions"}:
        file = opened[0].name if opened else None
        raise DataError(f"{recipe.positive!r} needs a column of values, and the log has none", file=file)
    rated = recipe.values_are == "rating" and unvalued
    for lacks, role, what in ((rated, "value", "column of ratings"), (unmarked, "split", "split column")):
        if lacks:
            name = next(one.name for one in opened if role not in one.roles)
            raise DataError(f"there is no {what}, which the other files have", file=name)


def numbers_or_text(opened: Sequence[Opened]) -> bool:
    """Whether ids that look like whole numbers are: they came as text from a file or in a column of numbers."""
    for one in opened:
        if one.table.source.has_lines:
            continue
        batch = next(iter(one.table.batches([one.roles["item"]])))
        if not batch.frame.to_series(0).dtype.is_numeric():
            return False
    return True
