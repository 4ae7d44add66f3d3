"""The models that can be served: list, load, swap. A broken folder never replaces a working model."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from penchant.core.histories import Histories, Ints
from penchant.core.rank import rank_by_popularity
from penchant.errors import DataError, FormatError, ParameterError, PenchantError
from penchant.privacy.forgetting import BEFORE
from penchant.recommender.answer import Answer, Item
from penchant.recommender.fallback import rank_or_popular
from penchant.recommender.folder.copies import Copies
from penchant.recommender.folder.listing import evaluation_of, saved_in
from penchant.recommender.folder.load import verify
from penchant.recommender.folder.manifest import MANIFEST, MOST_BYTES, open_regular
from penchant.recommender.recommender import Recommender, load
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.store.items import ItemChange
from penchant.store.trends import Kinds, kinds_of

SHOWN = 20  # names that a message lists
LOADED = 2  # the active and the previous model: page tokens stay valid, and a rollback is immediate
WARM_ANSWERS, WARM_EVENTS = 5, 5  # answers, and events of the history of each
UNREADABLE = (OSError, ValueError, RecursionError, FormatError)
log = logging.getLogger("penchant.serve")


def _read(path: Path) -> Any:
    """The JSON of a file, with NaN and infinities as null. Raises one of ``UNREADABLE``."""
    with open_regular(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path.name} is too large")
    return json.loads(content, parse_constant=lambda _: None)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


@dataclass(eq=False)
class ServedModel:
    """A recommender that is ready to answer, with the live catalogue."""

    name: str
    recommender: Recommender
    catalogue: LiveCatalogue
    seconds: float = 0.0  # of one warm answer
    reason_seconds: float = 0.0  # of the reasons for one item, for a history of one event
    reason_grows: bool = False  # whether they grow with the history
    kept: dict[str, Any] = field(default_factory=dict)  # results computed once from the model

    @property
    def version(self) -> str:
        return self.recommender.version

    @cached_property
    def nobody(self) -> Histories:
        """The empty history."""
        return Histories(np.zeros(2, np.int64), np.empty(0, np.int32), self.recommender.model.n_items)

    @cached_property
    def kinds(self) -> Kinds:
        """The weights of kinds for counts over everybody."""
        return kinds_of(self.recommender.recipe)

    @property
    def least(self) -> int:
        """How many people an item needs in counts over everybody."""
        return self.recommender.recipe.min_support

    @cached_property
    def popularity_rank(self) -> Ints:
        """The order among items of equal score."""
        return rank_by_popularity(self.recommender.item_counts)

    def answer(self, items: list[Item], removed: dict[str, int], degraded: Sequence[str], **more: Any) -> Answer:
        """A list of this model as an answer of the service."""
        name = type(self.recommender.model).name
        problem = "; ".join(degraded) or None
        return Answer(items, model=name, version=self.version, removed=removed, degraded=problem, **more)

    def warm(self) -> None:
        """Answer a few times, so that the first request compiles, reads and computes nothing."""
        model = self.recommender.model
        mask = self.catalogue.select(None).mask[: model.n_items]
        best = np.argsort(-model.item_counts, kind="stable")[: WARM_EVENTS * WARM_ANSWERS].tolist()
        spent = []
        for n in range(WARM_ANSWERS):
            given = self._typical(best[n::WARM_ANSWERS])
            start = time.perf_counter()
            rank_or_popular(
                model, given, 10, exclude=self.nobody, allow=mask, popularity_rank=self.popularity_rank, threads=1
            )
            spent.append(time.perf_counter() - start)
        rank_or_popular(
            model, self.nobody, 10, exclude=self.nobody, allow=mask, popularity_rank=self.popularity_rank, threads=1
        )
        self.seconds = min(spent)
        for _ in range(2 if len(given.items) else 0):  # the second time it is warm
            start = time.perf_counter()
            (explained,) = model.explain_items(given, [int(given.items[0])])
            self.reason_grows = explained.method == "leave-one-out"
            self.reason_seconds = (time.perf_counter() - start) / (len(given.items) if self.reason_grows else 1)

    def _typical(self, positions: Sequence[int]) -> Histories:
        """A history of these items as a person might have it: where the log has ratings, each has the typical one."""
        value = None
        if self.recommender.recipe.values_are == "rating":
            value = self.recommender.fitted_on.get("typical_rating") or 1.0  # folders of old versions lack it
        ids = self.recommender.vocab.ids
        events = [{"item": ids[at], "value": value, "time": n} for n, at in enumerate(positions)]
        return self.recommender.histories(events)[0]


class Models:
    """The folders that can be served, and the loaded models.

    ``root`` is a saved recommender, or a folder of them. Names come from listing it, never from a request. ``active``
    changes by one assignment: a running answer keeps its model. Arrays are mapped from ``copies``.
    """

    def __init__(
        self, root: str | Path, copies: Copies, *, allow_remembered: bool = False, exact: bool = False,
        encoder: Callable[[list[str]], Any] | None = None,
    ) -> None:  # fmt: skip
        self.root, self.copies, self.allow_remembered = Path(root).absolute(), copies, allow_remembered
        self.encoder = encoder  # the operator's function that turned item texts into vectors
        self.exact = exact  # whether lists look at every item although a model has an index
        if not self.root.exists():
            raise DataError("there is no such folder", file=str(root), fix="penchant fit LOG -o FOLDER makes one.")
        self.loaded: list[ServedModel] = []  # the active one first
        self.beside: ServedModel | None = None  # for comparison only

    @property
    def active(self) -> ServedModel:
        """The active model."""
        return self.loaded[0]

    @property
    def at_hand(self) -> list[ServedModel]:
        """Every loaded model: the active, the previous, and the one for comparison."""
        names = {one.name for one in self.loaded}
        return self.loaded if self.beside is None or self.beside.name in names else [*self.loaded, self.beside]

    @property
    def single(self) -> bool:
        """Whether the root is itself a saved recommender."""
        return (self.root / MANIFEST).is_file()

    def folders(self) -> dict[str, Path]:
        """Every folder that looks like a saved recommender, by name."""
        return saved_in(self.root)

    def describe(self) -> list[dict[str, Any]]:
        """The content of each folder by its manifest, newest first; ``broken`` says why one cannot be served."""
        active = self.loaded[0].name if self.loaded else None
        loaded = {one.name for one in self.at_hand}
        entries = []
        for name, path in self.folders().items():
            entries.append({**self._describe(name, path), "active": name == active, "loaded": name in loaded})
        gone = [one for one in self.loaded if one.name not in {entry["name"] for entry in entries}]
        for one in gone:
            document = {"name": one.name, "version": one.version, "model": type(one.recommender.model).name}
            entries.append(
                {
                    **document,
                    "created": None,
                    "broken": "its folder is gone",
                    "active": one.name == active,
                    "loaded": True,
                }
            )
        return sorted(entries, key=lambda entry: str(entry["created"]), reverse=True)

    def _describe(self, name: str, path: Path) -> dict[str, Any]:
        document: dict[str, Any] = {"name": name, "version": None, "model": None, "created": None, "broken": None}
        try:
            manifest = _read(path / MANIFEST)
            model = manifest["model"]
            document |= {
                "version": str(manifest["version"]),
                "model": str(model["model"]),
                "params": model.get("params", {}),
                "created": str(manifest["created"]),
                "fitted_on": manifest["fitted_on"],
            }
        except (*UNREADABLE, KeyError, TypeError, AttributeError) as wrong:
            document["broken"] = f"its manifest cannot be read ({type(wrong).__name__})"
        with contextlib.suppress(*UNREADABLE):
            document["evaluation"] = _read(evaluation_of(path))
        return document

    # -- loading --------------------------------------------------------------------------------------------------

    def read(self, name: str, changes: Sequence[ItemChange], fully: bool) -> ServedModel:
        """Load a folder and warm its model; ``fully`` also verifies the hash of every file.

        Raises ``PenchantError`` if it cannot be served.
        """
        path = self.folders().get(name)
        if path is None:
            raise DataError(f"there is no model {name[:80]!r} among those that can be served")
        try:
            if fully:
                verify(path, copies=self.copies)
            recommender = load(path, copies=self.copies, encoder=self.encoder)
            self._refuse_remembered(recommender)
            if self.exact:
                recommender.drop_index()
            for line in recommender.model.notes:
                log.warning("a note on a model", extra={"data": {"model": name, "note": line}})
            ready = ServedModel(name, recommender, LiveCatalogue(recommender, changes))
            ready.warm()
        except PenchantError:
            raise
        except Exception as wrong:
            raise DataError(f"{name} cannot be served ({type(wrong).__name__}: {wrong})") from wrong
        return ready

    def _refuse_remembered(self, recommender: Recommender) -> None:
        if recommender.remembering is not None and not self.allow_remembered:
            raise ParameterError(
                f"{recommender.remembering} keeps training histories, from which people could be recognised: "
                "it is served only with --allow-remembered"
            )

    def start(self, wanted: Sequence[str], changes: Sequence[ItemChange], active: str = "") -> list[str]:
        """Load the model to begin with; returns the errors of those that could not be loaded before it.

        That is the latest of ``wanted``, the models that were active before, then ``active``, then the only folder
        there is. A new folder among several never becomes active by itself. Raises ``PenchantError`` if nothing is
        left to load.
        """
        names = list(self.folders())
        if not names:
            raise DataError("there is no saved recommender in this folder", file=str(self.root))
        if active and active not in names:
            raise ParameterError(f"active: there is no model {active[:80]!r}, only {_listed(names)}")
        order = list(dict.fromkeys([*(name for name in wanted if name in names), *([active] if active else [])]))
        if not order and len(names) > 1:
            raise ParameterError(f"say which model is to be active, with --active NAME: {_listed(names)}")
        failures: list[PenchantError] = []
        for name in order or names:
            try:
                self.loaded = [self.read(name, changes, False)]
            except PenchantError as wrong:
                failures.append(wrong)
            else:
                return [str(wrong) for wrong in failures]
        if not self.single and len(names) > len(order):
            hint = f"; another one can be named with --active: {_listed(names)}"
            raise DataError(f"the active model cannot be loaded ({failures[0]}){hint}") from failures[0]
        raise failures[-1]

    def find(self, version: str) -> ServedModel | None:
        """The loaded model of a version, None if it is gone."""
        return next((one for one in self.loaded if one.version == version), None)

    def swap(self, ready: ServedModel) -> None:
        """Make this model the active one."""
        before = ready.recommender.fitted_on.get(BEFORE)  # it held people who were erased: nothing answers with it
        others = [one for one in self.loaded if one.name not in {ready.name, before} and one.version != ready.version]
        self.loaded = [ready, *others][:LOADED]
        self.drop({before} if before else set())

    def drop(self, names: Collection[str]) -> None:
        """Let go of loaded models that are not the active one."""
        self.loaded = [self.active, *(one for one in self.loaded[1:] if one.name not in names)]
        if self.beside is not None and self.beside.name in names:
            self.beside = None

    def apply(self, changes: Sequence[ItemChange]) -> None:
        """Apply item changes to every loaded catalogue."""
        for one in self.at_hand:
            for change in changes:
                one.catalogue.apply(change)
