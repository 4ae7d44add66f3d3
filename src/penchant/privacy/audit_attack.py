"""Attacks on a recommender: was this person's history in its training data?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from penchant.core.histories import Histories, Longs
from penchant.errors import DataError
from penchant.models.kinds.base import Model
from penchant.privacy.audit_numbers import Doubles

EVENTS = 4  # of a history that are left out, one at a time
ROWS_AT_ONCE = 1024
SPREAD = 1e-3  # the least standard deviation between shadow models
Fit = Callable[[Histories], Model]


def left_out(histories: Histories, *, seed: int) -> tuple[Histories, Longs, Longs]:
    """Shortened histories: each lacks one of up to four events, drawn at random; its person and the missing item."""
    rng = np.random.default_rng(seed)
    rows, events = [], []
    for row in np.flatnonzero(histories.lengths >= 2).tolist():
        length = int(histories.lengths[row])
        chosen = rng.choice(length, min(EVENTS, length), replace=False)
        rows += [row] * len(chosen)
        events += [int(histories.indptr[row]) + int(one) for one in chosen]
    person, event = np.array(rows, dtype=np.int64), np.array(events, dtype=np.int64)
    copies = histories[person]
    keep = np.ones(len(copies.items), dtype=np.bool_)
    keep[copies.indptr[:-1] + event - histories.indptr[person]] = False
    return copies.where(keep), person, histories.items[event].astype(np.int64)


def told(model: Model, histories: Histories, *, seed: int = 0) -> Doubles:
    """What a model tells of each history, ``(rows,)``: how high it ranks the events that it was not shown.

    The mean over left-out events of (score − mean score) / deviation of the scores of all items. A model that has
    learned a history by heart completes it. Histories of fewer than two events tell zero.
    """
    short, person, missing = left_out(histories, seed=seed)
    said = np.zeros(len(missing))
    for lo in range(0, len(missing), ROWS_AT_ONCE):
        here = slice(lo, lo + ROWS_AT_ONCE)
        scores = model.score(short[here]).astype(np.float64)
        wanted = scores[np.arange(len(scores)), missing[here]]
        said[here] = (wanted - scores.mean(axis=1)) / np.maximum(scores.std(axis=1), 1e-12)
    count = np.bincount(person, minlength=len(histories))
    return np.bincount(person, weights=said, minlength=len(histories)) / np.maximum(count, 1)


def likelihood_ratio(
    model: Model, fit: Fit, members: Histories, others: Histories, *, shadows: int, seed: int
) -> tuple[Doubles, Doubles]:
    """The log of how much likelier the model is with each person than without, for members and others.

    ``shadows`` models are fitted on random halves of all of them; what each tells of a person is normal around one mean
    with the person and another without, and a deviation common to all (Carlini et al., "Membership inference attacks
    from first principles", IEEE S&P 2022). Takes ``shadows`` fits.
    """
    both = joined(members, others)
    rng = np.random.default_rng(seed)
    inside, told_by = np.zeros((shadows, len(both)), np.bool_), np.zeros((shadows, len(both)))
    for n in range(shadows):  # in pairs that complete each other, so that everybody is in half of them
        inside[n] = rng.random(len(both)) < 0.5 if n % 2 == 0 else ~inside[n - 1]
        told_by[n] = told(fit(both[inside[n]]), both, seed=seed)
    with_them = np.where(inside, told_by, 0).sum(0) / np.maximum(inside.sum(0), 1)
    without = np.where(~inside, told_by, 0).sum(0) / np.maximum((~inside).sum(0), 1)
    rest = told_by - np.where(inside, with_them, without)
    spread = np.maximum(np.sqrt((rest**2).sum(0) / max(shadows - 2, 1)), SPREAD)
    spread = np.sqrt((spread**2 + np.mean(spread**2)) / 2)  # few shadows: half of the common one
    own = told(model, both, seed=seed)
    ratio = ((own - without) ** 2 - (own - with_them) ** 2) / (2 * spread**2)
    return ratio[: len(members)], ratio[len(members) :]


def joined(one: Histories, two: Histories) -> Histories:
    """The rows of one, then those of the other."""
    indptr = np.concatenate([one.indptr, two.indptr[1:] + one.indptr[-1]])
    return Histories(indptr, np.concatenate([one.items, two.items]), one.n_items)


def canary_guesses(fit: Fit, log: Histories, *, canaries: int, seed: int) -> tuple[int, int, int]:
    """Plant people who have one rare pair of items each, by coins; guess the coins from the model.

    Returns the right guesses, all guesses, and how many planted pairs can be seen in a list of ten. The guess is what
    the model says of the second item given the first, against the other pairs; the half that is least certain is not
    guessed.
    """
    rng = np.random.default_rng(seed)
    pairs = rare_pairs(log, canaries, rng)
    coins = rng.random(len(pairs)) < 0.5
    planted = Histories.from_lists(pairs[coins].tolist(), log.n_items)
    model = fit(joined(replace(log, values=None, values_are="none", times=None, liked=None, now=None), planted))
    said = np.zeros(len(pairs))
    seen = 0
    for lo in range(0, len(pairs), ROWS_AT_ONCE):
        some = pairs[lo : lo + ROWS_AT_ONCE]
        for at, other in ((0, 1), (1, 0)):
            scores = model.score(Histories.from_lists(some[:, at : at + 1].tolist(), log.n_items)).astype(np.float64)
            scores[np.arange(len(some)), some[:, at]] = -np.inf
            wanted = scores[np.arange(len(some)), some[:, other]]
            place = (scores > wanted[:, None]).sum(axis=1)
            said[lo : lo + len(some)] -= place
            if at == 0:
                seen += int(((place < 10) & coins[lo : lo + len(some)]).sum())
    order = np.argsort(said)
    quarter = len(pairs) // 4
    out, into = order[:quarter], order[len(order) - quarter :]
    right = int((~coins[out]).sum() + coins[into].sum())
    return right, 2 * quarter, seen


def rare_pairs(log: Histories, wanted: int, rng: np.random.Generator) -> Longs:
    """Pairs of items that nobody has together or, where there are none, the fewest; no item twice: ``(wanted, 2)``.

    Raises ``DataError`` where there are not so many items.
    """
    if 2 * wanted > log.n_items:
        raise DataError(f"{wanted} canaries take {2 * wanted} items, the model knows {log.n_items}: plant fewer")
    from scipy.sparse import csr_array

    x = csr_array((np.ones(len(log.items), np.float32), log.items, log.indptr), shape=(len(log), log.n_items))
    by_item = x.T.tocsr()
    left = rng.permutation(log.n_items)
    found = []
    for _ in range(wanted):
        first, left = int(left[0]), left[1:]
        together = (by_item[[first]] @ x).toarray()[0]
        at = int(np.argmin(together[left]))
        found.append((first, int(left[at])))
        left = np.delete(left, at)
    return np.array(found, dtype=np.int64)
