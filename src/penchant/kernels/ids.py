"""Texts to numbers in the order of their first appearance, by hashes of 128 bits instead of the texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]


@kernel
def hashed(
    data: U8,  # (bytes,) the texts one after the other, and 8 bytes more
    ends: I64,  # (texts,) where each text ends
    keys: U64,  # (2,) the secret of the hash
    out: U64,  # (texts, 2) out
) -> None:
    """SipHash-2-4 with 128 bits (Aumasson and Bernstein 2012) of each text."""
    u13, u16, u17, u21, u32 = np.uint64(13), np.uint64(16), np.uint64(17), np.uint64(21), np.uint64(32)
    u51, u48, u47, u43 = np.uint64(51), np.uint64(48), np.uint64(47), np.uint64(43)
    one = np.uint64(0xEE)
    start = 0
    for text in range(ends.shape[0]):
        size = ends[text] - start
        v0 = keys[0] ^ np.uint64(0x736F6D6570736575)
        v1 = keys[1] ^ np.uint64(0x646F72616E646F6D) ^ one
        v2 = keys[0] ^ np.uint64(0x6C7967656E657261)
        v3 = keys[1] ^ np.uint64(0x7465646279746573)
        words = size // 8
        # 2 rounds for each word, the last of which holds the size; then 4 for the first half, and 4 for the second
        for step in range(words + 3):
            word, rounds = np.uint64(0), 4
            if step <= words:
                rounds = 2
                at, left = start + 8 * step, min(8, size - 8 * step)
                for n in range(left):
                    word |= np.uint64(data[at + n]) << np.uint64(8 * n)
                if step == words:
                    word |= np.uint64(size & 0xFF) << np.uint64(56)
                v3 ^= word
            elif step == words + 1:
                v2 ^= one
            else:
                v1 ^= np.uint64(0xDD)
            for _ in range(rounds):
                v0 += v1
                v1 = ((v1 << u13) | (v1 >> u51)) ^ v0
                v0 = (v0 << u32) | (v0 >> u32)
                v2 += v3
                v3 = ((v3 << u16) | (v3 >> u48)) ^ v2
                v0 += v3
                v3 = ((v3 << u21) | (v3 >> u43)) ^ v0
                v2 += v1
                v1 = ((v1 << u17) | (v1 >> u47)) ^ v2
                v2 = (v2 << u32) | (v2 >> u32)
            if step <= words:
                v0 ^= word
            elif step == words + 1:
                out[text, 0] = v0 ^ v1 ^ v2 ^ v3
            else:
                out[text, 1] = v0 ^ v1 ^ v2 ^ v3
        start = ends[text]


@kernel
def home(low: Any, slots: int) -> int:
    """The place at which the search for a hash begins."""
    return np.int64(((low >> np.uint64(32)) * np.uint64(slots)) >> np.uint64(32))  # type: ignore[return-value]  # a number of NumPy


@kernel
def numbered(
    hashes: U64,  # (texts, 2)
    known: U64,  # (room, 2) the hashes of the numbers so far; out: those of new ones
    count: int,  # how many there are
    slots: I32,  # (slots,) the number at a place, -1: none; more than count + texts
    codes: I32,  # (texts,) out: the number of each text
    first: I64,  # (texts,) out: the rows of the new numbers, in their order
) -> int:
    """Find the number of each text by linear probing, and give new texts the next numbers; how many there are then."""
    new = 0
    for text in range(hashes.shape[0]):
        low, high = hashes[text, 0], hashes[text, 1]
        place = home(low, slots.shape[0])
        while True:
            code = slots[place]
            if code < 0:
                code = np.int32(count + new)
                known[code, 0], known[code, 1] = low, high
                slots[place] = code
                first[new] = text
                new += 1
                break
            if known[code, 0] == low and known[code, 1] == high:
                break
            place += 1
            if place == slots.shape[0]:
                place = 0
        codes[text] = code
    return count + new


@kernel
def placed(
    known: U64,  # (count or more, 2)
    count: int,
    slots: I32,  # (slots,) -1 everywhere; out
) -> None:
    """Give every number its place, as ``numbered`` looks for it."""
    for code in range(count):
        place = home(known[code, 0], slots.shape[0])
        while slots[place] >= 0:
            place += 1
            if place == slots.shape[0]:
                place = 0
        slots[place] = code


@kernel
def plain(data: U8, size: int) -> bool:
    """Whether the first ``size`` bytes are nothing but ASCII letters, digits, ``_`` and ``-``."""
    for n in range(size):
        byte = data[n] | 0x20
        letter = 97 <= byte <= 122
        if not (letter or 48 <= data[n] <= 57 or data[n] == 45 or data[n] == 95):
            return False
    return True
