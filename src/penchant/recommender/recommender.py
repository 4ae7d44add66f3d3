"""The recommender that people hold, save, load and serve: a model, its items, and how events become a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Bools, Histories, Ints, Longs
from penchant.core.nearest_items import RECALL
from penchant.core.outputs import refuse_existing, refuse_inputs
from penchant.core.rank import check_k, check_most, rank_by_popularity, without_tired
from penchant.core.run import Progress
from penchant.data.events import Events, read_events
from penchant.data.liked_for import aspects_of
from penchant.data.people import throughout
from penchant.data.recipe import Recipe
from penchant.data.translate import Translation
from penchant.data.vocab import Vocab
from penchant.errors import DataError, ParameterError, UnknownItemError
from penchant.models.kinds.base import Model
from penchant.models.kinds.composite import with_members
from penchant.models.kinds.products import ProductModel
from penchant.ranking.moods import Moods
from penchant.recommender import bulk
from penchant.recommender.answer import Answer, Item, Why, promised
from penchant.recommender.extending import extended
from penchant.recommender.fallback import Lists, rank_or_popular, rank_similar
from penchant.recommender.folder.contents import Contents, content_version
from penchant.recommender.indexing import SLOW_MS, build_index
from penchant.recommender.masks import mask_of
from penchant.recommender.rerank import Function, Reranker
from penchant.recommender.search import rank_by_need, search
from penchant.recommender.told import Told, as_written
from penchant.text.encoder import TextEncoder
from penchant.text.opinion import Opiner

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions
    from penchant.placements.placement import Placement
    from penchant.recommender.folder.copies import Copies

History = Histories | Events | Iterable[Any]


@dataclass(eq=False)
class Recommender:
    """A fitted model with the vocabulary, catalogue and recipe that turn ids and events into answers.

    A history is a list of ids, of ``(id, value)`` pairs or of events ``{"item", "kind", "value", "time", "context",
    "text"}``, or a ``Histories`` of one row over the same items. Events are ordered by time, then as given. Unknown ids
    are left out and reported. Ids are returned as integers if those of the log were integers.
    """

    vocab: Vocab
    model: Model
    recipe: Recipe = field(default_factory=Recipe)
    catalog: Catalog | None = None
    fitted_on: dict[str, Any] = field(default_factory=dict)  # training data: events, histories, items, from, to
    text: TextEncoder | None = None  # what turned the texts of the items into the vectors of the catalogue
    opiner: Opiner | None = None  # what reads the texts of events; None: the word list
    moods: Moods | None = None  # what infers a mood that nobody states; None: it stays unknown
    placements: dict[str, Placement] = field(default_factory=dict)  # by name, see ``read_placements``; not saved
    _ranked_by: tuple[Longs, Ints] | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        if self.model.n_items > len(self.vocab):
            raise DataError(f"the model knows {self.model.n_items} items, the vocabulary only {len(self.vocab)}")

    def __repr__(self) -> str:
        return f"Recommender({self.model!r}, {self.model.n_items:,} items, version {self.version})"

    @cached_property
    def version(self) -> str:
        """Twelve hex digits of a hash over model, items and recipe: equal exactly if the answers are."""
        return content_version(self.vocab, self.recipe, self.model)

    @property
    def item_counts(self) -> Longs:
        """The number of training histories with each item, ``(n_items,)``: the order of the popularity list."""
        return self.model.item_counts

    @property
    def popularity_rank(self) -> Ints:
        """The order between equal scores; sorted again only if the counts change, as after an update."""
        if self._ranked_by is None or self._ranked_by[0] is not self.item_counts:
            self._ranked_by = (self.item_counts, rank_by_popularity(self.item_counts))
        return self._ranked_by[1]

    @property
    def remembering(self) -> str | None:
        """The name of a part of the model that keeps training histories, which could tell people apart; else None."""
        return next((type(one).name for one in reversed([*with_members(self.model)]) if one.remembers_users), None)

    # -- one person -----------------------------------------------------------------------------------------------

    def recommend(
        self, history: History, k: int = 10, *, exclude: Iterable[object] = (),
        allow: Iterable[object] | Bools | None = None, repeat: bool = False, why: bool = False, now: int | None = None,
        exact: bool = False, context: Mapping[str, Any] | None = None, most_impressions: int = 0,
        need: str | None = None, rerank: Reranker | Function | None = None,
        placement: str | Placement | None = None, person: str | None = None,
    ) -> Answer:  # fmt: skip
        """The k best items for one history, without its own items unless ``repeat``, and without disliked ones.

        - ``exclude`` and ``allow`` are ids; ``allow`` may also be a mask. Unavailable items are left out.
        - ``now`` is the moment of the request in unix seconds; by default, the newest event.
        - ``exact`` looks at every item although the model has an index (``build_index``).
        - ``context`` is what the log calls so: ``{"mood": "sad", "companion": "children"}``. What training never saw
          of it counts as missing, and the answer lists it as ``strange``.
        - ``most_impressions`` leaves out items with so many impressions since another event, but not with ``repeat``.
        - ``need`` says in words what is wanted now, "a quiet thriller". Fitting has chosen how much it counts
          (``fitted_on["need"]``), and ``why`` says so. ``rerank`` is a function of yours that orders its list.
        - ``placement``, or its name in ``placements``, decides k, ``repeat`` and all rules; ``person`` is who asks.

        The list is shorter than k if there are not enough items. A history without a known positive event gets the
        popularity list, marked ``fallback``. Raises ``ParameterError`` for k below 1, ``DataError`` for bad events.
        """
        check_k(k)
        if placement is not None:
            about: dict[str, Any] = {"now": now, "context": context, "person": person, "why": why}
            from penchant.recommender import placing

            return placing.answer(self, history, placement, allow=mask_of(self, allow, exclude), **about)
        history = history if isinstance(history, Histories) else self.heard(history)
        given, unknown = self.histories(history, now=now, context=context)
        mask = mask_of(self, allow, exclude)
        if need is not None:
            found, told = rank_by_need(self, given, need, k, allow=mask, repeat=repeat, why=why)
            answer = self._answer(found, 0, unknown=unknown, whys=told)
            return answer if rerank is None else Reranker.of(rerank)(answer, need, given, self)
        ranked = rank_or_popular(
            self.model, given, k, exclude=None if repeat else without_tired(given, check_most(most_impressions)),
            repeat=repeat, allow=mask, popularity_rank=self.popularity_rank, threads=1, exact=exact,
        )  # fmt: skip
        chosen = ranked.items[0][ranked.items[0] >= 0]
        whys = self._whys(given, chosen.tolist()) if why else None
        if whys is not None and isinstance(history, Events):
            whys = Told.of(history).beside(whys, chosen.tolist(), self.catalog)
        answer = self._answer(ranked, 0, unknown=unknown, whys=whys)
        return answer if context is None else replace(answer, strange=self.recipe.encode([context])[1])

    def explain(
        self, history: History, item: object, *, now: int | None = None, context: Mapping[str, Any] | None = None
    ) -> Item:
        """Why one item has its score for a history; raises ``UnknownItemError`` for an unknown item."""
        given, _ = self.histories(history, now=now, context=context)
        index = self.known(item)
        (explanation,) = self.model.explain_items(given, [index])
        why = Why.of(explanation, given, self, self.recipe.contexts)
        return Item.listed([index], [explanation.score], self, [why])[0]

    def similar(
        self, item: object, k: int = 10, *, exclude: Iterable[object] = (),
        allow: Iterable[object] | Bools | None = None,
    ) -> Answer:  # fmt: skip
        """The k items most similar to one, without itself and without items of similarity zero or less.

        Raises ``UnknownItemError`` for an unknown item and ``ParameterError`` for k below 1.
        """
        check_k(k)
        index = self.known(item)
        return self._answer(self.rank_similar(index, k, allow=mask_of(self, allow, exclude)), 0)

    def rank_similar(self, index: int, k: int, *, allow: Bools | None = None) -> Lists:
        """``similar`` for an item index: one list of item indexes, shorter than k where similarity ends."""
        return rank_similar(self.model, index, k, allow=allow, popularity_rank=self.popularity_rank)

    def search(self, text: str, k: int = 10, *, history: History | None = None) -> Answer:
        """The k items that answer a question best, by the words of their titles and, where the texts of the items have
        vectors, by meaning; with a ``history``, by taste too.

        Items that match neither are left out. Raises ``ParameterError`` for k below 1 or a question that is no text.
        """
        check_k(k)
        given, unknown = (None, []) if history is None else self.histories(history)
        items, scores = search(self, text, k, given)
        return Answer(Item.listed(items, scores, self), False, unknown, type(self.model).name, self.version)

    # -- a whole log ----------------------------------------------------------------------------------------------

    def recommend_all(
        self, log: Interactions, k: int = 10, *, repeat: bool = False, memory: int = bulk.MEMORY, exact: bool = False,
        most_impressions: int = 0, placement: str | Placement | None = None,
    ) -> Iterator[Answer]:  # fmt: skip
        """``recommend`` for every user of a log, in the order of the log, in blocks of at most ``memory`` bytes."""
        for block in self._blocks(log, k, repeat, memory, exact, most_impressions, placement):
            yield from bulk.answers(block, self._answer)

    def write_all(
        self, log: Interactions, path: str | Path, k: int = 10, *, repeat: bool = False, memory: int = bulk.MEMORY,
        progress: Progress | None = None, spreadsheet: bool = False, force: bool = False,
        before: Callable[[], None] | None = None, each: Callable[[bulk.Block], None] | None = None,
        exact: bool = False, most_impressions: int = 0, placement: str | Placement | None = None, why: bool = False,
    ) -> int:  # fmt: skip
        """``recommend_all`` into a ``.parquet``, ``.jsonl`` or ``.csv`` file; returns the number of users.

        In a ``.csv`` file, titles that a spreadsheet would run as formulas get a ``'`` before them; with
        ``spreadsheet`` ids do, too. The file appears when it is complete. ``progress`` is called with a stage, the
        users done and their total, ``each`` with every block of lists, and ``before`` when the file is complete, just
        before it appears. The lists of a ``placement`` also have the ``url`` and ``image`` of the catalogue, and with
        ``why`` the event that speaks most for each item. Raises ``ParameterError`` for another file ending, for a file
        that ``log`` was read from, and for one that exists, unless ``force`` replaces it.
        """
        refuse_inputs(Path(path), log.report.inputs)
        refuse_existing(Path(path), force=force)
        made = self._blocks(log, k, repeat, memory, exact, most_impressions, placement, why=why)
        bulk.write(
            Path(path), made if each is None else bulk.told(made, each), self._answer, self.vocab, self.catalog,
            progress, spreadsheet=spreadsheet, before=before,
        )  # fmt: skip
        return log.n_users

    def _blocks(
        self, log: Interactions, k: int, repeat: bool, memory: int, exact: bool, most: int,
        placement: str | Placement | None, *, why: bool = False,
    ) -> Iterator[bulk.Block]:  # fmt: skip
        check_k(k)
        check_most(most)
        if placement is not None:
            from penchant.recommender import placing_bulk

            yield from placing_bulk.blocks(self, log, placement, memory=memory, why=why)
            return
        given, unknown = self.translation.of_log(log)
        yield from bulk.blocks(
            self.model, given, log.user_ids, unknown, k, repeat=repeat, allow=self.available(), memory=memory,
            guests=log.guests, popularity_rank=self.popularity_rank, exact=exact, most_impressions=most,
        )  # fmt: skip

    def why_not(self, history: History, item: object, placement: str | Placement, **about: Any) -> dict[str, Any]:
        """Why an item is not in a list: its ``rank`` by the model, what it was ``removed_by`` and ``would_need``;
        ``about`` is ``now`` and ``person`` of ``recommend``. Raises ``UnknownItemError`` for an unknown item."""
        from penchant.recommender import placing

        return placing.why_not(self, history, item, placement, **about)

    # -- new items ------------------------------------------------------------------------------------------------

    def extend(self, items: Any, **reading: Any) -> list[str | int]:
        """Add the new items of an item table by their attributes, without training.

        The table must also contain the items known before; ``Catalog.read`` says how it is read, and takes ``reading``.
        Returns the new ids. Raises ``ParameterError`` for a model that learns from behaviour alone, and ``DataError``
        for a table without items that the previous one described.
        """
        vocab, catalog = extended(self, items, reading)
        before, self.vocab, self.catalog = len(self.vocab), vocab, catalog
        vars(self).pop("version", None)  # it changed
        return [self.item_id(index) for index in range(before, len(vocab))]

    # -- very many items ------------------------------------------------------------------------------------------

    def build_index(
        self, histories: Histories, *, recall: float = RECALL, slower_than: float = SLOW_MS, threads: int = 0,
        seed: int = 0,
    ) -> str:  # fmt: skip
        """Build an approximate index over the items, which lists then come from and ``save`` keeps; says what it did.

        ``histories`` choose its effort and measure its ``recall``: at most 1,000 rows, drawn with ``seed``. A model
        whose exact lists take no longer than ``slower_than`` milliseconds gets none; nor does one whose index is slower
        still, or stays below ``recall``. Raises ``ParameterError`` for a model whose scores are not inner products, and
        for a recall outside 0 to 1; ``DataError`` without histories; ``MissingExtraError`` without the extra ``index``.
        """
        return build_index(
            self.model, histories, self.popularity_rank, recall=recall, slower_than=slower_than, threads=threads,
            seed=seed,
        )  # fmt: skip

    def drop_index(self) -> None:
        """Rank exactly from now on; a folder that is saved then has no index."""
        if isinstance(self.model, ProductModel):
            self.model.index = None

    # -- keeping --------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, force: bool = False, awaited: Path | None = None) -> None:
        """Write everything to a new folder.

        The folder appears complete or not at all. An existing folder is refused. With ``force``, a saved recommender
        is replaced in one step, and anything else is still refused. Raises ``ParameterError`` for a refusal and
        ``OSError`` where the folder cannot be written. ``awaited`` is a file that is published right after it.
        """
        from penchant.recommender.folder.save import save as write

        known = vars(self).get("version")  # else saving finds it on the way
        contents = Contents(
            self.vocab, self.model, self.recipe, self.catalog, known, self.fitted_on, self.text, self.opiner, self.moods
        )
        self.version = write(contents, folder, force=force, awaited=awaited)

    # -- ids and indexes ------------------------------------------------------------------------------------------

    @property
    def translation(self) -> Translation:
        """How events become a history of this recommender's items."""
        typical, felt = self.fitted_on.get("typical_rating"), self.moods is not None
        rates, aspects = self.model.task == "rating", aspects_of(self.catalog)
        return Translation(self.vocab, self.model.n_items, self.recipe, typical, rates, self.opiner, aspects, felt)

    def histories(
        self, history: History, *, now: int | None = None, context: Mapping[str, Any] | None = None
    ) -> tuple[Histories, list[str]]:
        """One history as the model sees it, and the ids that are not known."""
        if not isinstance(history, Histories):
            heard = self.heard(history)
            plain, unknown = self.translation.of_events(heard, now=now, context=context)
            found = as_written(plain, heard, self.recipe, now)
            return (found if self.moods is None else self.moods.fill(found)[0]), unknown
        if history.n_items != (n := self.model.n_items) or len(history) != 1:
            raise ParameterError(f"a history is one row over {n} items, not {len(history)} over {history.n_items}")
        if context is not None and self.recipe.contexts:
            history = replace(history, asked=self.recipe.encode([context])[0])
        history = throughout(history, len(self.recipe.people))
        return (history if now is None else replace(history, now=np.array([now], dtype=np.int64))), []

    def heard(self, history: Events | Iterable[Any]) -> Events:
        """The events of a history, their texts read."""
        return self.translation.heard(history if isinstance(history, Events) else read_events(history))

    def index(self, item_id: object) -> int:
        """The index of an id; -1 if the model does not know it."""
        index = self.vocab.index(item_id)
        return index if index < self.model.n_items else -1

    def item_id(self, index: int) -> str | int:
        """The id of an item index, as the log spelled it."""
        return self.vocab.external(index)

    def title(self, index: int) -> str | None:
        """The title of an item index; None if it has none."""
        return None if self.catalog is None else self.catalog.title(index)

    def known(self, item_id: object) -> int:
        """The index of an id; raises ``UnknownItemError``."""
        index = self.index(item_id)
        if index < 0:
            raise UnknownItemError(f"the item {str(item_id)[:80]!r} is not known to this recommender")
        return index

    def available(self) -> Bools | None:
        """A mask of the available items, ``(n_items,)``; None if all are available."""
        known = None if self.catalog is None else self.catalog.available
        return None if known is None else known[: self.model.n_items]

    # -- answers --------------------------------------------------------------------------------------------------

    def _answer(
        self, ranked: Lists, row: int, *, unknown: Sequence[str] = (), whys: Sequence[Why] | None = None
    ) -> Answer:
        found = ranked.items[row] >= 0
        items = Item.listed(ranked.items[row][found].tolist(), ranked.scores[row][found].tolist(), self, whys)
        return Answer(
            items,
            bool(ranked.fallback[row]),
            list(unknown),
            type(self.model).name,
            self.version,
            private=promised(self.fitted_on),
        )

    def _whys(self, given: Histories, items: Sequence[int]) -> list[Why]:
        return list(Why.each(self.model.explain_items(given, items), given, self, self.recipe.contexts))


def load(
    folder: str | Path, *, statistics: bool = False, copies: Copies | None = None,
    encoder: Callable[[list[str]], Any] | None = None,
) -> Recommender:  # fmt: skip
    """The recommender of a saved folder, its arrays mapped into memory.

    ``statistics`` also loads what an updatable model is updated from; ``copies`` maps copies instead of its files, and
    ``encoder`` is the operator's function that turned texts into vectors. Raises ``DataError`` where there is no such
    folder, and ``FormatError`` where the content is not what was saved or the requested statistics are missing.
    """
    from penchant.recommender.folder.load import load as read

    contents = read(folder, statistics=statistics, copies=copies, encoder=encoder)
    kept = contents.vocab, contents.model, contents.recipe, contents.catalog, contents.fitted_on, contents.text
    recommender = Recommender(*kept, contents.opiner, contents.moods)
    if contents.version is not None:
        recommender.version = contents.version
    return recommender


def save(recommender: Recommender, folder: str | Path, *, force: bool = False) -> None:
    """``Recommender.save`` as a function."""
    recommender.save(folder, force=force)
