from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penchant.text import ngrams as module
from penchant.text.clean import cleaned
from penchant.text.ngrams import Ngrams

TEXTS = ["the cat sat", "the cat", "这个很好", "Ünder 1 roof", "", "a", "!?", "mixed 中文 words 很好 ok", "aaa aaa"]


def naive(text: str, spec: Ngrams) -> Counter[str]:
    """The n-grams of a text, one by one; the kind in front keeps a word apart from the same characters."""
    padded = f" {cleaned(text)} "
    found = Counter[str]()
    for n in range(spec.chars[0], spec.chars[1] + 1):
        for at in range(len(padded) - n + 1):
            gram = padded[at : at + n]
            if n > 2 or gram[0] != " ":
                found[f"c{n}:{gram}"] += 1
    words, word = [], ""
    for letter in padded:
        if letter.isalnum() and not any(lo <= ord(letter) <= hi for lo, hi in module._UNSPACED):
            word += letter
        elif word:
            words.append(word)
            word = ""
    for n in range(1, spec.words + 1):
        for at in range(len(words) - n + 1):
            found["w:" + "|".join(words[at : at + n])] += 1
    return found


@pytest.mark.parametrize("spec", [Ngrams((1, 3), 2, 22), Ngrams((2, 5), 0, 22), Ngrams((1, 1), 3, 22)])
def test_counts_are_those_found_one_by_one(spec: Ngrams) -> None:
    counts = spec.counts(TEXTS)
    assert counts.shape == (len(TEXTS), 2**22)
    for row, text in enumerate(TEXTS):
        expected = naive(text, spec)
        assert counts[row].sum() == sum(expected.values())
        assert sorted(counts[row].data.tolist()) == sorted(map(float, expected.values()))


def test_equal_ngrams_share_a_column_and_others_do_not() -> None:
    spec = Ngrams((3, 3), 1, 24)
    columns: dict[str, set[int]] = {}
    for text in TEXTS:
        found, start, stop, read = spec.spans(text)
        for column, lo, hi in zip(found.tolist(), start.tolist(), stop.tolist(), strict=True):
            columns.setdefault(read[lo:hi], set()).add(column)
    assert all(len(found) <= 2 for found in columns.values())  # as characters and as a word
    assert len(set().union(*columns.values())) == sum(map(len, columns.values()))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6), st.integers(0, 5))
def test_a_text_counts_the_same_alone_and_among_others(texts: list[str], at: int) -> None:
    spec, at = Ngrams((1, 3), 2, 16), at % len(texts)
    among, alone = spec.counts(texts)[at], spec.counts([texts[at]])
    assert np.array_equal(among.toarray(), alone.toarray())
    columns, start, stop, read = spec.spans(texts[at])
    assert len(columns) == len(start) == len(stop) and all(stop > start) and all(stop <= len(read))
    assert np.array_equal(np.bincount(columns, minlength=spec.columns), alone.toarray()[0])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Ngrams((1, 3), 2, 16)
    whole = spec.counts(TEXTS * 3)
    monkeypatch.setattr(module, "BLOCK", 20)
    assert (spec.counts(TEXTS * 3) != whole).nnz == 0


def test_what_is_saved_is_what_is_read() -> None:
    spec = Ngrams((2, 4), 1, 12)
    assert Ngrams.from_json(spec.to_json()) == spec
    for wrong in ({"chars": [0, 3]}, {"chars": [3, 2]}, {"chars": [1, 17]}, {"words": 6}, {"bits": 7}, {"bits": 25}):
        with pytest.raises(ValueError, match="n-grams"):
            Ngrams.from_json({**spec.to_json(), **wrong})
    assert spec.counts([]).shape == (0, 2**12)
