"""A mood that nobody states, inferred from the session: how fast it goes, what is skipped, and what was chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.errors import DataError, FormatError
from penchant.ranking.questions import positive_events

PAUSE = 1800  # seconds after which the next event is another session
NEWEST = 20  # events of a session that are looked at
FIRM = 5.0  # events added to the counts of an item, shared like those of all items
FOLDS = 5  # parts of the histories; what is learned of a part comes from the others
STRENGTH = 1.0  # penalty on the weights
SURE = 0.5  # share from which a mood is taken for the one that holds
BINS = 10  # of the calibration error
PACE = 6  # features that are not about items: gaps, length, skips, values, hour
Doubles = NDArray[np.float64]


@dataclass(eq=False)
class Moods:
    """How likely each value of one context is, given a session: multinomial logistic regression, calibrated.

    p(m | session) = softmax((w_m · x + b_m) / T), x = the summed emotional profiles of the session's items, and its
    pace: gaps between events, length, the share of skips, the mean rating, the hour. T comes from held-out predictions
    (Guo et al., "On calibration of modern neural networks", 2017). An item's profile is
    log((n_im + c·p_m) / (n_i + c) / p_m): how much more often it is chosen in a mood, shrunken to the item's mean, with
    c = 5. What is known of a history comes from other histories. All arrays, to be saved.
    """

    column: int  # which context
    profile: Floats  # (n_items, moods)
    weights: Floats  # (features + 1, moods) the last row is added
    centre: Floats  # (features,)
    spread: Floats  # (features,)
    temperature: float
    judged: dict[str, float]  # on histories that were left out: macro-F1, accuracy, majority, calibration error

    @classmethod
    def fit(cls, train: Histories, column: int) -> Moods:
        """Learn from the events that state the context; raises ``DataError`` where there are fewer than two values.

        Cost: linear in the events; an event is looked at with those of its session before it.
        """
        codes = None if train.context is None else train.context[:, column]
        stated = np.empty(0, np.int64) if codes is None else np.flatnonzero(codes >= 0)
        moods = int(codes.max(initial=-1)) + 1 if codes is not None else 0
        if codes is None or len(np.unique(codes[stated])) < 2:
            raise DataError("a mood cannot be inferred: no two values of this context are stated")
        fold = np.arange(len(train)) % FOLDS
        given = sessions_until(train, stated)
        answer = codes[stated].astype(np.int64)
        of = fold[train.rows[stated]]
        size = moods + PACE
        x = np.zeros((len(stated), size))
        for part in range(FOLDS):
            mine = of == part
            if mine.any():
                others = train.where(fold[train.rows] != part)
                x[mine] = seen(given[np.flatnonzero(mine)], profiles(others, column, moods))
        centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
        z = np.concatenate([(x - centre) / spread, np.ones((len(x), 1))], axis=1)
        left_out = np.zeros((len(x), moods))
        for part in range(FOLDS):
            mine = of == part
            if mine.any() and not mine.all():
                left_out[mine] = z[mine] @ _regression(z[~mine], answer[~mine], moods)
        temperature = _temperature(left_out, answer)
        return cls(
            column,
            profiles(train, column, moods).astype(np.float32),
            _regression(z, answer, moods).astype(np.float32),
            centre.astype(np.float32),
            spread.astype(np.float32),
            temperature,
            judged(shares(left_out / temperature), answer),
        )

    def infer(self, given: Histories) -> Doubles:
        """The share of each mood at the moment of each request ``(rows, moods)``, from its session so far."""
        x = seen(latest(given), self.profile.astype(np.float64))
        z = np.concatenate([(x - self.centre) / self.spread, np.ones((len(x), 1))], axis=1)
        return shares(np.asarray(z @ self.weights.astype(np.float64) / self.temperature))

    def fill(self, given: Histories) -> tuple[Histories, Doubles]:
        """The histories with the mood of each request that states none and whose session tells one; then all shares."""
        found = self.infer(given)
        best = found.argmax(axis=1)
        asked = np.full((len(given), self.column + 1), -1, np.int32) if given.asked is None else given.asked.copy()
        if asked.shape[1] <= self.column:
            asked = np.concatenate(
                [asked, np.full((len(given), self.column + 1 - asked.shape[1]), -1, np.int32)], axis=1
            )
        sure = found[np.arange(len(given)), best] >= SURE
        silent = (asked[:, self.column] < 0) & sure & (latest(given).lengths > 0)
        asked[silent, self.column] = best[silent]
        how = np.zeros_like(asked)
        if given.inferred is not None:
            how[:, : given.inferred.shape[1]] = given.inferred
        how[silent, self.column] = 1
        return replace(given, asked=asked, inferred=how), found

    def arrays(self) -> dict[str, np.ndarray]:
        """To be saved."""
        return {name: getattr(self, name) for name in ("profile", "weights", "centre", "spread")}

    def to_json(self) -> dict[str, Any]:
        """What is no array."""
        return {"column": self.column, "temperature": self.temperature, "judged": self.judged}

    @classmethod
    def of(cls, stated: dict[str, Any], arrays: dict[str, np.ndarray], n_items: int) -> Moods:
        """Read back; raises ``FormatError`` unless everything fits."""
        names = ("profile", "weights", "centre", "spread")
        column: Any = stated.get("column")
        temperature: Any = stated.get("temperature")
        told: Any = stated.get("judged")
        good = set(arrays) == set(names) and set(stated) == {"column", "temperature", "judged"}
        good = good and type(column) is int and column >= 0 and isinstance(temperature, float) and temperature > 0
        good = good and isinstance(told, dict) and all(type(value) is float for value in told.values())
        if good:
            profile, weights, centre, spread = (arrays[name] for name in names)
            moods = profile.shape[1] if profile.ndim == 2 else 0
            good = profile.shape == (n_items, moods) and weights.shape == (moods + PACE + 1, moods) and moods > 1
            good = good and centre.shape == spread.shape == (moods + PACE,) and bool((spread > 0).all())
        if not good:
            raise FormatError("what infers moods does not fit together")
        return cls(column, profile, weights, centre, spread, temperature, told)


def profiles(train: Histories, column: int, moods: int) -> Doubles:
    """How much more often each item is chosen in each mood ``(n_items, moods)``: the logarithm, shrunken to nothing."""
    assert train.context is not None  # checked by ``fit``
    codes = train.context[:, column]
    known = (codes >= 0) & positive_events(train) if train.values_are != "rating" else codes >= 0
    count = np.zeros((train.n_items, moods))
    np.add.at(count, (train.items[known], codes[known]), 1)
    share = (count.sum(axis=0) + 1) / (count.sum() + moods)
    whole = count.sum(axis=1, keepdims=True)
    return np.asarray(np.log((count + FIRM * share) / (whole + FIRM) / share))


def sessions_until(train: Histories, events: Longs) -> Histories:
    """For each event its session up to it: the newest 20 events with no longer pause between them, itself the last.

    Without an order, it is the event alone.
    """
    rows = train.rows
    number = np.arange(len(train.items))
    begins = number == train.indptr[rows]
    if train.times is not None:
        begins[1:] |= np.diff(train.times) > PAUSE
    start = np.maximum.accumulate(np.where(begins, number, 0))[events] if train.ordered else events
    start = np.maximum(start, events - NEWEST + 1)
    lengths = events - start + 1
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    at = np.arange(indptr[-1]) - np.repeat(indptr[:-1] - start, lengths)
    return Histories(
        indptr, train.items[at], train.n_items, None if train.values is None else train.values[at], train.values_are,
        None if train.times is None else train.times[at], None if train.liked is None else train.liked[at],
        ordered=train.ordered,
    )  # fmt: skip


def latest(given: Histories) -> Histories:
    """The session of each request: its last events, none where the last is longer ago than a pause."""
    last = given.indptr[1:] - 1
    some = np.flatnonzero(given.lengths > 0)
    found = sessions_until(given, last[some])
    if given.now is not None and given.times is not None:
        late = given.now[some] - given.times[last[some]] <= PAUSE
        some, found = some[late], found[np.flatnonzero(late)]
    lengths = np.zeros(len(given), np.int64)
    lengths[some] = found.lengths
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Histories(
        indptr, found.items, found.n_items, found.values, found.values_are, found.times, found.liked,
        ordered=found.ordered,
    )  # fmt: skip


def seen(given: Histories, profile: Doubles) -> Doubles:
    """The features of each session ``(rows, moods + 6)``."""
    rows, n = given.rows, len(given)
    positive = positive_events(given)
    weight = positive.astype(np.float64)
    total = np.zeros((n, profile.shape[1]))  # every event adds to what is known
    np.add.at(total, rows, weight[:, None] * profile[given.items])
    lengths = given.lengths
    gaps, last, hour = np.zeros(n), np.zeros(n), np.zeros(n)
    if given.times is not None and len(given.items):
        same = np.concatenate([[False], rows[1:] == rows[:-1]])
        step = np.concatenate([[0.0], np.log1p(np.maximum(np.diff(given.times), 0))])
        gaps = np.bincount(rows[same], step[same], n) / np.maximum(lengths - 1, 1)
        end = np.maximum(given.indptr[1:] - 1, 0)
        last = np.where(lengths > 1, step[end], 0)
        hour = np.where(lengths > 0, given.times[end] % 86_400 / 86_400, 0)
    skips = np.bincount(rows, ~positive, n) / np.maximum(lengths, 1)
    values = np.zeros(n)
    if given.values is not None:
        values = np.bincount(rows, given.values, n) / np.maximum(lengths, 1)
    pace = np.stack([gaps, last, np.log1p(lengths), skips, values, np.sin(2 * np.pi * hour)], axis=1)
    return np.concatenate([total, pace], axis=1)


def shares(logits: Doubles) -> Doubles:
    """The softmax of each row."""
    top = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(top / top.sum(axis=1, keepdims=True))


def judged(found: Doubles, answer: Longs) -> dict[str, float]:
    """How good shares are: macro-F1 and accuracy of the likeliest mood, those of always the most frequent one, and the
    expected calibration error of its share in ten bins."""
    said = found.argmax(axis=1)
    most = np.full(len(answer), np.bincount(answer).argmax())
    sure, right = found.max(axis=1), said == answer
    at = np.minimum((sure * BINS).astype(int), BINS - 1)
    off = np.abs(np.bincount(at, sure - right, BINS)).sum() / max(1, len(answer))
    return {
        "macro_f1": macro_f1(said, answer),
        "accuracy": float(right.mean()),
        "majority_macro_f1": macro_f1(most, answer),
        "majority_accuracy": float((most == answer).mean()),
        "calibration_error": float(off),
        "events": float(len(answer)),
    }


def macro_f1(said: Ints | Longs, answer: Longs) -> float:
    """The mean over the values that occur of 2 · hits / (said + true)."""
    values = np.unique(answer)
    return float(
        np.mean([2 * ((said == v) & (answer == v)).sum() / ((said == v).sum() + (answer == v).sum()) for v in values])
    )


def _regression(z: Doubles, answer: Longs, moods: int) -> Doubles:
    """Weights ``(columns, moods)`` that minimise −Σ log softmax + |w|² / 2, by L-BFGS; the last column is free."""
    from scipy.optimize import minimize

    target = np.eye(moods)[answer]
    free = np.ones((z.shape[1], 1)) * STRENGTH
    free[-1] = 1e-6

    def loss(flat: Any) -> tuple[float, Any]:
        w = flat.reshape(z.shape[1], moods)
        found = shares(z @ w)
        value = -np.log(np.maximum((found * target).sum(axis=1), 1e-300)).sum() + (free * w * w).sum() / 2
        return float(value), (z.T @ (found - target) + free * w).ravel()

    start = np.zeros(z.shape[1] * moods)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x).reshape(-1, moods)


def _temperature(logits: Doubles, answer: Longs) -> float:
    """By which logits are divided so that held-out answers are likeliest."""
    from scipy.optimize import minimize_scalar

    def loss(log: float) -> float:
        found = shares(logits / np.exp(log))
        return float(-np.log(np.maximum(found[np.arange(len(answer)), answer], 1e-300)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
