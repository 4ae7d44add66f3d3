"""The benchmark sets: where each is stored, how it is read and split, and which metrics its published numbers use.

The data are not part of the project, because their terms do not allow it. ``PENCHANT_DATA`` names the data folder. It
holds one folder per set, each with an ``interactions.parquet``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers import ROOT

if TYPE_CHECKING:
    import polars as pl

    from penchant.core.histories import Histories
    from penchant.core.split import Split
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions


def data_folder() -> Path:
    """The folder of the sets; relative paths start at the project root."""
    folder = ROOT / os.environ.get("PENCHANT_DATA", "../shared/data")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: set PENCHANT_DATA to the one that holds the sets")
    return folder


def table(name: str, file: str = "interactions") -> pl.DataFrame:
    """One table of a set as stored on disk."""
    import polars as pl

    return pl.read_parquet(data_folder() / name / f"{file}.parquet")


@dataclass(frozen=True)
class BenchSet:
    """A set with its protocol, which fixes what is measured on it for all models."""

    folder: str
    split: str  # as for ``penchant evaluate --split``
    metrics: tuple[str, ...]  # the first one sorts the tables and selects parameters
    about: str
    columns: dict[str, str] = field(default_factory=dict)  # columns to read: our name: their name
    prepare: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    negatives: str | None = None  # the table of candidates, if the protocol provides them
    attributes: str | tuple[str, ...] | None = None  # columns of the item table with the item attributes
    contexts: tuple[str, ...] = ()  # columns of what held at the moment of an event
    repeat: bool | None = None  # whether seen items are answers; None: as the protocol says

    @property
    def k(self) -> int:
        """The longest list that any metric uses."""
        return max([int(m.partition("@")[2]) for m in self.metrics if "@" in m], default=10)

    def read(self) -> Interactions:
        """Read the event table like any other log."""
        import polars as pl

        from penchant.data.read import read_interactions

        rows = table(self.folder)
        if self.prepare is not None:
            rows = self.prepare(rows)
        columns = self.columns | {name: name for name in self.contexts}
        chosen = rows.select(**{ours: pl.col(theirs) for ours, theirs in columns.items()})
        return read_interactions(chosen, context=self.contexts or None)

    def load(self, *, seed: int = 0) -> tuple[list[Split], Catalog | None]:
        """The splits of the protocol, one or one per fold, and the item catalogue, None if there is none."""
        from penchant.evaluation.protocols import make_splits

        log = self.read()
        candidates = self._candidates(log)
        splits = make_splits(log, self.split, repeat=self.repeat, seed=seed, candidates=candidates)
        if candidates is not None:
            splits = [replace(split, valid=_same_question(self.split, split.train, candidates)) for split in splits]
        return splits, self._catalog(log)

    def _catalog(self, log: Interactions) -> Catalog | None:
        """The attributes of every item in the log."""
        if self.attributes is None:
            return None
        import polars as pl

        from penchant.data.catalog import Catalog

        names = (self.attributes,) if isinstance(self.attributes, str) else self.attributes
        kept = table(self.folder, "items").select("item", *names)
        codes = [name for name in names if kept.schema[name].is_integer()]  # of categories, which are no numbers
        kept = kept.with_columns(pl.format("no. {}", pl.col(name)).alias(name) for name in codes)
        return Catalog.read(kept, log.vocab)

    def _candidates(self, log: Interactions) -> Histories | None:
        """The candidates of the protocol, one row per user of the log; None if it provides none."""
        if self.negatives is None:
            return None
        from penchant.core.histories import Histories

        rows = table(self.folder, self.negatives)
        of_user = {str(user): negatives for user, negatives in rows.select("user", "negatives").iter_rows()}
        encoded = [log.vocab.encode(of_user.get(user, [])) for user in log.user_ids]
        return Histories.from_lists([row[row >= 0] for row in encoded], log.n_items)


def _same_question(name: str, log: Histories, candidates: Histories) -> Split:
    """A validation part with the same question as the test: each user's last training event among their candidates."""
    from penchant.evaluation.cuts import hold_out
    from penchant.evaluation.protocols import with_candidates

    if len(log) != len(candidates):
        raise ValueError("a set with candidates needs training rows of every user")
    return replace(with_candidates(hold_out(name, log, log.ages() == 0), candidates), valid=None)


def _ncf(rows: pl.DataFrame) -> pl.DataFrame:
    """The test item of He et al. (2017) as a split column."""
    import polars as pl

    return rows.with_columns(split=pl.when(pl.col("ncf_test")).then(pl.lit("test")).otherwise(pl.lit("train")))


