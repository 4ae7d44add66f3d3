"""Opinions learned from labelled texts: a linear model on n-grams of characters and words, in any language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Floats, Longs
from penchant.errors import DataError, FormatError
from penchant.text.clean import cleaned
from penchant.text.logistic import fit_logistic
from penchant.text.ngrams import Ngrams
from penchant.text.opinion import WORDS, Doubles, Opinions, weighed

if TYPE_CHECKING:
    import scipy.sparse as sp

FOLDS = 3
STRENGTHS = (5.0, 20.0)  # inverse regularisation, from which validation chooses
SCALES = ((0.0, 1.0), (-1.0, 1.0), (1.0, 5.0), (0.0, 10.0), (1.0, 10.0), (0.0, 100.0))  # that stars are usually on
DISLIKED, LIKED = 0.3, 0.7  # shares of the scale up to and from which stars are an opinion
DAMPING = 0.5  # of the median length of the training texts
LEAST_SLOPE = 0.05  # texts that say nothing of the stars leave every probability near the prior
ROWS = 4096  # texts that are scored at a time
ARRAYS = ("weights", "rarity")


@dataclass(frozen=True, eq=False)
class LearnedOpiner:
    """log odds = prior + slope · sum over n-grams g of w_g x_g.

    x are sublinear TF-IDF counts of hashed n-grams, divided by sqrt(|x|² + damping²): short texts say less. w comes
    from logistic regression with an L2 penalty, whose strength is chosen on held-out folds. The prior is the log odds
    of the training texts, so a text without a known n-gram has their share. The slope (Platt 1999) is fitted to the
    scores of the folds, so a probability is a share of texts. Texts that are equal stay in one fold.
    """

    ngrams: Ngrams
    weights: Floats  # (columns,)
    rarity: Floats  # (columns,)
    damping: float
    prior: float
    slope: float
    facts: dict[str, Any] = field(default_factory=dict)  # texts, positive, strength, accuracy and AUC out of fold

    name = "learned"

    @classmethod
    def learn(
        cls,
        texts: Sequence[object],
        stars: Sequence[float] | NDArray[Any],
        *,
        ngrams: Ngrams = Ngrams((1, 3), 2, 18),  # noqa: B008  # frozen
        scale: tuple[float, float] | None = None,
        seed: int = 0,
    ) -> tuple[LearnedOpiner, Doubles]:
        """Learn from texts with stars (any range, or 0/1 labels); returns the model, and the probability of each text
        by a model that has not seen it, ``(n,)``.

        Stars in the lowest 30 % of the scale are negative, those in the highest 30 % positive; those between are left
        out. The scale is the smallest usual one that holds all stars, unless ``scale`` gives its ends. Cost: about 15
        seconds for 50,000 short texts. Raises ``DataError`` where there are fewer than two positive or two negative
        texts.
        """
        positive, used = labels(np.asarray(stars, dtype=np.float64), scale)
        spoken = [cleaned(text) for text in texts]
        used &= np.array([bool(text) for text in spoken], dtype=np.bool_)
        n_positive = int((positive & used).sum())
        if min(n_positive, int(used.sum()) - n_positive) < 2:
            raise DataError(
                f"of {len(spoken):,} texts, {n_positive:,} are positive and {int(used.sum()) - n_positive:,} negative: "
                "at least two of each are needed",
                fix="Name the ends of the scale, or score with the word list.",
            )
        counts = ngrams.counts(spoken)
        fold = _folds(spoken, positive, used, seed)
        prior = float(np.log(n_positive / (used.sum() - n_positive)))
        rarity = _rarity(counts[used])
        damping = DAMPING * float(np.median(_lengths(counts[used], rarity)))
        best: tuple[float, float, Doubles] | None = None
        for strength in STRENGTHS:
            balance = np.empty(len(spoken))
            for part in range(FOLDS):
                train = used & (fold != part)
                weights = fit_logistic(_scaled(counts[train], rarity, damping), positive[train], strength, prior)
                balance[fold == part] = _scaled(counts[fold == part], rarity, damping) @ weights
            slope = _slope(balance[used], positive[used], prior)
            loss = float(np.logaddexp(0, np.where(positive, -1, 1) * (prior + slope * balance))[used].mean())
            if best is None or loss < best[0]:
                best = loss, strength, balance
        assert best is not None
        _, strength, balance = best
        slope = _slope(balance[used], positive[used], prior)
        margin = prior + slope * balance
        weights = fit_logistic(_scaled(counts[used], rarity, damping), positive[used], strength, prior)
        facts = {
            "texts": int(used.sum()), "positive": n_positive, "strength": strength,
            "accuracy": round(float(((margin > 0) == positive)[used].mean()), 4),
            "auc": round(auc(margin[used], positive[used]), 4),
        }  # fmt: skip
        made = cls(ngrams, weights, rarity, damping, prior, slope, facts)
        return made, 1 / (1 + np.exp(-np.clip(margin, -30, 30)))

    def score(self, texts: Sequence[object], *, words: int = WORDS) -> Opinions:
        """The opinion of each text, with at most ``words`` n-grams that decided it.

        A text without a known n-gram gets the share of positive texts in training, with a wide interval. Cost: about
        30 microseconds a short text, more with ``words``; memory does not grow with the number of texts, beside the
        answer.
        """
        parts = [self._score(texts[lo : lo + ROWS], words) for lo in range(0, len(texts), ROWS)]
        probability, low, high = (
            np.concatenate([np.empty(0), *(getattr(part, name) for part in parts)])
            for name in ("probability", "low", "high")
        )
        return Opinions(probability, low, high, [named for part in parts for named in part.words])

    def _score(self, texts: Sequence[object], words: int) -> Opinions:
        found = _scaled(self.ngrams.counts(texts), self.rarity, self.damping)
        balance, evidence = found @ self.weights, found @ np.abs(self.weights)
        margin = self.prior + self.slope * balance
        named = [self._named(text, sign, words) if words else [] for text, sign in zip(texts, balance > 0, strict=True)]
        return weighed(margin, balance * self.slope, evidence * self.slope, named)

    def _named(self, text: object, positive: bool, most: int) -> list[str]:
        columns, start, stop, read = self.ngrams.spans(text)
        blank = np.frombuffer(read.encode("utf-32-le"), dtype=np.uint32) == ord(" ")
        length = (stop - start - blank[start] - blank[stop - 1]).astype(np.float64)  # whole words before their parts
        value = self.weights[columns] * self.rarity[columns] * np.sqrt(length) * (1.0 if positive else -1.0)
        named: list[str] = []
        for at in _largest(value, 8 * most):
            word = read[start[at] : stop[at]].strip()
            if value[at] <= 0 or len(named) == most:
                break
            if word and not any(word in other or other in word for other in named):
                named.append(word)
        return named

    # -- keeping --------------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What ``of`` takes, as arrays."""
        return {"weights": self.weights, "rarity": self.rarity}

    def to_json(self) -> dict[str, Any]:
        """What ``of`` takes, as plain JSON values."""
        numbers = {"damping": self.damping, "prior": self.prior, "slope": self.slope}
        return {"ngrams": self.ngrams.to_json(), **numbers, "facts": self.facts}

    @classmethod
    def of(cls, data: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> LearnedOpiner:
        """What was saved; raises ``FormatError`` for anything else."""
        try:
            ngrams = Ngrams.from_json(data["ngrams"])
            damping, prior, slope = (float(data[name]) for name in ("damping", "prior", "slope"))
            json.dumps(data["facts"], allow_nan=False)
        except (KeyError, TypeError, ValueError) as wrong:
            raise FormatError(f"this describes no learned opinions ({wrong})") from None
        for name in ARRAYS:
            if name not in arrays or arrays[name].shape != (ngrams.columns,) or arrays[name].dtype != np.float32:
                raise FormatError(f"learned opinions: {name} is not an array of {ngrams.columns:,} numbers")
        if not np.isfinite([damping, prior, slope]).all() or damping < 0 or slope <= 0:
            raise FormatError("learned opinions: a number is not what was saved")
        return cls(ngrams, arrays["weights"], arrays["rarity"], damping, prior, slope, dict(data["facts"]))


def _largest(values: Doubles, most: int) -> list[int]:
    """The places of the largest values, the largest first, the earlier of equal ones first."""
    if len(values) > most:
        bound = np.partition(values, len(values) - most)[len(values) - most]
        kept = np.flatnonzero(values >= bound)
    else:
        kept = np.arange(len(values))
    found: list[int] = kept[np.argsort(-values[kept], kind="stable")][:most].tolist()
    return found


def labels(stars: Doubles, scale: tuple[float, float] | None = None) -> tuple[Bools, Bools]:
    """Which stars are positive, and which are an opinion at all; each ``(n,)``.

    Raises ``DataError`` for stars outside the scale, or a scale without length.
    """
    known = np.isfinite(stars)
    if not known.any():
        raise DataError("no text has stars or a label")
    low, high = float(stars[known].min()), float(stars[known].max())
    if scale is None:
        scale = next(((lo, hi) for lo, hi in SCALES if lo <= low and high <= hi), (low, high))
    if not scale[0] < scale[1] or low < scale[0] or high > scale[1]:
        raise DataError(f"stars from {low:g} to {high:g} do not fit a scale from {scale[0]:g} to {scale[1]:g}")
    share = (stars - scale[0]) / (scale[1] - scale[0])
    with np.errstate(invalid="ignore"):
        return share >= LIKED, (share >= LIKED) | (share <= DISLIKED)


def auc(score: Doubles, positive: Bools) -> float:
    """The chance that a positive text scores above a negative one; ties count half."""
    from scipy.stats import rankdata

    n = int(positive.sum())
    rest = len(positive) - n
    if not n or not rest:
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * rest))


