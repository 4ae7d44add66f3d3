"""Texts as sparse counts of hashed n-grams of characters and words: any language, no segmenter, no vocabulary.

Every n-gram is a stretch of one text. Its hash is that of Rabin and Karp: with P the prefix sums of c_i B^i modulo
2^64, the stretch [a, b) has (P_b - P_a) B^-a, so all stretches of all texts are hashed by a few operations on arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Longs
from penchant.text.clean import cleaned

if TYPE_CHECKING:
    import scipy.sparse as sp

Hashes = NDArray[np.uint64]
BLOCK = 2**18  # characters that are hashed at a time
_BASE = 0x9E3779B97F4A7C15 | 1  # odd: it has an inverse modulo 2^64
_MIX = np.uint64(0xD6E8FEB86659FD93)
_WORDS = np.uint64(0xA0761D6478BD642F)
_CODES = 0x110000
_END = ord("\n")
_WORD, _OTHER = 1, 2
# scripts without blanks between words: their words are found as n-grams of characters
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF),
             (0x20000, 0x3FFFF))  # fmt: skip
_kinds = np.zeros(_CODES, dtype=np.int8)  # of code points met so far


@dataclass(frozen=True)
class Ngrams:
    """Which n-grams are counted, and in how many columns (2^``bits``)."""

    chars: tuple[int, int] = (1, 4)  # shortest and longest stretch of characters
    words: int = 2  # longest run of words; 0: none
    bits: int = 18

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "chars": list(self.chars)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Ngrams:
        """What ``to_json`` wrote; raises ``ValueError`` for sizes that it never writes."""
        lo, hi = (int(n) for n in data["chars"])
        found = cls((lo, hi), int(data["words"]), int(data["bits"]))
        if not (1 <= lo <= hi <= 16 and 0 <= found.words <= 5 and 8 <= found.bits <= 24):
            raise ValueError("n-grams of other sizes than are ever used")
        return found

    @property
    def columns(self) -> int:
        """The number of columns."""
        return int(1 << self.bits)

    def counts(self, texts: Sequence[object]) -> sp.csr_matrix:
        """How often each n-gram occurs in each text, ``(texts, columns)`` float32; texts are cleaned first."""
        import scipy.sparse as sp

        lengths: list[Longs] = []
        columns: list[NDArray[np.int32]] = []
        data: list[NDArray[np.float32]] = []
        for block in _blocks([cleaned(text) for text in texts]):
            keys, found = np.unique(self._keys(block), return_counts=True)
            columns.append((keys & np.uint64(self.columns - 1)).astype(np.int32))
            data.append(found.astype(np.float32))
            lengths.append(np.bincount((keys >> np.uint64(self.bits)).astype(np.int64), minlength=len(block)))
        indptr = np.concatenate([[0], np.cumsum(np.concatenate([*lengths, np.empty(0, np.int64)]))])
        empty: list[Any] = [np.empty(0, np.int32)]
        parts = np.concatenate([*data, *empty]).astype(np.float32), np.concatenate([*columns, *empty]), indptr
        return sp.csr_matrix(parts, shape=(len(indptr) - 1, self.columns))

    def spans(self, text: object) -> tuple[Longs, Longs, Longs, str]:
        """The column, the beginning and the end of every n-gram of one text, as often as it occurs, and the text that
        they are places in."""
        read = cleaned(text)
        columns: list[Longs] = []
        starts: list[Longs] = []
        stops: list[Longs] = []
        padded = _padded([read])
        code = np.frombuffer(padded.encode("utf-32-le"), dtype=np.uint32)
        for start, stop, hashes in self._stretches(code):
            columns.append((_mixed(hashes) >> np.uint64(64 - self.bits)).astype(np.int64))
            starts.append(start)
            stops.append(stop)
        none = np.empty(0, np.int64)
        found = [np.concatenate([*parts, none]) for parts in (columns, starts, stops)]
        return found[0], found[1], found[2], padded

    def _keys(self, block: list[str]) -> Hashes:
        """Row and column of every n-gram of a block, as one number."""
        code = np.frombuffer(_padded(block).encode("utf-32-le"), dtype=np.uint32)
        newline = code == _END
        row = (np.cumsum(newline) - newline).astype(np.uint64) << np.uint64(self.bits)
        drop = np.uint64(64 - self.bits)
        return np.concatenate([row[start] | (_mixed(found) >> drop) for start, _, found in self._stretches(code)])

    def _stretches(self, code: NDArray[np.uint32]) -> Iterator[tuple[Longs, Longs, Hashes]]:
        """Start, stop and hash of the n-grams of each size; none spans two texts."""
        power, inverse = _powers(len(code))
        prefix = np.zeros(len(code) + 1, dtype=np.uint64)
        np.cumsum((code.astype(np.uint64) + np.uint64(1)) * power, out=prefix[1:])
        ends = np.concatenate([[0], np.cumsum(code == _END)])
        for n in range(self.chars[0], self.chars[1] + 1):
            start = np.flatnonzero(ends[n:] == ends[:-n]) if n <= len(code) else np.empty(0, np.int64)
            if n <= 2:
                start = start[code[start] != ord(" ")]
            yield start, start + n, (prefix[start + n] - prefix[start]) * inverse[start] + np.uint64(n)
        if self.words:
            start, stop = _word_bounds(code)
            word = (prefix[stop] - prefix[start]) * inverse[start] * _WORDS
            run = word
            yield start, stop, run
            for n in range(1, min(self.words, len(start))):
                run = run[:-1] * np.uint64(31) + word[n:]
                whole = ends[start[: len(run)]] == ends[stop[n:]]
                yield start[: len(run)][whole], stop[n:][whole], run[whole]


def _padded(block: list[str]) -> str:
    """Texts with a blank on either side, each closed by ``_END``, which no cleaned text holds."""
    return "".join(f" {text} \n" for text in block)


def _blocks(texts: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    size = 0
    for text in texts:
        if size + len(text) > BLOCK and block:
            yield block
            block, size = [], 0
        block.append(text)
        size += len(text) + 3
    if block:
        yield block


def _mixed(hashes: Hashes) -> Hashes:
    """Hashes whose upper bits depend on all bits."""
    hashes = (hashes ^ (hashes >> np.uint64(32))) * _MIX
    mixed: Hashes = (hashes ^ (hashes >> np.uint64(32))) * _MIX
    return mixed


_powers_made: list[Hashes] = []


def _powers(size: int) -> tuple[Hashes, Hashes]:
    """The powers B^0, B^1, ... and B^0, B^-1, ... modulo 2^64."""
    if not _powers_made or len(_powers_made[0]) < size:
        made = []
        for base in (_BASE, pow(_BASE, -1, 2**64)):
            factors = np.full(max(size, BLOCK + BLOCK // 4), base, dtype=np.uint64)
            factors[0] = 1
            made.append(np.cumprod(factors))
        _powers_made[:] = made
    return _powers_made[0][:size], _powers_made[1][:size]


def _word_bounds(code: NDArray[np.uint32]) -> tuple[Longs, Longs]:
    """Where runs of letters and digits begin and end, of scripts that have blanks between words."""
    kinds = _kinds[code]
    if not kinds.all():
        for new in np.unique(code[kinds == 0]).tolist():
            spaced = chr(new).isalnum() and not any(lo <= new <= hi for lo, hi in _UNSPACED)
            _kinds[new] = _WORD if spaced else _OTHER
        kinds = _kinds[code]
    inside: Bools = kinds == _WORD
    edge = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return edge[::2], edge[1::2]  # a block begins and ends outside a word
