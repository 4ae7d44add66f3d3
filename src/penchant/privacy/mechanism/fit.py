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
from penchant.models.registry import MODELS, create, model_class, parse, stated
from penchant.privacy.accounting import (
    FEWEST_PEOPLE,
    GAUSSIAN_SHARE,
    GRID_SHARE,
    SELECTION_SHARE,
    UNIT,
    Cost,
    Promise,
    multiplier_for,
)
from penchant.privacy.mechanism.compare import compared, held_out, without
from penchant.privacy.mechanism.contributions import HALF, bounded
from penchant.privacy.mechanism.sampler import noise, refuse_seed
from penchant.privacy.mechanism.sums import Noise, Sums, threshold
from penchant.recommender.recommender import Recommender

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

FEWEST_ITEMS = 20  # of a model of pairs
PAIRED = ("gram", "gradients")  # the sums that grow with the number of items
COUNTED = 2**10  # a noised count of one, in the whole numbers of ``item_counts``


@dataclass(frozen=True, eq=False)
class Plan:
    """A release that is about to be drawn: its model, promise, cost and mechanism."""

    model: Model
    promise: Promise
    cost: Cost
    mechanism: str
    run: Run


def plan_private(log: Interactions, model: Model | str, promise: Promise, *, public: bool, run: Run = Run()) -> Plan:  # noqa: B008  # frozen
    """What a release will take, before anything is drawn from the log: what the ledger is told first.

    Raises ``ParameterError`` for a model that cannot be private, a seed, and parameters that would be estimated;
    ``DataError`` for a log of fewer than 100 people.
    """
    refuse_seed(run.seed)
    chosen = private_model(model)
    assert isinstance(chosen, Private)  # checked by private_model
    if training_rows(log)[0].n_users < FEWEST_PEOPLE:
        raise DataError(
            f"the log holds fewer than {FEWEST_PEOPLE} people: noise that hides one of them would leave nothing",
            fix="Fit privately on more people.",
        )
    multiplier = multiplier_for(promise.epsilon, GAUSSIAN_SHARE * promise.delta)
    chance = GRID_SHARE if public else GRID_SHARE + SELECTION_SHARE
    cost = Cost(multiplier, chance * promise.delta)
    return Plan(chosen, promise, cost, _mechanism(type(chosen), promise, public=public), run)


def fit_private(
    log: Interactions, model: Model | str, promise: Promise, *, catalog: Catalog | None = None, run: Run = Run(),  # noqa: B008  # frozen
    compare: bool = False, draw: Noise = noise,
) -> Recommender:  # fmt: skip
    """``plan_private`` and ``release`` in one: a recommender that no ledger counts, for tests and simulations."""
    plan = plan_private(log, model, promise, public=catalog is not None, run=run)
    return release(log, plan, catalog=catalog, compare=compare, draw=draw)


def release(
    log: Interactions, plan: Plan, *, catalog: Catalog | None = None, compare: bool = True, draw: Noise = noise
) -> Recommender:
    """Fit a model so that (epsilon, delta) of the promise holds for everything that is saved.

    A person adds the newest ``max_history`` positives, once each, at a norm of one. Without a catalogue, the items are
    those whose noised count passes a threshold; with one, they are the items that it describes, whoever has them. The
    vocabulary is in the order of ids. Hyper-parameters that are not given have fixed values for private fitting; none
    is estimated. With ``compare``, a tenth of the people is held out to judge by a noised comparison whether the model
    is better than private popularity. ``draw`` is the source of noise: only tests and simulations name another.

    Raises ``DataError`` where no item passes the threshold and where the model is not better.
    """
    chosen, promise, multiplier = plan.model, plan.promise, plan.cost.multiplier
    assert isinstance(chosen, Private)  # checked by plan_private
    used, _ = training_rows(log)
    everybody = bounded(used.histories(), promise.max_history)
    compare = compare and chosen.learns
    out = held_out(len(everybody)) if compare else np.zeros(len(everybody), dtype=np.bool_)
    events = without(everybody, out) if compare else everybody
    if catalog is not None:
        vocab, events = _public(log.vocab, catalog, events)
    else:
        vocab, events = _relabelled(log.vocab, np.flatnonzero(events.counts()), events)
    sums = Sums(events, multiplier, type(chosen).private_shares, draw=draw)
    kept = _chosen(sums, promise, type(chosen).private_items, public=catalog is not None)
    vocab = Vocab([vocab.ids[index] for index in kept.tolist()], integers=log.vocab.integers)
    chosen.item_counts = np.rint(np.maximum(sums.counts()[0], 0) * COUNTED).astype(np.int64)
    chosen.fit_private(sums, plan.run)
    private = {
        "epsilon": promise.epsilon, "delta": promise.delta, "unit": unit_of(used), "population": promise.name,
        "people": promise.population, "max_history": promise.max_history, "mechanism": plan.mechanism,
    }  # fmt: skip
    if compare:
        index = log.vocab.encode(vocab.ids).astype(np.int64)
        found = compared(chosen, _over(everybody[out], index), multiplier, draw)
        if not found.is_better:
            raise DataError(
                f"{chosen.name} is not found better than private popular: its noised gain is {found.gain:.2f}, with "
                f"noise of {found.noise:.2f}. Nothing was saved, but the ledger counts it",
                fix="More people, a larger epsilon or fewer items (--items) would help; else fit popular.",
            )
        private["compared"] = {"with": "popular", "gain": round(found.gain, 4), "noise": round(found.noise, 4)}
    notes = [*chosen.notes, _unit_note(used)] if _unit_note(used) else chosen.notes
    catalog = None if catalog is None else _described(catalog, vocab)
    seen = {"seed": None, "notes": notes, "private": private}
    return Recommender(vocab, chosen, public_recipe(log.recipe), catalog, seen)


