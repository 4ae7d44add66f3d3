"""The audit of a recommender: what attacks find out about who is in its training data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import DataError, ParameterError
from penchant.models.kinds.base import Model
from penchant.models.kinds.composite import members_of
from penchant.models.kinds.private import Private
from penchant.models.registry import create, to_json
from penchant.privacy.accounting import GAUSSIAN_SHARE, multiplier_for
from penchant.privacy.audit_attack import canary_guesses, likelihood_ratio, told
from penchant.privacy.audit_numbers import CONFIDENCE, Attack, chance_of, epsilon_at_least, judged
from penchant.privacy.mechanism.contributions import bounded
from penchant.privacy.mechanism.sums import Sums

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions
    from penchant.recommender.recommender import Recommender

FEWEST = 50  # members, and others
MOST = 2_000  # of each that are attacked, drawn at random
SHADOWS, CANARIES = 4, 100


@dataclass(frozen=True)
class Audit:
    """What the attacks found."""

    model: dict[str, Any]
    claim: dict[str, Any] | None  # epsilon and delta, of a private recommender
    attacks: list[Attack]
    canaries: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "model": self.model, "claim": self.claim, "attacks": [one.to_json() for one in self.attacks],
            "canaries": self.canaries,
        }  # fmt: skip


def audit(
    recommender: Recommender, members: Interactions, others: Interactions, *, shadows: int = SHADOWS,
    canaries: int = CANARIES, seed: int = 0, progress: Callable[[str], None] | None = None,
) -> Audit:  # fmt: skip
    """Attack a recommender: ``members`` were in its training data, ``others`` come from the same people and were not.

    Membership inference by what the model tells of each history, and by likelihood ratios with ``shadows`` models (0:
    without). ``canaries`` people are planted by coins into the members' log and the model is fitted again, as privately
    as this one; the coins that can be guessed bound its epsilon from below. Items that the model does not know are left
    out, and people who are in both logs are refused.

    Raises ``DataError`` for fewer than 50 members or others, people in both, and too few items for the canaries;
    ``ParameterError`` for an odd number of shadows and a model of several members.
    """
    if shadows < 0 or shadows % 2:
        raise ParameterError(f"shadows must be an even number, at least 0, got {shadows}")
    if canaries < 0:
        raise ParameterError(f"canaries must be at least 0, got {canaries}")
    if members_of(recommender.model):
        raise ParameterError(f"{type(recommender.model).name} has members of its own: audit each of them")
    if both := set(members.user_ids) & set(others.user_ids):
        raise DataError(f"{len(both):,} people are in both logs: an audit needs others who were not in training")
    say = progress or (lambda _: None)
    inside = drawn(recommender, members, seed)
    outside = drawn(recommender, others, seed + 1)
    fit = fitting(recommender)
    model = recommender.model
    say("statistics")
    attacks = [judged("score", told(model, inside, seed=seed), told(model, outside, seed=seed))]
    if shadows:
        say(f"{shadows} shadow models")
        ratios = likelihood_ratio(model, fit, inside, outside, shadows=shadows, seed=seed)
        attacks.append(judged("likelihood ratio", *ratios))
    claim = recommender.fitted_on.get("private")
    found: dict[str, Any] = {}
    if canaries:
        say(f"{canaries} canaries")
        whole = known(recommender, members)
        right, guesses, seen = canary_guesses(fit, whole, canaries=canaries, seed=seed)
        delta = 0.0 if claim is None else float(claim["delta"])
        found = {
            "planted": canaries, "guesses": guesses, "right": right, "seen_in_a_list": seen,
            "epsilon_at_least": epsilon_at_least(right, guesses, 1 - CONFIDENCE, delta),
        }  # fmt: skip
        if claim is not None:
            found["chance_of_claim"] = chance_of(right, guesses, float(claim["epsilon"]))
    claimed = None if claim is None else {"epsilon": claim["epsilon"], "delta": claim["delta"], "unit": claim["unit"]}
    return Audit(to_json(model), claimed, attacks, found)


def known(recommender: Recommender, log: Interactions) -> Histories:
    """The positives of a log over the items of a recommender, without values and times."""
    index = recommender.vocab.encode(log.vocab.ids)
    index[index >= recommender.model.n_items] = -1
    events = log.histories().timeless().positives().distinct()
    here = index[events.items] >= 0
    some = events.where(here)
    return Histories(some.indptr, index[some.items], recommender.model.n_items)


def drawn(recommender: Recommender, log: Interactions, seed: int) -> Histories:
    """At most 2,000 histories of two events or more."""
    events = known(recommender, log)
    rows = np.flatnonzero(events.lengths >= 2)
    if len(rows) < FEWEST:
        raise DataError(
            f"{len(rows)} people have two or more items that the model knows: an audit needs at least {FEWEST} members "
            "and as many others"
        )
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST])
    return events[rows]


def fitting(recommender: Recommender) -> Callable[[Histories], Model]:
    """Fits the same model on other histories, as privately as it was: simulated releases, which no ledger counts."""
    spec = to_json(recommender.model)
    claim = recommender.fitted_on.get("private")

    def plain(histories: Histories) -> Model:
        return create(spec["model"], spec["params"]).fit(histories, run=Run())

    def private(histories: Histories) -> Model:
        assert claim is not None  # or it were plain
        model = create(spec["model"], spec["params"])
        assert isinstance(model, Private)  # it was fitted so
        multiplier = multiplier_for(float(claim["epsilon"]), GAUSSIAN_SHARE * float(claim["delta"]))
        sums = Sums(bounded(histories, int(claim["max_history"])), multiplier, type(model).private_shares)
        model.item_counts = np.maximum(np.rint(sums.counts()[0]), 0).astype(np.int64)
        model.fit_private(sums, Run())
        return model

    return plain if claim is None else private
