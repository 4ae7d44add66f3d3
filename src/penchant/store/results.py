"""What came of what was shown: outcomes by exposure, counted by placement, model and day."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import polars as pl

from penchant.data.recipe import IMPRESSION, Recipe, normalise_kind
from penchant.store.consent import condition, stated
from penchant.store.database import Database
from penchant.store.log import reading

DAY = 86_400
Z = 1.959964  # of a 95 % interval
GROUPS = {"placement": ["placement"], "model": ["model"], "day": ["day"]}
SHOWN = "person, id, start, time, placement, model, fallback, items"
HAPPENED = "person, item, kind, time, recommendation"


@dataclass(frozen=True)
class Counts:
    """Counts of lists and items. ``seen`` are items with an impression event, ``clicked`` items with any other outcome
    that counts for them, ``bought`` those with a purchase; each shown item counts once in each."""

    lists: int
    fallback: int  # lists for which the model knew nothing
    shown: int
    seen: int
    clicked: int
    bought: int
    items: int  # different ones

    def to_json(self, catalogue: int) -> dict[str, Any]:
        """With rates, their 95 % intervals, and the shares of fallback lists and of a catalogue of this size."""
        return {
            "lists": self.lists,
            "shown": self.shown,
            "seen": self.seen,
            "clicked": self.clicked,
            "bought": self.bought,
            "click_through": wilson(self.clicked, self.shown),
            "bought_share": wilson(self.bought, self.shown),
            "fallback_share": self.fallback / self.lists if self.lists else None,
            "items": self.items,
            "coverage": min(1.0, self.items / catalogue) if catalogue else None,
        }


@dataclass(frozen=True)
class Results:
    """Counts in all, and by the values of each group, in their order."""

    since: int
    until: int
    total: Counts
    groups: dict[str, list[tuple[str, Counts]]]
    without_consent: dict[str, int]  # lists (by page) and events that are left out


def wilson(hits: int, of: int) -> dict[str, float] | None:
    """A share with Wilson's 95 % interval, as if all were independent; None of nothing.

    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), E. B. Wilson, 1927.
    """
    if not of:
        return None
    share, square = hits / of, Z * Z / of
    half = Z * math.sqrt(share * (1 - share) / of + square / (4 * of))
    low, high = ((share + square / 2 + side * half) / (1 + square) for side in (-1, 1))
    return {"mean": share, "low": max(0.0, low), "high": min(1.0, high)}


def results(
    database: Database, since: int, until: int, *, attribution: int, recipe: Recipe, purchases: Collection[str]
) -> Results:
    """The outcomes of the lists shown in a time (unix seconds, ``until`` exclusive).

    An event belongs to the exposure of its item that it names by ``recommendation``, else to the last exposure of the
    item to the same person, at most ``attribution`` seconds before it; to one exposure in any case. An event counts as
    a click if the recipe gives its kind a weight above zero, and as a purchase if its kind is among ``purchases``.
    Events that may not be learned from do not count, nor do lists of people none of whose events may be
    (``store.consent``).
    Cost: reads every exposure and event of the time. Raises ``StoreError``.
    """
    lists, shown, happened, without = _read(database, since, until, attribution)
    outcomes = _attributed(shown, happened, attribution)
    kinds = outcomes["kind"].unique().to_list()
    named = {kind: None if kind is None else normalise_kind(kind) for kind in kinds}
    bought = {normalise_kind(kind) for kind in purchases}
    marks = {
        "seen": [kind for kind in kinds if named[kind] == IMPRESSION],
        "clicked": [kind for kind in kinds if recipe.weight_of(kind) > 0],
        "bought": [kind for kind in kinds if named[kind] in bought],
    }
    marked = outcomes.group_by("row").agg(
        pl.col("kind").is_in(pl.Series(of, dtype=pl.String).implode(), nulls_equal=True).any().alias(name)
        for name, of in marks.items()
    )
    found = shown.join(marked, on="row", how="left").with_columns(pl.col(list(marks)).fill_null(value=False))
    groups = {name: _counted(lists, found, by) for name, by in GROUPS.items()}
    ((_, total),) = _counted(lists, found, []) or (("", Counts(0, 0, 0, 0, 0, 0, 0)),)
    return Results(since, until, total, groups, without)


def _read(
    database: Database, since: int, until: int, attribution: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """The lists, the shown items with a number ``row``, the events that may be their outcomes, and how many are left
    out because people did not agree."""
    with reading(database) as connection:
        agreed, purposes = condition(connection), stated(connection)
        some = f"(SELECT 1 FROM events WHERE events.person = exposures.person AND {agreed})"  # noqa: S608  # our own
        allowed = {"events": agreed, "exposures": f"EXISTS {some}" if purposes else agreed}
        found: dict[str, list[Any]] = {}
        without: dict[str, int] = {}
        for table, columns, last in (("exposures", SHOWN, until), ("events", HAPPENED, until + attribution)):
            inside = f"FROM {table} WHERE time >= {int(since)} AND time < {int(last)}"
            may = f" AND {allowed[table]}" if agreed else ""
            found[table] = connection.execute(f"SELECT {columns} {inside}{may}").fetchall()
            ((every,),) = connection.execute(f"SELECT count(*) {inside}").fetchall() if agreed else ((0,),)
            without[table] = max(0, every - len(found[table]))
        pages, rows = found["exposures"], found["events"]
    texts = dict.fromkeys(("person", "id", "placement", "model", "items"), pl.String)
    frame = pl.DataFrame(
        [[*row[:6], bool(row[6]), row[7]] for row in pages],
        schema={name: texts.get(name, pl.Boolean if name == "fallback" else pl.Int64) for name in SHOWN.split(", ")},
        orient="row",
    ).with_columns(pl.from_epoch("time").dt.strftime("%Y-%m-%d").alias("day"))
    lists = frame.sort("start").unique(["person", "id"], keep="first", maintain_order=True)
    own = lists.select("person", "id", "placement", "model", "day")  # a page counts for the day of its list
    shown = (
        frame.select("person", "id", "time", pl.col("items").str.json_decode(pl.List(pl.String)).alias("item"))
        .explode("item")
        .unique(["person", "id", "item"], keep="first", maintain_order=True)
        .join(own, on=["person", "id"], how="left")
        .sort("time", maintain_order=True)
        .with_row_index("row")
    )
    kinds = {name: pl.Int64 if name == "time" else pl.String for name in HAPPENED.split(", ")}
    left_out = {"lists": without["exposures"], "events": without["events"]}
    return lists, shown, pl.DataFrame(rows, schema=kinds, orient="row"), left_out


def _attributed(shown: pl.DataFrame, happened: pl.DataFrame, attribution: int) -> pl.DataFrame:
    """The exposure (``row``) of each event that has one, and its kind."""
    events = happened.with_row_index("event").sort("time", maintain_order=True)
    key = ["person", "id", "item"]
    named = events.drop_nulls("recommendation").join(
        shown.select(*key, "row"), left_on=["person", "recommendation", "item"], right_on=key, how="inner"
    )
    rest = events.join(named.select("event"), on="event", how="anti", maintain_order="left")
    last = rest.join_asof(
        shown.select("person", "item", "time", "row"),
        on="time",
        by=["person", "item"],
        strategy="backward",
        tolerance=attribution,
        check_sortedness=False,
    ).drop_nulls("row")
    return pl.concat([named.select("row", "kind"), last.select("row", "kind")])


def _counted(lists: pl.DataFrame, found: pl.DataFrame, by: list[str]) -> list[tuple[str, Counts]]:
    one = [pl.lit("").alias("group")] if not by else [pl.col(by[0]).alias("group")]
    of_lists = lists.group_by(one).agg(pl.len().alias("lists"), pl.col("fallback").sum())
    of_items = found.group_by(one).agg(
        pl.len().alias("shown"), pl.col("seen", "clicked", "bought").sum(), pl.col("item").n_unique().alias("items")
    )
    table = of_lists.join(of_items, on="group", how="inner").sort("group")
    fields = list(Counts.__dataclass_fields__)
    return [(str(group), Counts(*map(int, row))) for group, *row in table.select("group", *fields).rows()]
