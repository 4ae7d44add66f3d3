"""The best list that keeps the rules of a placement, for many rows of candidates: greedy with a reserve, then swaps.

Every item counts for some counters (the values of an attribute, the items that meet a condition). A counter may be
filled at most ``most`` times, and at least ``least`` times. A reserve of candidates that would meet every ``least``
stands by from the start: a candidate is taken only where the reserve, or what is left of it, still fits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I8 = NDArray[np.int8]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
FREE, CHOSEN, RESERVED, PINNED, BANNED = 0, 1, 2, 3, 4  # what a candidate is
LACKING, MISSING = 1e9, 1e6  # worth of an item that a ``least`` lacks, and of a place without an item
SWAPS = 200  # at most, of one row


@kernel
def _holds(indptr: I64, counters: I32, item: int, counter: int) -> bool:
    for at in range(indptr[item], indptr[item + 1]):  # noqa: SIM110  # compiled code has no any()
        if counters[at] == counter:
            return True
    return False


@kernel
def _add(indptr: I64, counters: I32, item: int, used: I32, by: int) -> None:
    for at in range(indptr[item], indptr[item + 1]):
        used[counters[at]] += by


@kernel
def _fits(indptr: I64, counters: I32, item: int, out: int, most: I32, used: I32) -> bool:
    """Whether an item fits beside what is used, with ``out`` (-1: nothing) taken out."""
    for at in range(indptr[item], indptr[item + 1]):
        counter = counters[at]
        if most[counter] >= 0:
            spare = most[counter] - used[counter]
            if spare < 1 and not (out >= 0 and spare == 0 and _holds(indptr, counters, out, counter)):
                return False
    return True


@kernel
def _stands_for(indptr: I64, counters: I32, item: int, other: int, least: I32) -> bool:
    """Whether an item counts for every ``least`` that another counts for."""
    for at in range(indptr[other], indptr[other + 1]):
        counter = counters[at]
        if least[counter] > 0 and not _holds(indptr, counters, item, counter):
            return False
    return True


@kernel
def _helps(indptr: I64, counters: I32, item: int, want: I32) -> int:
    count = 0
    for at in range(indptr[item], indptr[item + 1]):
        if want[counters[at]] > 0:
            count += 1
    return count


@kernel
def _reserve(
    row: I32, size: int, indptr: I64, counters: I32, most: I32, used: I32, want: I32, what: I8, slots: int, wide: bool
) -> int:
    """Reserve candidates until nothing is wanted; ``wide`` prefers those that count for more. Returns how many."""
    n = 0
    if not wide:
        for at in range(size):
            if n == slots:
                break
            item = row[at]
            if (
                what[at] == FREE
                and _helps(indptr, counters, item, want) > 0
                and _fits(indptr, counters, item, -1, most, used)
            ):
                what[at] = RESERVED
                _add(indptr, counters, item, used, 1)
                _add(indptr, counters, item, want, -1)
                n += 1
        return n
    while n < slots:
        best, most_help = -1, 0
        for at in range(size):
            if what[at] == FREE:
                helped = _helps(indptr, counters, row[at], want)
                if helped > most_help and _fits(indptr, counters, row[at], -1, most, used):
                    best, most_help = at, helped
        if best < 0:
            break
        what[best] = RESERVED
        _add(indptr, counters, row[best], used, 1)
        _add(indptr, counters, row[best], want, -1)
        n += 1
    return n


@kernel
def _wanted(want: I32, bounded: I32) -> int:
    total = 0
    for at in range(len(bounded)):
        if want[bounded[at]] > 0:
            total += want[bounded[at]]
    return total


@kernel
def _forget(row: I32, size: int, indptr: I64, counters: I32, used: I32, want: I32, what: I8) -> None:
    """Give the reserve back."""
    for at in range(size):
        if what[at] == RESERVED:
            what[at] = FREE
            _add(indptr, counters, row[at], used, -1)
            _add(indptr, counters, row[at], want, 1)


@kernel
def _swap(
    row: I32, size: int, merit: F32, indptr: I64, counters: I32, most: I32, least: I32, used: I32, what: I8
) -> bool:
    """Exchange one chosen candidate for a better one that was passed over; whether there was such a pair."""
    last = size - 1
    while last >= 0 and what[last] != CHOSEN:
        last -= 1
    for at in range(last):
        if what[at] != FREE:
            continue
        for other in range(last, at, -1):
            if what[other] != CHOSEN or merit[other] >= merit[at]:
                continue
            if not _fits(indptr, counters, row[at], row[other], most, used):
                continue
            kept = True
            for c in range(indptr[row[other]], indptr[row[other] + 1]):
                counter = counters[c]
                if used[counter] <= least[counter] and not _holds(indptr, counters, row[at], counter):
                    kept = False
                    break
            if kept:
                what[at], what[other] = CHOSEN, FREE
                _add(indptr, counters, row[at], used, 1)
                _add(indptr, counters, row[other], used, -1)
                return True
    return False


@kernel
def _blocks(row: I32, at: int, last: int, indptr: I64, counters: I32, most: I32, best: I8) -> bool:
    """Whether a chosen candidate counts for something limited that a better place before ``last`` counts for too."""
    for other in range(last):
        if best[other] == FREE:
            for c in range(indptr[row[at]], indptr[row[at] + 1]):
                if most[counters[c]] >= 0 and _holds(indptr, counters, row[other], counters[c]):
                    return True
    return False


@kernel
def _fill(
    row: I32, n: int, merit: F32, indptr: I64, counters: I32, most: I32, least: I32, bounded: I32, pins: I64, k: int,
    forced: int, banned: int, used: I32, want: I32, what: I8,
) -> float:  # fmt: skip
    """Choose candidates of one row; ``forced`` is taken first, ``banned`` never. Returns how good the list is: what a
    ``least`` lacks weighs more than a missing place, and that more than any sum of merits."""
    what[:n] = FREE
    for at in range(n):
        for c in range(indptr[row[at]], indptr[row[at] + 1]):
            used[counters[c]] = 0
            want[counters[c]] = 0
    for at in range(len(bounded)):
        used[bounded[at]] = 0
        want[bounded[at]] = least[bounded[at]]
    slots = k
    for position in range(k):
        at = pins[position]
        if at >= 0 and _fits(indptr, counters, row[at], -1, most, used):
            what[at] = PINNED
            _add(indptr, counters, row[at], used, 1)
            _add(indptr, counters, row[at], want, -1)
            slots -= 1
    if banned >= 0:
        what[banned] = BANNED
    if forced >= 0 and slots > 0 and _fits(indptr, counters, row[forced], -1, most, used):
        what[forced] = CHOSEN
        _add(indptr, counters, row[forced], used, 1)
        _add(indptr, counters, row[forced], want, -1)
        slots -= 1
    held = 0
    if _wanted(want, bounded) > 0:
        held = _reserve(row, n, indptr, counters, most, used, want, what, slots, False)
        if _wanted(want, bounded) > 0:
            _forget(row, n, indptr, counters, used, want, what)
            held = _reserve(row, n, indptr, counters, most, used, want, what, slots, True)
    end = n - 1  # of the reserve
    for at in range(n):
        if slots == 0:
            break
        while held > 0 and end > at and what[end] != RESERVED:
            end -= 1
        if what[at] == RESERVED:
            what[at] = CHOSEN
            held -= 1
            slots -= 1
        elif what[at] == FREE:
            freed = -1
            if held > 0:
                for other in range(end, at, -1):
                    if (
                        what[other] == RESERVED
                        and _stands_for(indptr, counters, row[at], row[other], least)
                        and _fits(indptr, counters, row[at], row[other], most, used)
                    ):
                        freed = other
                        break
            if freed >= 0:
                what[freed] = FREE
                _add(indptr, counters, row[freed], used, -1)
                held -= 1
            elif not (slots > held and _fits(indptr, counters, row[at], -1, most, used)):
                continue
            what[at] = CHOSEN
            _add(indptr, counters, row[at], used, 1)
            slots -= 1
    if banned >= 0:
        what[banned] = FREE
    for _ in range(SWAPS):
        if not _swap(row, n, merit, indptr, counters, most, least, used, what):
            break
    total = -MISSING * slots
    for at in range(len(bounded)):
        total -= LACKING * max(0, least[bounded[at]] - used[bounded[at]])
    for at in range(n):
        if what[at] == CHOSEN or what[at] == PINNED:
            total += merit[at]
    return total


@kernel
def _copy(what: I8, n: int, into: I8) -> None:
    """Copy the first ``n``, one by one: to assign a slice, a kernel would need Python's errors."""
    for at in range(n):
        into[at] = what[at]