def private_model(model: Model | str) -> Model:
    """The model, with the hyper-parameters for private fitting where a text gives none.

    Raises ``ParameterError`` for a model that cannot be private.
    """
    if isinstance(model, Model):
        made = model
    else:
        parsed, cls = parse(model), type(parse(model))
        whole = model.startswith("@")  # a file gives what it does not leave at its default
        given = {
            key: value
            for key, value in parsed.params().items()
            if (value != cls().params()[key] if whole else key in stated(model)[1])
        }
        defaults: Mapping[str, Any] = cls.private_defaults if issubclass(cls, Private) else {}
        made = create(cls.name, {**defaults, **given})
    if not isinstance(made, Private):
        raise ParameterError(f"{type(made).name} cannot be fitted privately: use {', '.join(private_names())}")
    made.check_private()
    return made


def private_names() -> list[str]:
    """The models that can be fitted privately."""
    return [name for name in MODELS if issubclass(model_class(name), Private)]


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
    return replace(recipe, weight="raw", cap=None, weight_range=None, contexts={}, people={})


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
    return Vocab([vocab.ids[one] for one in order.tolist()], integers=vocab.integers), _over(events, order)


def _over(events: Histories, items: Longs) -> Histories:
    """Histories over some of their items, in this order."""
    index = np.full(events.n_items, -1, dtype=np.int32)
    index[items] = np.arange(len(items))
    here = index[events.items]
    some = events.where(here >= 0)
    return Histories(some.indptr, index[some.items], len(items))


def _chosen(sums: Sums, promise: Promise, most: int | None, *, public: bool) -> Longs:
    """The items that are published: those that pass the threshold, and of these the largest, ``most`` at the most.

    A model of pairs takes the k largest for which the noised count of the k-th is at least √k deviations of the noise
    of a pair, which is about what the noise of a whole row amounts to; a model of gradients as if it were one.
    """
    counts, multiplier = sums.counts()
    kept = np.arange(len(counts))
    if not public:
        kept = np.flatnonzero(counts > threshold(multiplier, SELECTION_SHARE * promise.delta, promise.max_history))
        if len(kept) == 0:
            raise DataError(
                "no item passes the threshold of private selection: no model is released, but the try counts",
                fix="Give a public item table with --items, a larger epsilon, or more people.",
            )
    if most is not None:
        order = kept[np.argsort(-counts[kept], kind="stable")][:most]
        # an item of little count would bring more noise into the Gram matrix than it tells
        deviation = max(sums.multipliers[name] for name in PAIRED if name in sums.multipliers) * HALF
        worth = counts[order] >= deviation * np.sqrt(np.arange(1, len(order) + 1))
        kept = np.sort(order[: max(FEWEST_ITEMS, int(worth.sum()))])
    if len(kept) < len(counts):
        sums.keep(kept)
    return kept


def _mechanism(cls: type[Model], promise: Promise, *, public: bool) -> str:
    assert issubclass(cls, Private)
    sums = ", ".join(f"{name} {share:.0%}" for name, share in cls.private_shares.items())
    where = "public items" if public else "items by threshold"
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