_LAST = ("ndcg@10", "hit@10", "hit@5", "ndcg@5", "hit@20", "ndcg@20")
_TOP20 = ("ndcg@20", "recall@20", "hit@20")
_RATINGS = ("rmse", "mae")
_NEXT = ("mrr@20", "hit@20")
_EVENTS = {"user": "user", "item": "item"}
_ORDERED = {**_EVENTS, "position": "position"}
_PARTED = {**_EVENTS, "split": "split"}
_SESSIONS = {"session": "session", "item": "item", "position": "position", "split": "split"}
_RATED = {**_EVENTS, "rating": "rating"}
_S3 = "S3-Rec sequences; all items ranked"

_TRAVEL = (
    "distance", "timeAvailable", "temperature", "crowdedness", "knowledgeOfSurroundings", "season", "budget", "daytime",
    "weather", "companion", "mood", "weekday", "travelGoal", "transport",
)  # fmt: skip
_TRAVELLER = (
    "gender", "birth_year", "opennessToExperience", "conscientiousness", "extraversion", "agreeableness",
    "emotionalStability",
)  # fmt: skip
PEOPLE = _TRAVELLER  # what a person is, rather than what holds now
_DRIVE = (
    "DrivingStyle", "landscape", "mood", "naturalphenomena", "RoadType", "sleepiness", "trafficConditions", "weather",
)  # fmt: skip
_PHONE = ("daytime", "weekday", "isweekend", "homework", "weather", "country", "city", "cost")

SETS: dict[str, BenchSet] = {
    "amazon-beauty": BenchSet("amazon-beauty", "leave-last", _LAST, _S3, _ORDERED, attributes="attributes"),
    "amazon-sports": BenchSet("amazon-sports", "leave-last", _LAST, _S3, _ORDERED, attributes="attributes"),
    "yelp-s3rec": BenchSet("yelp-s3rec", "leave-last", _LAST, _S3, _ORDERED, attributes="attributes"),
    "ml-1m-last": BenchSet(
        "ml-1m", "leave-last", _LAST, "BERT4Rec order; all items ranked", _ORDERED, attributes="genres"
    ),
    "gowalla": BenchSet(
        "gowalla", "column", _TOP20,
        "LightGCN split; all items ranked. Its test part is no random sample of a person's places, as a random tenth "
        "for validation is: weights of the blend were chosen on runs of events held out (`--runs`), after those that "
        "the random tenth chose had been read on the test part and fallen short (ndcg@20 .1570)",
        _PARTED,
    ),
    "ml-1m-bars": BenchSet("ml-1m-bars", "column", _TOP20, "BARS split; all items ranked", _PARTED),
    "amazon-cds": BenchSet("amazon-cds", "column", _TOP20, "BARS split; all items ranked", _PARTED),
    "ml-1m-ncf": BenchSet(
        "ml-1m", "column", ("ndcg@10", "hit@10", "hit@5", "ndcg@5"),
        "NCF leave-one-out; *sampled*: ranked among its 99 given candidates. Validation asks the same of the last "
        "training item; ours may use the order of events (`half_life`, transitions), the published models do not",
        {**_PARTED, **_ORDERED}, _ncf, "ncf_negatives", "genres",
    ),
    "diginetica": BenchSet(
        "diginetica-sessions", "column", _NEXT, "SR-GNN split; the next of every prefix, all items ranked", _SESSIONS
    ),
    "retailrocket": BenchSet(
        "retailrocket-sessions", "column", _NEXT, "the next of every prefix, all items ranked", _SESSIONS
    ),
    "ml-100k": BenchSet("ml-100k", "random:5", _RATINGS, "random 5-fold cross-validation", _RATED),
    "ml-1m": BenchSet("ml-1m", "random:5", _RATINGS, "random 5-fold cross-validation", _RATED),
    "filmtrust": BenchSet("filmtrust", "random:5", _RATINGS, "random 5-fold cross-validation", _RATED),
    "sts-travel": BenchSet(
        "sts-travel", "column", _RATINGS,
        "ratings of places under up to 14 stated conditions; five folds, a pair rated in another context stays in the "
        "question",
        {**_RATED, "split": "fold"}, attributes=("category1", "category2", "category3"), contexts=_TRAVEL + _TRAVELLER,
    ),
    "incar-music": BenchSet(
        "incar-music", "column", _RATINGS,
        "ratings of music by drivers, each under at most one stated condition; five folds, a pair rated in another "
        "context stays in the question",
        {**_RATED, "split": "fold"}, attributes=("category", "artist"), contexts=_DRIVE,
    ),
    "frappe": BenchSet(
        "frappe-cfm", "column", ("ndcg@10", "hit@10", "mrr@10"),
        "apps used in a context, the split of CFM; a case for every test row, all apps ranked, used ones too",
        _PARTED, contexts=_PHONE, repeat=True,
    ),
    "douban-monti": BenchSet(
        "douban-monti", "column", _RATINGS, "the split of Monti et al.", {**_RATED, "split": "split"}
    ),
}  # fmt: skip
