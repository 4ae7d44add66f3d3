"""From a log and a promise to a recommender: every number in it is noised, or stated before the log was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Histories, Longs
from penchant.core.run import Run
from penchant.data.catalog import Catalog
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import DataError, ParameterError
from penchant.evaluation.protocols import training_rows
from penchant.models.kinds.base import Model
from penchant.models.kinds.private import Private
from penchant.models.registry import MODELS, create, model_class, parse
from penchant.privacy.accounting import (
    FEWEST_PEOPLE,
    GAUSSIAN_SHARE,
    SELECTION_SHARE,
    UNIT,
    Cost,
    Promise,
    multiplier_for,
)
from penchant.privacy.mechanism.contributions import HALF, bounded
from penchant.privacy.mechanism.sampler import noise, refuse_seed
from penchant.privacy.mechanism.sums import Noise, Sums, threshold
from penchant.recommender.recommender import Recommender

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

FEWEST_ITEMS = 20  # of a model of pairs
COUNTED = 2**10  # a noised count of one, in the whole numbers of ``item_counts``


@dataclass(frozen=True, eq=False)
class Release:
    """A private recommender, what it promises and what it takes of the population's privacy."""

    recommender: Recommender
    promise: Promise
    cost: Cost
    mechanism: str


def fit_private(
    log: Interactions, model: Model | str, promise: Promise, *, catalog: Catalog | None = None, run: Run = Run(),  # noqa: B008  # frozen
    draw: Noise = noise,
) -> Release:  # fmt: skip
    """Fit a model so that (epsilon, delta) of ``promise`` holds for everything that is saved.

    A person adds the newest ``max_history`` positives, once each, at a norm of one. Without a catalogue, the items are
    those whose noised count passes a threshold; with one, they are the items that it describes, whoever has them. The
    vocabulary is in the order of ids. Hyper-parameters that are not given have fixed values for private fitting; none
    is estimated. ``draw`` is the source of noise: only tests and simulations, which are no releases, name another.

    Raises ``ParameterError`` for a model that cannot be private, a seed, and parameters that would be estimated;
    ``DataError`` for a log of fewer than 100 people and where no item passes the threshold.
    """
    refuse_seed(run.seed)
    chosen = private_model(model)
    assert isinstance(chosen, Private)  # checked by private_model
    used, _ = training_rows(log)
    if used.n_users < FEWEST_PEOPLE:
        raise DataError(
            f"the log holds fewer than {FEWEST_PEOPLE} people: noise that hides one of them would leave nothing",
            fix="Fit privately on more people.",
        )
    events = bounded(used.histories(), promise.max_history)
    open_items = catalog is None
    multiplier = multiplier_for(promise.epsilon, GAUSSIAN_SHARE * promise.delta)
    if catalog is not None:
        vocab, events = _public(log.vocab, catalog, events)
    else:
        vocab, events = _relabelled(log.vocab, np.flatnonzero(events.counts()), events)
    sums = Sums(events, multiplier, type(chosen).private_shares, draw=draw)
    kept = _chosen(sums, promise, type(chosen).private_items, open_items=open_items)
    vocab = Vocab([vocab.ids[index] for index in kept.tolist()], integers=log.vocab.integers)
    chosen.item_counts = np.rint(np.maximum(sums.counts()[0], 0) * COUNTED).astype(np.int64)
    chosen.fit_private(sums, run)
    cost = Cost(multiplier, SELECTION_SHARE * promise.delta if open_items else 0.0)
    mechanism = _mechanism(type(chosen), promise, open_items=open_items)
    seen = {
        "seed": None,
        "notes": [*chosen.notes, _unit_note(used)] if _unit_note(used) else chosen.notes,
        "private": {
            "epsilon": promise.epsilon, "delta": promise.delta, "unit": unit_of(used), "population": promise.name,
            "people": promise.population, "max_history": promise.max_history, "mechanism": mechanism,
        },
    }  # fmt: skip
    catalog = None if catalog is None else _described(catalog, vocab)
    return Release(Recommender(vocab, chosen, public_recipe(log.recipe), catalog, seen), promise, cost, mechanism)


