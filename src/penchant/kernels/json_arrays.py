"""Arrays in JSON without escapes: texts as numbers of distinct texts, and whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

ROUGH = -1  # the array is not what a kernel reads
FULL = -2  # there are too few slots


@kernel
def text_codes(
    data: U8,  # ["a","b",null,...]
    keys: U64,  # (longest text,) of the hash
    slots: I32,  # (a power of two,) -1 everywhere
    codes: I32,  # (rows,) out: the number of each text in the order of first appearance, -1 for null
    texts: U8,  # (data,) out: the distinct texts, each with a line feed
    ends: I64,  # (rows + 1,) out: where the distinct texts begin; 0 at first
) -> int:
    """Number the texts of an array; return how many are distinct, ``FULL`` for more than half of the slots, ``ROUGH``
    for anything else than texts and nulls, a backslash, a text longer than ``keys``, or another number of rows.

    The hash is multilinear (Lemire and Kaser 2014): the sum of each byte times a key, of which the high half counts.
    """
    size, rows, mask = data.shape[0], codes.shape[0], np.uint64(slots.shape[0] - 1)
    longest = keys.shape[0]
    at, row, count, before = 1, 0, 0, -1
    while at < size and data[at] != 93:
        if row == rows:
            return ROUGH
        if data[at] == 110:  # null
            codes[row] = -1
            at += 4
        elif data[at] != 34:
            return ROUGH
        else:
            start = at + 1
            at = start
            same = before >= 0
            low = ends[before] if same else 0
            high = ends[before + 1] - 1 if same else 0
            total = np.uint64(0)
            while at < size and data[at] != 34:
                byte, place = data[at], at - start
                if byte == 92 or place >= longest:
                    return ROUGH
                same = same and low + place < high and texts[low + place] == byte
                total += keys[place] * np.uint64(byte)
                at += 1
            length = at - start
            at += 1
            if same and low + length == high:  # as the row before
                codes[row] = before
            else:
                slot = (total >> np.uint64(32)) & mask
                while True:
                    code = slots[slot]
                    if code < 0:
                        if 2 * (count + 1) > slots.shape[0]:
                            return FULL
                        code = np.int32(count)
                        begin = ends[count]
                        for n in range(length):
                            texts[begin + n] = data[start + n]
                        texts[begin + length] = 10
                        count += 1
                        ends[count] = begin + length + 1
                        slots[slot] = code
                        break
                    begin = ends[code]
                    equal = ends[code + 1] - 1 - begin == length
                    if equal:
                        for n in range(length):
                            if texts[begin + n] != data[start + n]:
                                equal = False
                                break
                    if equal:
                        break
                    slot = (slot + np.uint64(1)) & mask
                codes[row] = code
                before = code
        row += 1
        if at < size and data[at] == 44:
            at += 1
    return count if row == rows else ROUGH


@kernel
def whole_numbers(
    data: U8,  # [1,-2,...]
    out: I64,  # (rows,) out
) -> int:
    """Read an array of whole numbers; return how many, ``ROUGH`` for anything else or another number of rows."""
    size, rows = data.shape[0], out.shape[0]
    at, row = 1, 0
    while at < size and data[at] != 93:
        if row == rows:
            return ROUGH
        minus = data[at] == 45
        if minus:
            at += 1
        start, number = at, np.int64(0)
        while at < size and 48 <= data[at] <= 57:
            number = 10 * number + (np.int64(data[at]) - 48)
            at += 1
        if at == start or at - start > 18:
            return ROUGH
        out[row] = -number if minus else number
        row += 1
        if at < size and data[at] == 44:
            at += 1
        elif at < size and data[at] != 93:
            return ROUGH
    return row if row == rows else ROUGH
