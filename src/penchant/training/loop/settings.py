"""The settings of training by itself: the tables ``[train]`` and ``[train.gate]`` of a TOML file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from penchant.core.memory import parse_size
from penchant.core.nearest_items import library
from penchant.core.settings import check_settings, parse_span, refuse_unknown, setting
from penchant.data.opinions import parse_opinion
from penchant.data.recipe import MOST_SUPPORT
from penchant.errors import DataError, ParameterError
from penchant.recommender.folder.opinion import opiner_of

if TYPE_CHECKING:
    from penchant.data.recipe import Recipe

TABLE, GATE = "train", "gate"
AUTO, STORE = "auto", "store"
WEIGHING = ("kind", "values", "weight", "positive")
READING = (
    "columns", "kind", "values", "weight", "positive", "by", "refund", "sep", "encoding", "time_format", "time_zone",
    "context", "text",
)  # fmt: skip


@dataclass(frozen=True)
class Gate:
    """What a new model must be to go live. Raises ``ParameterError`` that names an invalid setting."""

    min_cases: int = setting(1000, "cases needed for a judgement; fewer: cannot tell", low=1, high=10_000_000)
    margin: float = setting(0.02, "how much worse it may be, as a share of the active recipe's metric", low=-1, high=1)
    max_fall: float = setting(
        0.5, "share by which the active recipe's metric may have fallen since the last training", low=0, high=1
    )
    min_coverage: float = setting(0.5, "least coverage of its lists, as a share of the active model's", low=0, high=100)
    max_changed: float = setting(
        0.9, "largest share of list places that may change while the recipe stays the same", low=0, high=1
    )
    max_vanished: float = setting(0.2, "largest share of the active model's items that may be gone", low=0, high=1)
    max_answer_ms: float = setting(100.0, "longest median time of one answer, in milliseconds", low=0, high=3_600_000)
    max_size: str = setting("4GiB", "largest size of the saved model")

    def __post_init__(self) -> None:
        check_settings(self)
        parse_size(self.max_size)

    @property
    def max_bytes(self) -> int:
        """``max_size`` in bytes."""
        return parse_size(self.max_size)


@dataclass(frozen=True)
class TrainSettings:
    """What is trained, from what, and how it is judged. Raises ``ParameterError`` that names an invalid setting."""

    sources: tuple[str, ...] = setting((STORE,), "log files or globs; store: the events of the store")
    items: str = setting("", "the item table; default: the catalogue of the active model")
    columns: str = setting("", "the roles of columns, as --columns of penchant fit")
    kind: str = setting("", "the weights of kinds, as --kind")
    values: str = setting("", "rating, weight or none, as --values")
    weight: str = setting("", "raw, log or binary, as --weight")
    positive: str = setting("", "which events are positives, as --positive")
    by: str = setting("", "user, session or basket, as --by")
    refund: str = setting("newest", "newest or oldest, as --refund")
    sep: str = setting("", "the separator, as --sep")
    encoding: str = setting("", "the encoding of the text, as --encoding")
    time_format: str = setting("", "the form of dates, as --time-format")
    time_zone: str = setting("", "the zone of times without one, as --time-zone")
    context: str = setting("", "columns of contexts, as --context; default: those of the active model")
    users: str = setting(
        "", "a table of users, or store: their attributes there; default: the latter where the active model uses any"
    )
    text: str = setting("", "the column of comments or reviews, as --text")
    opinion: str = setting("", "what opinions make of values, as --opinion; default: as in the active model")
    models: tuple[str, ...] = setting((AUTO,), "models to try, or auto: those that fit compares")
    budget: float = setting(600.0, "seconds for the comparison of auto", low=1, high=30 * 86_400)
    window: str = setting("0", "how much of the log is used, back from its newest event; 0: all of it")
    holdout: str = setting("10%", "what models are judged on: the newest share of the events, or a span such as 7d")
    metric: str = setting("ndcg@10", "what decides")
    min_support: int = setting(
        1, "people that an item or a pair needs, as --min-support; at least that of the active model",
        low=1, high=MOST_SUPPORT,
    )  # fmt: skip
    keep: int = setting(5, "how many trained models stay on disk; the active and the previous one always do", low=1)
    index: bool = setting(False, "build an index over very many items, as --index of penchant fit")
    seed: int = setting(0, "the seed of models, intervals and samples", low=0, high=2**32 - 1)
    threads: int = setting(0, "threads to use; 0: one per core", low=0, high=1024)
    memory: str = setting("", "what the training may take, such as 4GiB; default: half of what is free at its start")
    gate: Gate = field(default_factory=Gate)

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.models:
            raise ParameterError("models names at least one model, or auto")
        if self.share is None and parse_span("holdout", self.holdout) is None:
            raise ParameterError("holdout is a span such as 7d or a share such as 10%")
        parse_span("window", self.window)
        parse_opinion(self.opinion or None)
        if self.memory:
            parse_size(self.memory)

    @classmethod
    def from_table(cls, table: Any, file: str, text: str) -> TrainSettings:
        """The settings of the table ``[train]`` of a file; a key that is not one is an error with its line."""
        if not isinstance(table, dict):
            raise ParameterError(f"{file}: {TABLE} is a table: write [train]")
        values: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in table.items()}
        refuse_unknown(values, {one.name: one for one in fields(cls)}, file, text, TABLE)
        for name in ("sources", "models"):
            if isinstance(values.get(name), str):
                values[name] = (values[name],)
        gate = values.pop(GATE, {})
        if not isinstance(gate, dict):
            raise ParameterError(f"{file}: {TABLE}.{GATE} is a table: write [train.gate]")
        refuse_unknown(gate, {one.name: one for one in fields(Gate)}, file, text, f"{TABLE}.{GATE}")
        try:
            return cls(**values, gate=Gate(**gate))
        except ParameterError as wrong:
            raise ParameterError(f"{file}: {wrong}") from None

    @property
    def share(self) -> float | None:
        """The share of the events that is held out; None for a span."""
        text = self.holdout.strip()
        if not text.endswith("%"):
            return None
        try:
            share = float(text[:-1]) / 100
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            raise ParameterError(f"holdout is a share such as 10% or a span such as 7d, not {self.holdout!r}")
        return share

    @property
    def auto(self) -> bool:
        """Whether the candidates are those that ``fit`` compares."""
        return AUTO in self.models

    def reading(self, live: Recipe | None = None) -> dict[str, Any]:
        """The options of ``read_interactions``.

        Where none of the settings says what an event counts, that is the recipe of the active model.
        """
        given = {name: getattr(self, name) for name in READING if getattr(self, name)}
        if "kind" in given:
            given["kinds"] = given.pop("kind")
        if live is not None and not any(getattr(self, name) for name in WEIGHING):
            given |= _as_options(live)
        if live is not None and (own := [name for name in live.contexts if name not in live.people]):
            given.setdefault("context", ",".join(own))
        use, source = parse_opinion(self.opinion or None)
        if use is not None:
            given |= {"opinion": use, "opiner": opiner_of(source)}
        elif live is not None and live.opinion is not None:
            given["opinion"] = live.opinion
        return given

    def check(self) -> None:
        """Check the names of models and of the metric, which loads the registry, and the extra of an index.

        Raises ``ParameterError``, and ``MissingExtraError`` where the extra is missing.
        """
        from penchant.evaluation.measure import parse_metric
        from penchant.models.registry import parse

        if parse_metric(self.metric).overall:
            raise ParameterError(f"metric: {self.metric} has no value per case: choose an accuracy metric")
        for name in self.models:
            if name != AUTO:
                parse(name)
        if self.index:
            library()
        if not self.sources:
            raise DataError("no log is named", fix='Set sources = ["store"] or ["events.csv"] in [train].')

    def to_json(self) -> dict[str, Any]:
        """All settings as plain values."""
        return {**asdict(self), "sources": list(self.sources), "models": list(self.models)}


def _as_options(recipe: Recipe) -> dict[str, Any]:
    """The options of ``read_interactions`` that give this recipe."""
    kinds = {kind: f"{weight}:cancels" if kind in recipe.cancels else weight for kind, weight in recipe.kinds.items()}
    given: dict[str, Any] = {"values": recipe.values_are, "weight": recipe.weight, "refund": recipe.refund}
    given |= {"positive": recipe.positive} if recipe.positive else {}
    return given | ({"kinds": kinds} if kinds else {}) | {"max_history": recipe.max_history}
