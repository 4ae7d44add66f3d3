"""How well histories predict their own last events, for several half-lives at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import add_four

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
B1 = NDArray[np.bool_]

FIRST = 8  # events after which ranks are first looked at


@kernel
def count_rows(
    lo: int,
    hi: int,
    wanted: I32,  # items whose co-occurrences are counted
    holders_indptr: I64,  # item → histories
    holders: I32,
    indptr: I64,
    items: I32,
    popular: B1,  # (n,) items that come first in a row
    sizes: I64,  # (hi - lo,) out: number of items found
    firsts: I64,  # (hi - lo,) out: of them popular
    found: I32,  # (room,) out
    counts: F32,  # (room,) out: number of common histories
) -> int:
    """Count the histories that each item of ``wanted[lo:hi]`` shares with every other; return the entries written."""
    n = holders_indptr.shape[0] - 1
    count, met = np.zeros(n, dtype=np.float32), np.empty(n, dtype=np.int32)
    used = 0
    for w in range(lo, hi):
        item, size, start = wanted[w], 0, used
        for h in range(holders_indptr[item], holders_indptr[item + 1]):
            for e in range(indptr[holders[h]], indptr[holders[h] + 1]):
                other = items[e]
                if other == item:
                    continue
                if count[other] == 0:
                    met[size] = other
                    size += 1
                count[other] += 1
        for group in (True, False):
            for f in range(size):
                if popular[met[f]] == group:
                    found[used], counts[used] = met[f], count[met[f]]
                    used += 1
            if group:
                firsts[w - lo] = used - start
        for f in range(size):
            count[met[f]] = 0
        sizes[w - lo] = size
    return used


@kernel
def _true_scores(
    history: I32,  # distinct items, oldest first
    place: I32,
    c_indptr: I64,
    c_items: I32,
    counts: F32,
    root: F64,
    decay: F64,
    age_of: I32,  # (n,) -1 everywhere; scratch
    common: F64,  # (longest,) scratch
    true: F64,  # (width,) out
) -> None:
    """The scores of a history's last item from those before it, without this history, for every half-life."""
    target, length, width = history[-1], history.shape[0] - 1, decay.shape[1]
    for age in range(length):
        age_of[history[length - 1 - age]], common[age] = age, 0
    for c in range(c_indptr[place[target]], c_indptr[place[target] + 1]):
        if age_of[c_items[c]] >= 0:
            common[age_of[c_items[c]]] = counts[c] - np.float32(1)
    true[:] = 0
    for age in range(length):
        item = history[length - 1 - age]
        age_of[item] = -1
        gain = common[age] * root[item] * root[target]
        for part in range(0, width, 4):
            add_four(decay, width * age + part, gain, true, part)


@kernel
def _settle(
    score: F64, true: F64, rest: F64, age: int, length: int, reached: I32, size: int, k: int, ranks: I64
) -> int:  # fmt: skip
    """Set the ranks that the scores so far prove, where events of ``age`` and older can still add to them.

    Scores only grow, so k scores above the true one stay above it. Returns one bit for each four half-lives: whether
    some of their ranks are still open.
    """
    is_open = 0
    for life in range(ranks.shape[0]):
        if ranks[life] < 0:
            above, near, bound = 0, 0, true[life]
            if age < length:  # some room for rounding
                bound = true[life] * (1 - 1e-12) - (rest[age, life] - rest[length, life]) * (1 + 1e-6)
            for f in range(size):
                now = score[reached[f], life]
                above += now > true[life]
                near += now > bound
                if above >= k:
                    break
            if above >= k or (near == above and bound > 0):  # what is not reached yet has 0 so far
                ranks[life] = above
            else:
                is_open |= 1 << (life // 4)
    return is_open


@kernel
def last_events(
    lo: int,
    hi: int,
    rows: I64,  # histories to test: at least two distinct items, oldest first
    indptr: I64,
    items: I32,
    place: I32,  # (n,) the item's row in the counts
    c_indptr: I64,
    c_middle: I64,  # where a row's popular items end
    c_items: I32,
    counts: F32,
    root: F64,  # (n,) 1 / sqrt(number of histories with the item)
    decay: F64,  # (longest, 12) weight of an event by age; beyond the half-lives zeros
    rest: F64,  # (longest + 1, 12) the most that events of this age and older add to a score
    k: int,
    out: F64,  # (rows, half-lives)
) -> None:
    """The DCG gain at k of the last event of ``rows[lo:hi]``, ranked by cosine with the events before it.

    The history itself is subtracted from the counts that determine the score of its last event. Scores are summed from
    the newest event on, those of popular items first, until the rank is settled for every half-life: where k popular
    items score higher, the others do not matter.
    """
    n, width, lives = place.shape[0], decay.shape[1], out.shape[1]
    score, true, common = np.zeros((n, width)), np.empty(width), np.empty(decay.shape[0])
    age_of, ranks = np.full(n, -1, dtype=np.int32), np.empty(lives, dtype=np.int64)
    met = np.zeros(n, dtype=np.bool_)
    reached = np.empty(n + 1, dtype=np.int32)  # one spare slot: writes of items already met land there
    for r in range(lo, hi):
        history = items[indptr[rows[r]] : indptr[rows[r] + 1]]
        length = history.shape[0] - 1
        _true_scores(history, place, c_indptr, c_items, counts, root, decay, age_of, common, true)
        for life in range(lives):
            ranks[life] = k if true[life] <= 0 else -1
        for item in history:
            met[item] = True  # it is no candidate
        size, is_open = 0, (1 << ((lives + 3) // 4)) - 1
        for group in range(2):
            check = FIRST
            for age in range(length):
                if age == check:
                    # beside popular items, all others are still to come
                    is_open = _settle(score, true, rest, age if group else 0, length, reached, size, k, ranks)
                    check = 3 * check // 2
                if is_open == 0:
                    break
                item, weights = history[length - 1 - age], width * age
                row, mine = place[item], root[item]
                first = c_middle[row] if group else c_indptr[row]
                stop = c_indptr[row + 1] if group else c_middle[row]
                for c in range(first, stop):
                    other = c_items[c]
                    gain = counts[c] * mine * root[other]
                    reached[size] = other
                    size += not met[other]
                    met[other] = True
                    at = width * np.int64(other)
                    if is_open & 1:
                        add_four(decay, weights, gain, score, at)
                    if is_open & 2:
                        add_four(decay, weights + 4, gain, score, at + 4)
                    if is_open & 4:
                        add_four(decay, weights + 8, gain, score, at + 8)
            if is_open:
                is_open = _settle(score, true, rest, length if group else 0, length, reached, size, k, ranks)
        for life in range(lives):
            out[r, life] = 1 / np.log2(ranks[life] + 2) if ranks[life] < k else 0.0
        for f in range(size):
            met[reached[f]] = False
            score[reached[f]] = 0
        for item in history:
            met[item] = False
            score[item] = 0
