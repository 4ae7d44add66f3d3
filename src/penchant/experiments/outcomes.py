"""What units did after they were first shown an arm: from lists and events to the columns that arms are compared by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Ints, Longs
from penchant.core.metrics import Doubles
from penchant.experiments.comparing import Moments
from penchant.experiments.definition import Experiment, Metric


@dataclass(frozen=True)
class Units:
    """The units of an experiment whose time is over, in the order in which it ended, for one metric."""

    arm: Ints  # place in ``experiment.arms``
    ended: Ints  # unix seconds
    value: Doubles
    base: Doubles
    before: Doubles

    def of(self, arm: int) -> Moments:
        """The sums of one arm; entry ``i`` holds what had ended with unit ``i``."""
        return Moments.of(self.value, self.base, self.before, own=self.mine(arm))

    def mine(self, arm: int) -> Bools:
        """Which units are of an arm."""
        return np.asarray(self.arm == arm)


@dataclass(frozen=True)
class Outcomes:
    """The units of an experiment: all that were shown an arm, and by metric those whose time is over."""

    entered: Longs  # units by arm
    moved: int  # left out: they were shown two arms (ids that were merged or linked)
    metrics: list[Units]  # in the order of ``experiment.metrics``


def outcomes(experiment: Experiment, lists: pl.DataFrame, events: pl.DataFrame, *, now: int) -> Outcomes:
    """The units of an experiment at a time.

    ``lists`` has ``person``, ``time`` (unix seconds), ``arm``, ``shown`` and ``clicked`` (items), one row a list that
    was answered by the experiment; ``events`` has ``person``, ``kind``, ``time`` and ``value`` (null counts as 0). The
    time of a unit begins with its first list. Outcomes after ``within`` do not count, and units whose ``within`` is not
    over are not there yet. Cost: a join of lists and events by person.
    """
    until = now if experiment.stop is None else min(now, experiment.stop)
    asked = lists.filter(pl.col("time").is_between(experiment.start, until, closed="left"))
    first = asked.group_by("person").agg(pl.col("time").min().alias("first"), pl.col("arm").n_unique().alias("arms"),
                                         pl.col("arm").first())  # fmt: skip
    moved = first.filter(pl.col("arms") > 1).height
    places = {arm.name: place for place, arm in enumerate(experiment.arms)}
    units = (
        first.filter(pl.col("arms") == 1, pl.col("arm").is_in(list(places)))
        .with_columns(pl.col("arm").replace_strict(places, return_dtype=pl.Int64))
        .select("person", "first", "arm")
        .sort("first", "person")
    )
    entered = np.bincount(units["arm"].to_numpy(), minlength=len(places))
    happened = events.join(units.select("person", "first"), on="person", how="inner")
    listed = asked.join(units.select("person", "first"), on="person", how="inner")
    return Outcomes(
        entered, moved, [_of(experiment, metric, units, happened, listed, now) for metric in experiment.metrics]
    )


def _of(
    experiment: Experiment, metric: Metric, units: pl.DataFrame, happened: pl.DataFrame, listed: pl.DataFrame, now: int
) -> Units:
    ended = units.with_columns((pl.col("first") + metric.within).alias("ended")).filter(pl.col("ended") <= now)
    since = pl.col("time") - pl.col("first")
    own = happened if metric.kind is None else happened.filter(pl.col("kind") == metric.kind)
    earlier = own.filter((since < 0) & (since >= -experiment.before))
    if metric.name == "click-through":
        of_lists = listed.filter(since < metric.within).group_by("person")
        after = of_lists.agg(pl.col("clicked").sum().alias("value"), pl.col("shown").sum().alias("base"))
        before = earlier.group_by("person").agg(pl.len().alias("before"))
    else:
        counted = pl.col("value").fill_null(0.0).sum() if metric.name == "revenue" else pl.len()
        window = own.filter((since >= 0) & (since < metric.within)).group_by("person")
        after = window.agg((counted if metric.name == "revenue" else pl.lit(1)).alias("value")).with_columns(base=1.0)
        before = earlier.group_by("person").agg(counted.alias("before"))
    blank = 0.0 if metric.name == "click-through" else 1.0
    table = (
        ended.join(after, on="person", how="left", maintain_order="left")
        .join(before, on="person", how="left", maintain_order="left")
        .with_columns(pl.col("value", "before").fill_null(0), pl.col("base").fill_null(blank))
    )
    columns = {name: table[name].cast(pl.Float64).to_numpy() for name in ("value", "base", "before")}
    return Units(arm=table["arm"].to_numpy(), ended=table["ended"].to_numpy(), **columns)
