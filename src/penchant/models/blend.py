"""Blends: a weighted sum of the scores of several models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Bools, Floats, Histories, Ints
from penchant.core.log_shape import LogShape
from penchant.core.metrics import judge, ndcg
from penchant.core.rank import BLOCK_BYTES, rank_by_popularity, top_dense
from penchant.core.run import Run
from penchant.errors import ParameterError
from penchant.models import registry
from penchant.models.kinds.base import Model, hyper, learned
from penchant.models.kinds.composite import Composite

if TYPE_CHECKING:
    from penchant.core.split import Split

K = 10  # weights are chosen by NDCG at this depth
POOL = 100  # best items of each member that the choice uses
CASES = 5_000  # validation cases that it uses
ROUNDS = 4
STEPS = ((0.0, 0.25, 0.5, 2.0, 4.0), (0.0, 0.7, 0.85, 1.2, 1.4), (0.93, 1.07))  # factors of a weight, coarse to fine
BACK_IN = (0.05, 0.2)  # of the largest weight, for a member that has none
RANK_OFFSET = 60
ROWS = 32  # a block
POPULAR_ALONE = ({"model": "popular", "params": {}},)


@dataclass(kw_only=True)
class Blend(Composite):
    """Score = Σ over members of weight · normalised score.

    Scores are normalised per history: ``best`` divides them by the largest absolute score (zero stays zero),
    ``deviation`` takes the distance from the mean in standard deviations, ``rank`` the reciprocal of 60 + rank
    (Cormack, Clarke and Büttcher, "Reciprocal rank fusion", SIGIR 2009). A member that scores all items equally
    adds nothing.

    A member is a model, its name or specification as on the command line (``"als"``, ``"item-knn:shrink=20"``,
    ``"@FILE.json"``), or ``{"model": NAME, "params": {...}}``. A blend may be a member too. On the command line, ``+``
    separates members and weights: ``blend:members=als+item-knn:shrink=20,weights=2+1``.

    Without ``weights`` they are chosen when the model is fitted with validation cases, by coordinate ascent on NDCG@10
    over the best items of every member; without such cases all members have equal weights. An item that one member
    cannot score counts as its lowest; an item that none can score is -inf.

    Cost: that of the members. An empty history gets the blend of the members' answers.
    """

    name: ClassVar[str] = "blend"
    uses_negatives: ClassVar[bool] = True  # members get all events and take what they can use

    members: list[Model] = hyper((), "models, or descriptions of models, to blend; at least one", other=POPULAR_ALONE)
    weights: list[float] = hyper(
        (), "one number per member; empty: chosen on validation cases, or equal", other=(1.0, 3.0)
    )
    normalise: str = hyper(
        "best", "how scores are made comparable", choices=("best", "deviation", "rank"), other="rank"
    )

    mix: Floats = learned()  # (members,) the weights used

    def __post_init__(self) -> None:
        super().__post_init__()
        self.members = registry.members("blend", self.members)
        self.weights = [_weight(one) for one in registry.separate("blend", "weights", self.weights)]
        if not self.members:
            raise ParameterError("blend: name its members, such as blend:members=als+item-knn")
        if self.weights and len(self.weights) != len(self.members):
            raise ParameterError(f"blend: {len(self.members)} members and {len(self.weights)} weights")
        if self.weights and not (np.isfinite(self.weights).all() and min(self.weights) >= 0 and max(self.weights) > 0):
            raise ParameterError(f"blend: weights must be finite, not negative, and not all zero, got {self.weights}")

    @property
    def remembers_users(self) -> bool:  # type: ignore[override]  # of a blend it depends on the members
        """Whether any member keeps training rows."""
        return any(member.remembers_users for member in self.members)

    @property
    def uses_device(self) -> bool:  # type: ignore[override]  # of a blend it depends on the members
        """Whether any member is trained on a device."""
        return any(member.uses_device for member in self.members)

    @property
    def needs_features(self) -> bool:
        """Whether any member learns from item features."""
        return any(member.needs_features for member in self.members)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        fresh = [registry.from_json(registry.to_json(member)) for member in self.members]
        for member in fresh:
            member.fit(train, valid=valid, run=run, features=self.features)
            self.notes += [f"{member.name}: {note}" for note in member.notes]
        self.members = fresh
        self.mix = np.array(self.weights or [1 / len(fresh)] * len(fresh), dtype=np.float32)
        if not self.weights and len(fresh) > 1 and valid is not None and len(valid):
            self.mix, before, after = self.choose(valid, run)
            parts = ", ".join(f"{member.name} {w:.3f}" for member, w in zip(fresh, self.mix, strict=True))
            self.notes.append(f"weights chosen on validation: {parts}; NDCG@{K} {before:.4f} → {after:.4f}")

    def cost(self, log: LogShape) -> Cost | None:
        """As in ``Model``."""
        parts = [member.cost(log) for member in self.members]
        if any(part is None for part in parts):
            return None
        known = [part for part in parts if part is not None]
        return Cost(
            {},
            sum(part.held for part in known),
            max(part.working for part in known),
            {"items": len(known) * log.items},
            sum(part.answering for part in known),
            sum(part.mapped for part in known),
            any(part.at_most for part in known),
        )

    def _score(self, given: Histories) -> Floats:
        total = np.zeros((len(given), given.n_items), dtype=np.float32)
        able = np.zeros(total.shape, dtype=np.bool_)
        popularity_rank = rank_by_popularity(self.item_counts)
        for weight, member in zip(self.mix, self.members, strict=True):
            _add(total, able, member.score(given), weight, self.normalise, popularity_rank)
        total[~able] = -np.inf
        return total

    def choose(self, valid: Split, run: Run) -> tuple[Floats, float, float]:
        """Weights by coordinate ascent, the NDCG@10 of equal weights, and that of the weights found."""
        if len(valid) > CASES:
            valid = valid.cases(np.sort(run.rng().permutation(len(valid))[:CASES]))
        items, (scores,) = self.pool(valid, [self.normalise], run)
        return ascent(scores, judged(items, valid, K))

    def pool(self, valid: Split, scales: Sequence[str], run: Run) -> tuple[Ints, list[Floats]]:
        """The items that any weighting may rank among the best, and every member's scores for them on each scale.

        Items are ``(cases, pool)``, by popularity and padded with -1; scores are ``(members, cases, pool)``.
        """
        popularity_rank = rank_by_popularity(self.item_counts)
        seen = valid.given if valid.seen is None else valid.seen
        n = valid.given.n_items
        width = min(n, POOL * len(self.members))
        items = np.full((len(valid), width), -1, dtype=np.int32)
        pooled = [np.zeros((len(self.members), len(valid), width), dtype=np.float32) for _ in scales]
        block = max(1, int(BLOCK_BYTES // (8 * n * len(self.members))))
        report = run.report("choosing weights")
        widest = 0
        for lo in range(0, len(valid), block):
            rows = slice(lo, min(lo + block, len(valid)))
            given = valid.given[rows]
            raw = [member.score(given) for member in self.members]
            said = [[_alone(scores, scale, popularity_rank) for scores in raw] for scale in scales]
            exclude = given.without_events() if valid.repeat else seen[rows]
            best = [
                top_dense(
                    self._asked(scores, valid, rows), POOL, exclude=exclude, allow=None, popularity_rank=popularity_rank
                ).items
                for scores in said[0]
            ]
            for r, found in enumerate(np.concatenate(best, axis=1)):
                pool = np.unique(found[found >= 0])
                pool = pool[np.argsort(popularity_rank[pool])]
                widest = max(widest, len(pool))
                items[lo + r, : len(pool)] = pool
                for kept, of_scale in zip(pooled, said, strict=True):
                    for m, scores in enumerate(of_scale):
                        kept[m, lo + r, : len(pool)] = scores[r, pool]
            if report is not None:
                report(rows.stop, len(valid))
        return items[:, :widest], [kept[:, :, :widest] for kept in pooled]

    @staticmethod
    def _asked(scores: Floats, valid: Split, rows: slice) -> Floats:
        """Scores of the candidates of each case; of all items where a split has no candidates."""
        if valid.candidates is None:
            return scores
        of = valid.candidates[rows]
        asked = np.full_like(scores, -np.inf)
        asked[of.rows, of.items] = scores[of.rows, of.items]
        return asked


def judged(items: Ints, valid: Split, k: int) -> Callable[[Floats], float]:
    """The mean NDCG@k of lists that ``scores`` ``(cases, pool)`` make of pooled ``items``.

    Only the true items of a pool are ranked, by counting the items before them, which is much cheaper than sorting.
    """
    all_of_them = judge(items, valid.truth, unknown=valid.unknown_truth)
    row, column = np.nonzero(all_of_them.hits)
    gain = all_of_them.gains[row, column]
    before = np.arange(items.shape[1]) < column[:, None]
    beyond = items < 0

    def value(scores: Floats) -> float:
        of_case = np.where(beyond, -np.inf, scores)[row]
        own = of_case[np.arange(len(row)), column][:, None]
        rank = ((of_case > own) | ((of_case == own) & before)).sum(axis=1)
        gains = np.zeros((len(items), k))
        gains[row[rank < k], rank[rank < k]] = gain[rank < k]
        return float(np.nanmean(ndcg(replace(all_of_them, gains=gains), k)))

    return value


def ascent(scores: Floats, value: Callable[[Floats], float]) -> tuple[Floats, float, float]:
    """The weights ``(members,)`` of ``scores`` ``(members, cases, pool)`` with the highest value.

    They start equal and change one at a time, in ever finer steps. Also returns the value of equal weights, and the
    highest.
    """
    mix = np.full(len(scores), 1 / len(scores), dtype=np.float32)
    total = np.tensordot(mix, scores, axes=1)
    start = best = value(total)
    for steps in STEPS:
        for _ in range(ROUNDS):
            before = best
            for m in range(len(mix)):
                weight = mix[m]
                size, factors = (weight, steps) if weight > 0 else (mix.max(), BACK_IN)
                for tried in size * np.array(factors, dtype=np.float32):
                    if tried == 0 and weight >= mix.sum():
                        continue  # one member must stay
                    moved = total + (tried - mix[m]) * scores[m]
                    if (found := value(moved)) > best:
                        mix[m], total, best = tried, moved, found
            if best == before:
                break
    return mix / mix.sum(), start, best


def normalised(scores: Floats, how: str, popularity_rank: Ints) -> Floats:
    """Scores ``(rows, n_items)`` on a scale that models share, row by row; -inf stays."""
    able = np.isfinite(scores)
    out: Floats = np.where(able, scores, 0).astype(np.float32)
    count = np.maximum(able.sum(axis=1, keepdims=True), 1)
    if how == "best":
        scale = np.abs(out).max(axis=1, keepdims=True, initial=0)
        out /= np.where(scale > 0, scale, 1)
    elif how == "deviation":
        out -= (out.sum(axis=1, keepdims=True, dtype=np.float64) / count).astype(np.float32)
        out[~able] = 0
        spread = np.sqrt((out.astype(np.float64) ** 2).sum(axis=1, keepdims=True) / count)
        out /= np.where(spread > 0, spread, 1).astype(np.float32)
    else:
        for r in range(len(out)):
            mine = scores[r][able[r]]
            if len(mine) and mine.max() > mine.min():
                order = np.lexsort((popularity_rank, -scores[r]))
                out[r, order] = 1 / (RANK_OFFSET + np.arange(1, len(order) + 1))
            else:
                out[r] = 0
    out[~able] = -np.inf
    return out


def _weight(given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise ParameterError(f"blend: a weight must be a number, got {given!r}") from None


def _add(total: Floats, able: Bools, scores: Floats, weight: np.float32, how: str, popularity_rank: Ints) -> None:
    """Add normalised scores to ``total`` and mark the scored items in ``able``."""
    if len(scores) == 1 or how == "rank":  # a single history needs no compiler
        scores = normalised(scores, how, popularity_rank)
        able |= np.isfinite(scores)
        total += weight * _filled(scores)
        return
    from penchant.kernels.blend import add_scaled
    from penchant.kernels.threads import over_blocks

    by_deviation = how == "deviation"

    def work(lo: int, hi: int) -> None:
        add_scaled(lo, hi, scores, by_deviation, float(weight), total, able)

    over_blocks(work, len(scores), size=ROWS)


def _alone(scores: Floats, how: str, popularity_rank: Ints) -> Floats:
    """The contribution of one member with weight one."""
    total, able = np.zeros_like(scores), np.zeros(scores.shape, dtype=np.bool_)
    _add(total, able, scores, np.float32(1), how, popularity_rank)
    return total


def _filled(scores: Floats) -> Floats:
    """Items that a member cannot score get its lowest score."""
    able = np.isfinite(scores)
    lowest = np.where(able, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    return np.where(able, scores, np.where(np.isfinite(lowest), lowest, 0)).astype(np.float32)