def _folds(texts: list[str], positive: Bools, used: Bools, seed: int) -> Longs:
    """A fold for each text: equal texts in one, and both labels in every one, as far as there are enough."""
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(text, len(numbers)) for text in texts])
    of_group = np.zeros(len(numbers), dtype=np.int64)
    np.maximum.at(of_group, group, np.where(used, 1 + positive, 0))
    fold = np.zeros(len(numbers), dtype=np.int64)
    rng = np.random.default_rng(seed)
    for kind in range(3):
        members = rng.permutation(np.flatnonzero(of_group == kind))
        fold[members] = np.arange(len(members)) % FOLDS
    of_text: Longs = fold[group]
    return of_text


def _rarity(counts: sp.csr_matrix) -> Floats:
    """log((1 + texts) / (1 + holders)) + 1 of each column; 0 where no text has it."""
    holders = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.where(holders > 0, np.log((1 + counts.shape[0]) / (1 + holders)) + 1, 0)
    return rarity.astype(np.float32)


def _lengths(counts: sp.csr_matrix, rarity: Floats) -> Doubles:
    """The length of each row of sublinear TF-IDF."""
    squares = ((1 + np.log(counts.data)) * rarity[counts.indices]).astype(np.float64) ** 2
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    lengths: Doubles = np.sqrt(np.bincount(rows, weights=squares, minlength=counts.shape[0]))
    return lengths


def _scaled(counts: sp.csr_matrix, rarity: Floats, damping: float) -> sp.csr_matrix:
    """Sublinear TF-IDF, each row divided by its damped length."""
    import scipy.sparse as sp

    size = np.sqrt(_lengths(counts, rarity) ** 2 + damping**2)
    data = (1 + np.log(counts.data)) * rarity[counts.indices]
    data /= np.repeat(np.where(size > 0, size, 1), np.diff(counts.indptr))
    return sp.csr_matrix((data.astype(np.float32), counts.indices, counts.indptr), counts.shape)


def _slope(balance: Doubles, positive: Bools, prior: float) -> float:
    """The slope with which prior + slope · balance are log odds; targets as in Platt (1999)."""
    n, m = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (n + 1) / (n + 2), 1 / (m + 2))
    slope = 1.0
    for _ in range(50):  # Newton's method; the loss is convex
        p = 1 / (1 + np.exp(-np.clip(prior + slope * balance, -30, 30)))
        step = ((p - target) * balance).sum() / ((p * (1 - p) * balance**2).sum() + 1e-6)
        slope -= float(np.clip(step, -0.5, 0.5))
        if abs(step) < 1e-9:
            break
    return max(slope, LEAST_SLOPE)
