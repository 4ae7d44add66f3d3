"""Arrays in JSON: the same as Python's reader finds, or refused."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from penchant.kernels.json_arrays import FULL, ROUGH, text_codes, whole_numbers

KEYS = np.random.default_rng(1).integers(0, 2**63, 64).astype(np.uint64)
SAME = np.zeros(64, dtype=np.uint64)  # by which every text has the same hash


def coded(text: str, rows: int, keys: np.ndarray = KEYS) -> tuple[list[str], list[int]] | None:
    """What ``text_codes`` finds; None if it refuses."""
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    slots, codes = np.full(1 << (2 * rows + 1).bit_length(), -1, dtype=np.int32), np.empty(rows, dtype=np.int32)
    texts, ends = np.empty(len(data), dtype=np.uint8), np.zeros(rows + 1, dtype=np.int64)
    count = text_codes(data, keys, slots, codes, texts, ends)
    if count == ROUGH:
        return None
    return texts[: ends[count]].tobytes().decode().split("\n")[:-1], codes.tolist()


def expected(cells: list[str | None]) -> tuple[list[str], list[int]]:
    """The same by Python."""
    texts = list(dict.fromkeys(cell for cell in cells if cell is not None))
    return texts, [-1 if cell is None else texts.index(cell) for cell in cells]


@pytest.mark.parametrize("keys", [KEYS, SAME])
def test_texts(keys: np.ndarray) -> None:
    dice = random.Random(0)
    words: list[str | None] = ["a", "ab", "b", "", "ünï😀", "null", "[x]", "a,b", "x" * 63, None, "aa", "ba"]
    for rows in (0, 1, 2, 300):
        cells = [word for _ in range(rows) for word in [dice.choice(words)] * dice.choice([1, 1, 4])][:rows]
        text = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
        assert coded(text, rows, keys) == expected(cells)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('["a\\"b"]', 1), ('["a"]', 2), ('["a","b"]', 1), ('["a",1]', 2), ("[true]", 1),
        (json.dumps(["x" * 65]), 1),
    ],
)  # fmt: skip
def test_what_is_not_read(text: str, rows: int) -> None:
    assert coded(text, rows) is None


@pytest.mark.parametrize("numbers", [[], [0], [-1, 7, 1_790_000_000, 10**17, -(10**17)]])
def test_whole_numbers(numbers: list[int]) -> None:
    out = np.empty(len(numbers), dtype=np.int64)
    data = np.frombuffer(json.dumps(numbers, separators=(",", ":")).encode(), dtype=np.uint8)
    assert whole_numbers(data, out) == len(numbers)
    assert out.tolist() == numbers


@pytest.mark.parametrize(
    "text", ["[1.5,2]", "[1e3,2]", '["1",2]', "[null,1]", "[1]", "[1,2,3]", "[1234567890123456789,1]"]
)
def test_other_numbers_are_refused(text: str) -> None:
    assert whole_numbers(np.frombuffer(text.encode(), dtype=np.uint8), np.empty(2, dtype=np.int64)) == ROUGH


@pytest.mark.parametrize(("slots", "enough"), [(4, False), (8, True)])
def test_slots_are_filled_by_half(slots: int, *, enough: bool) -> None:
    data = np.frombuffer(b'["a","b","c","a"]', dtype=np.uint8)
    codes, texts, ends = np.empty(4, dtype=np.int32), np.empty(len(data), dtype=np.uint8), np.zeros(5, dtype=np.int64)
    count = text_codes(data, KEYS, np.full(slots, -1, dtype=np.int32), codes, texts, ends)
    assert count == (3 if enough else FULL)
    assert not enough or codes.tolist() == [0, 1, 2, 0]