def private_model(model: Model | str) -> Model:
    """The model, with the hyper-parameters for private fitting where a text gives none.

    Raises ``ParameterError`` for a model that cannot be private.
    """
    if isinstance(model, Model):
        made = model
    else:
        given, cls = parse(model), type(parse(model))
        usual = cls()
        stated = {key: value for key, value in given.params().items() if value != usual.params()[key]}
        defaults: Mapping[str, Any] = cls.private_defaults if issubclass(cls, Private) else {}
        made = create(cls.name, {**defaults, **stated})
    if not isinstance(made, Private):
        raise ParameterError(f"{type(made).name} cannot be fitted privately: use {', '.join(private_names())}")
    return made


def private_names() -> list[str]:
    """The models that can be fitted privately."""
    return [name for name, entry in MODELS.items() if not entry.extra and issubclass(model_class(name), Private)]


def unit_of(log: Interactions) -> str:
    """What the promise protects."""
    return "one session, added or removed" if log.sessions else UNIT


def _unit_note(log: Interactions) -> str:
    """A warning where some are protected less."""
    return (
        "guests are protected for each session, not for all their sessions together" if log.guests is not None else ""
    )


def public_recipe(recipe: Recipe) -> Recipe:
    """The parts of a recipe that are stated, not read off the log: no curve, range or contexts."""
    return replace(recipe, weight="raw", cap=None, weight_range=None, contexts={})


def _public(vocab: Vocab, catalog: Catalog, events: Histories) -> tuple[Vocab, Histories]:
    """The items of a public table."""
    described = catalog.described()
    items = np.array([index for index, item_id in enumerate(vocab.ids) if item_id in described], dtype=np.int64)
    if len(items) == 0:
        raise DataError("the item table describes no item: a public list of items needs a title or an attribute each")
    return _relabelled(vocab, items, events)


def _relabelled(vocab: Vocab, items: Longs, events: Histories) -> tuple[Vocab, Histories]:
    """Some items, in the order of their ids, which says nothing about the log."""
    order = np.array(sorted(items.tolist(), key=lambda index: vocab.ids[index]), dtype=np.int64)
    index = np.full(len(vocab), -1, dtype=np.int32)
    index[order] = np.arange(len(order))
    here = index[events.items]
    some = events.where(here >= 0)
    ids = [vocab.ids[one] for one in order.tolist()]
    return Vocab(ids, integers=vocab.integers), Histories(some.indptr, index[some.items], len(order))


def _chosen(sums: Sums, promise: Promise, most: int | None, *, open_items: bool) -> Longs:
    """The items that are published: those that pass the threshold, and of these the largest, ``most`` at the most.

    A model of pairs takes the k largest for which the noised count of the k-th is at least √k deviations of the noise
    of a pair, which is about what the noise of a whole row amounts to.
    """
    counts, multiplier = sums.counts()
    kept = np.arange(len(counts))
    if open_items:
        kept = np.flatnonzero(counts > threshold(multiplier, SELECTION_SHARE * promise.delta, promise.max_history))
        if len(kept) == 0:
            raise DataError(
                "no item passes the threshold of private selection: nothing was released",
                fix="Give a public item table with --items, a larger epsilon, or more people.",
            )
    if most is not None:
        order = kept[np.argsort(-counts[kept], kind="stable")][:most]
        # an item of little count would bring more noise into the Gram matrix than it tells
        deviation = sums.multipliers["gram"] * HALF
        worth = counts[order] >= deviation * np.sqrt(np.arange(1, len(order) + 1))
        kept = np.sort(order[: max(FEWEST_ITEMS, int(worth.sum()))])
    if len(kept) < len(counts):
        sums.keep(kept)
    return kept


def _mechanism(cls: type[Model], promise: Promise, *, open_items: bool) -> str:
    assert issubclass(cls, Private)
    sums = ", ".join(f"{name} {share:.0%}" for name, share in cls.private_shares.items())
    where = "items by threshold" if open_items else "public items"
    return f"discrete Gaussian on {sums}; at most {promise.max_history} events a person; {where}"


def _described(catalog: Catalog, vocab: Vocab) -> Catalog:
    """The public table, for the items that were kept."""
    index = catalog.vocab.encode(vocab.ids)
    rows = index.tolist()
    return Catalog(
        vocab,
        [catalog.titles[row] for row in rows],
        {name: [column[row] for row in rows] for name, column in catalog.attributes.items()},
        None if catalog.vectors is None else catalog.vectors[index],
        None if catalog.available is None else catalog.available[index],
        None if catalog.domains is None else [catalog.domains[row] for row in rows],
    )