@kernel
def place_rows(
    lo: int, hi: int, items: I32, merit: F32, indptr: I64, counters: I32, most: I32, least: I32, bounded: I32,
    pinned: I32, k: int, tries: int, out: I32, unmet: I32,
) -> None:  # fmt: skip
    """Choose up to ``k`` candidates of every row; ``out`` (rows, k) gets their places among the candidates, best
    first, pins at their positions, -1 where the list ends.

    - ``items`` (rows, candidates) are item numbers, the best merit first, -1 after the last; ``merit`` likewise.
    - item ``i`` counts for ``counters[indptr[i]:indptr[i + 1]]``; ``most`` -1: no limit; ``bounded`` are the counters
      with a ``least``.
    - ``pinned`` (k,) is the item of each position, -1 for none; a pin that is no candidate of a row is left out.
    - ``tries`` candidates that were passed over are forced in, one after the other, and as many chosen ones left out:
      the best list of all counts.
    - ``unmet`` (rows, len(bounded)) gets how many items each ``least`` lacks.
    """
    size = items.shape[1]
    what = np.zeros(size, dtype=np.int8)
    best = np.zeros(size, dtype=np.int8)
    used = np.zeros(len(most), dtype=np.int32)
    want = np.zeros(len(most), dtype=np.int32)
    pins = np.full(k, -1, dtype=np.int64)
    places = np.full(k, -1, dtype=np.int64)
    for r in range(lo, hi):
        row = items[r]
        n = 0
        while n < size and row[n] >= 0:
            n += 1
        for position in range(k):
            pins[position] = -1
            if pinned[position] >= 0:
                for at in range(n):
                    if row[at] == pinned[position]:
                        pins[position] = at
                        break
        total = _fill(
            row, n, merit[r], indptr, counters, most, least, bounded, pins, k, -1, -1, used, want, what
        )  # fmt: skip
        _copy(what, n, best)
        last = -1
        for at in range(n):
            if what[at] == CHOSEN:
                last = at
        for half in range(2):
            tried = 0
            for at in range(last):  # without a candidate that was passed over, nothing can be better
                if tried == tries:
                    break
                if (half == 0) == (best[at] == FREE) and best[at] != PINNED:
                    if half == 1 and not _blocks(row, at, last, indptr, counters, most, best):
                        continue
                    tried += 1
                    forced, banned = (at, -1) if half == 0 else (-1, at)
                    again = _fill(
                        row, n, merit[r], indptr, counters, most, least, bounded, pins, k, forced, banned, used, want,
                        what,
                    )  # fmt: skip
                    if again > total + 1e-6:
                        total = again
                        _copy(what, n, best)
            if tried == 0:
                break
        places[:] = -1
        for position in range(k):
            if pins[position] >= 0 and best[pins[position]] == PINNED:
                places[position] = pins[position]
        position = 0
        for at in range(n):
            if best[at] == CHOSEN:
                while places[position] >= 0:
                    position += 1
                places[position] = at
        filled = 0
        for position in range(k):  # a pin behind the end of a short list moves up
            if places[position] >= 0:
                out[r, filled] = places[position]
                filled += 1
        for position in range(filled, k):
            out[r, position] = -1
        for at in range(len(bounded)):
            used[bounded[at]] = 0
        for at in range(n):
            if best[at] == CHOSEN or best[at] == PINNED:
                for c in range(indptr[row[at]], indptr[row[at] + 1]):
                    if least[counters[c]] > 0:
                        used[counters[c]] += 1
        for at in range(len(bounded)):
            unmet[r, at] = max(0, least[bounded[at]] - used[bounded[at]])
