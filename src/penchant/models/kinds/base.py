"""The base of all models: a dataclass of hyper-parameters that learns items and scores histories."""

from __future__ import annotations

import dataclasses
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.item_features import ItemFeatures
from penchant.core.memory import regardless
from penchant.core.rank import BLOCK_BYTES, Ranked, top_in_blocks
from penchant.core.run import Run
from penchant.errors import DataError, NotFittedError, ParameterError

if TYPE_CHECKING:
    from penchant.core.cost import Cost
    from penchant.core.log_shape import LogShape
    from penchant.core.split import Split

AUTO = "auto"  # of a hyper-parameter: ``fit`` estimates it
Task = Literal["ranking", "rating", "sequence"]


@dataclass(frozen=True)
class Space:
    """Where the tuner looks for a hyper-parameter: a range (log or linear) or a list of choices."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()


def hyper(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    choices: Sequence[Any] | None = None,
    space: Space | None = None,
    other: Any = None,
    when: Mapping[str, Any] | None = None,
    number: type[Any] | None = None,
    auto: bool = False,
    optional: bool = False,
    was: Mapping[Any, Any] | None = None,
) -> Any:
    """A hyper-parameter field: its default, one line of help, its bounds and where the tuner looks.

    - ``other`` is a second value that must change the scores; the contract suite holds every model to that. ``when``
      names values of other hyper-parameters without which this one has no effect.
    - ``auto``: the value may be ``"auto"``, which ``fit`` replaces by an estimate. ``optional``: it may be None. Both
      need ``number``, the type of all other values, where the default is not a number.
    - ``was`` maps values that files of earlier versions hold to what they mean now.
    """
    if number is None and type(default) in {int, float}:
        number = type(default)
    meta = {"help": help, "ge": ge, "gt": gt, "le": le, "choices": choices, "space": space, "other": other}
    meta |= {"when": dict(when or {}), "number": number, "auto": auto, "optional": optional, "was": dict(was or {})}
    return field(default=default, metadata={"hyper": meta})


def learned() -> Any:
    """A field that ``fit`` sets and ``save`` writes: an array, or a dataclass of arrays such as ``Weights``."""
    return field(init=False, default=None, repr=False, compare=False, metadata={"learned": True})


@dataclass(kw_only=True)
class Model(ABC):
    """A recommender: learns items from anonymous histories, scores any history, stores no user.

    A subclass writes ``_fit`` and ``_score`` and declares its class variables. Checks, masks, ranking and saving are
    shared by all models.
    """

    name: ClassVar[str]
    task: ClassVar[Task] = "ranking"
    learns: ClassVar[bool] = True  # False: not expected to beat popularity (popular, random, bias)
    remembers_users: ClassVar[bool] = False  # True: keeps anonymous training rows
    uses_negatives: ClassVar[bool] = False  # True: sees every event, not only the positives
    uses_device: ClassVar[bool] = False  # True: trained on ``run.device``
    uses_context: ClassVar[bool] = False  # True: the context of a request changes the answer
    assets_needed: ClassVar[tuple[str, ...]] = ()  # files that are saved beside its arrays

    notes: list[str] = field(init=False, default_factory=list, repr=False, compare=False)  # what fit reports
    assets: dict[str, bytes] = field(init=False, default_factory=dict, repr=False, compare=False)  # their content
    features: ItemFeatures | None = field(init=False, default=None, repr=False, compare=False)  # held only during fit
    item_counts: Longs = learned()  # (n_items,) training histories that hold the item; decides between equal scores

    def __post_init__(self) -> None:
        for parameter in self.hyper_parameters():
            _check(type(self).name, parameter, getattr(self, parameter.name))

    @classmethod
    def hyper_parameters(cls) -> list[dataclasses.Field[Any]]:
        """The fields that are hyper-parameters, in the order they are declared."""
        return [f for f in dataclasses.fields(cls) if f.init]

    @classmethod
    def learned_fields(cls) -> list[str]:
        """The names of the fields that ``fit`` sets."""
        return [f.name for f in dataclasses.fields(cls) if f.metadata.get("learned")]

    @classmethod
    def number_types(cls) -> dict[str, type[Any] | None]:
        """Whether each hyper-parameter is a whole number (``int``), a number (``float``) or neither, by name."""
        return {f.name: f.metadata["hyper"]["number"] for f in cls.hyper_parameters() if "hyper" in f.metadata}

    def params(self) -> dict[str, Any]:
        """The hyper-parameters by name."""
        return {f.name: getattr(self, f.name) for f in self.hyper_parameters()}

    @property
    def needs_features(self) -> bool:
        """Whether this model, with its parameters, learns from item features, which ``fit`` must then be given."""
        return False

    @property
    def uses_features(self) -> bool:
        """Whether this model learns from item features where there are any."""
        return self.needs_features

    @property
    def n_items(self) -> int:
        """How many items the model knows."""
        self._check_fitted()
        return len(self.item_counts)

    # -- what a model writes --------------------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        """Learn from at least one event; ``train`` holds only positives unless ``uses_negatives``."""

    @abstractmethod
    def _score(self, given: Histories) -> Floats:
        """Scores ``(len(given), n_items)``, float32; zeros for an empty row unless the model knows better."""

    def _explain(self, given: Histories, items: Longs) -> list[Explanation]:
        """Explanations of items for one history; leave-one-out unless the model knows the exact contributions."""
        total: Floats = self.score(given)[0, items]
        events = len(given.items)
        without = np.empty((events, len(items)), dtype=np.float32)
        size = max(1, int(BLOCK_BYTES // (4 * max(1, given.n_items) + 32 * max(1, events))))
        for lo in range(0, events, size):
            hi = min(lo + size, events)
            keep = np.ones((hi - lo, events), dtype=np.bool_)
            keep[np.arange(hi - lo), np.arange(lo, hi)] = False
            shortened = given[np.zeros(hi - lo, dtype=np.int64)].where(keep.ravel())
            without[lo:hi] = self.score(shortened)[:, items]
        return [
            Explanation("leave-one-out", float(total[n]), 0.0, (total[n] - without[:, n]).astype(np.float32))
            for n in range(len(items))
        ]

    def cost(self, log: LogShape) -> Cost | None:
        """What fitting on a log of that shape takes, and answering; None: unknown.

        The contract suite holds every registered model to it, and ``python -m bench plan`` compares it with what
        happens.
        """
        return None

    # -- what everyone calls --------------------------------------------------------------------------------------

    def fit(
        self,
        train: Histories,
        *,
        valid: Split | None = None,
        run: Run = Run(),  # noqa: B008  # frozen
        features: ItemFeatures | None = None,
    ) -> Self:
        """Learn from histories and return self; fitting again starts from scratch.

        ``features`` describe the items (``Catalog.features()``); models that learn from behaviour alone ignore them.
        Raises ``DataError`` when ``train`` holds no usable event, and when needed features are missing or describe
        other items.
        """
        if features is None and self.needs_features:
            raise DataError(f"{self.name} recommends by item features: give it a catalogue with attributes or vectors")
        if features is not None and self.needs_features and features.vectors is None and not features.names:
            raise DataError(f"{self.name}: the catalogue holds neither attributes nor vectors of any item")
        if features is not None and features.n_items != train.n_items:
            raise DataError(f"the item features describe {features.n_items} items, the histories {train.n_items}")
        used = train if self.uses_negatives else train.positives()
        if len(used.items) == 0:
            raise DataError(f"{self.name}: nothing to learn from: the training histories hold no usable event")
        for name in self.learned_fields():
            setattr(self, name, None)
        self.notes = []
        self.item_counts = train.positives().counts()
        self.features = features
        try:
            with regardless(run.ignore_plan):
                self._fit(used, valid, run)
        finally:
            self.features = None
        return self

    def score(self, given: Histories) -> Floats:
        """Scores of every item for every history, ``(len(given), n_items)``: higher is better, -inf never.

        Raises ``NotFittedError`` before ``fit`` and ``DataError`` when the histories are over other items.
        """
        self._check_given(given)
        return self._score(given if self.uses_negatives else given.positives())

    def net_score(self, given: Histories) -> Floats:
        """The scores that lists are made of: ``score``, unless dislikes are subtracted."""
        return self.score(given)

    def top(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked:
        """Top k of every row, in blocks of bounded memory; ``core.rank.rank`` is the door to it."""
        self._check_given(given)
        return top_in_blocks(
            self.score, given, k, exclude=exclude, allow=allow, popularity_rank=popularity_rank, threads=threads
        )

    def near(
        self, given: Histories, k: int, *, exclude: Histories, allow: Bools | None, popularity_rank: Ints, threads: int
    ) -> Ranked | None:
        """``top`` from an index over the items; None where the model has none."""
        return None

    def score_bytes(self, given: Histories) -> int:
        """Bytes that ``top`` holds for one of these histories beside its list: dense scores, in some steps."""
        return 16 * self.n_items

    def top_candidates(
        self, given: Histories, k: int, *, candidates: Histories, exclude: Histories, allow: Bools | None,
        popularity_rank: Ints, threads: int,
    ) -> Ranked:  # fmt: skip
        """``top`` where each row is limited to its own candidates."""
        self._check_given(given)
        return top_in_blocks(
            self.net_score, given, k, candidates=candidates, exclude=exclude, allow=allow,
            popularity_rank=popularity_rank, threads=threads, arrays=2 if given.has_dislikes else 1,
        )  # fmt: skip

    def similar(self, item: int) -> Floats:
        """How similar each item is to ``item``, ``(n_items,)``: the scores of a history of that one item."""
        scores: Floats = self.score(Histories.from_lists([[item]], self.n_items))[0]
        return scores

    def explain(self, given: Histories, item: int) -> Explanation:
        """Why ``item`` scores what it does for the one history ``given``: one contribution per event, oldest first."""
        return self.explain_items(given, [item])[0]

    def explain_items(self, given: Histories, items: Sequence[int]) -> list[Explanation]:
        """Why each of ``items`` scores what it does for the one history ``given``: one contribution per event of it.

        Models whose score is a sum over events answer exactly. For the others a contribution is the score minus the
        score without that event: every shortened history is scored once for all items, in blocks of bounded memory.
        Raises ``ParameterError`` unless ``given`` is one history.
        """
        if len(given) != 1:
            raise ParameterError(f"an explanation is for one history, got {len(given)}")
        self._check_given(given)
        return self._explain(given, np.asarray(items, dtype=np.int64))

    def check_loaded(self) -> None:  # noqa: B027  # most models have nothing to check
        """Raise ``FormatError`` unless what was read from a folder fits together."""

    # -- checks ---------------------------------------------------------------------------------------------------

    def _check_fitted(self) -> None:
        if self.item_counts is None:
            raise NotFittedError(f"{self.name} has not been fitted: call fit first")

    def _check_given(self, given: Histories) -> None:
        self._check_fitted()
        if given.n_items != len(self.item_counts):
            raise DataError(f"{self.name} knows {len(self.item_counts)} items, the histories are over {given.n_items}")


@dataclass(frozen=True)
class Contribution:
    """What one feature adds to a score, in words; ``{0}`` in them is the first context of the request, and so on."""

    name: str
    words: str
    contribution: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """The score of one item and the contribution of each event; ``exact``: score = base + sum of parts and features."""

    method: Literal["exact", "leave-one-out"]
    score: float
    base: float
    parts: Floats  # (events,)
    features: tuple[Contribution, ...] = ()  # of what else the model looks at


def events_used(given: Histories, used: Histories) -> Longs:
    """Which event of the one history ``given`` each event of ``used`` is, its positives without some of the repeats.

    Of a repeated item the newest positive event is taken, then the one before it, as often as ``used`` holds the item.
    """
    positive = np.ones(len(given.items), dtype=np.bool_)
    if given.liked is not None:
        positive = given.liked
    elif given.values_are == "weight" and given.values is not None:
        positive = given.values > 0
    newest_first: dict[int, list[int]] = {}
    for event in np.flatnonzero(positive)[::-1].tolist():
        newest_first.setdefault(int(given.items[event]), []).append(event)
    found = [newest_first[item].pop(0) for item in used.items[::-1].tolist()]
    return np.array(found[::-1], dtype=np.int64)


def _check(model: str, parameter: dataclasses.Field[Any], value: Any) -> None:
    meta = parameter.metadata.get("hyper")
    if meta is None or (value is None and meta["optional"]):
        return
    if meta["auto"] and isinstance(value, str) and value == AUTO:
        return

    def wrong(expected: str) -> ParameterError:
        words = [expected, *([AUTO] if meta["auto"] else []), *(["none"] if meta["optional"] else [])]
        listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
        instead = ""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value in meta["was"]:
            instead = f"; {value:g} is now written {'none' if meta['was'][value] is None else meta['was'][value]}"
        return ParameterError(f"{model}: {parameter.name} must be {listed}, got {value!r}{instead}")

    if meta["choices"] is not None:
        if value not in meta["choices"]:
            raise wrong("one of " + ", ".join(map(str, meta["choices"])))
        return
    if isinstance(parameter.default, bool):
        if not isinstance(value, bool):
            raise wrong("true or false")
        return
    if meta["number"] is not None:
        kind = "a whole number" if meta["number"] is int else "a finite number"
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        bounds = (
            (meta["ge"], operator.ge, "≥"),
            (meta["gt"], operator.gt, ">"),
            (meta["le"], operator.le, "≤"),
        )
        limits = [f"{sign} {bound:g}" for bound, _, sign in bounds if bound is not None]
        if not is_whole and (meta["number"] is int or not isinstance(value, float) or not np.isfinite(value)):
            raise wrong(kind)
        if any(bound is not None and not holds(value, bound) for bound, holds, _ in bounds):
            raise wrong(" and ".join(limits))
