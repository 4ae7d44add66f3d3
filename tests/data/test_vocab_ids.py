"""Ids have one spelling, and a vocabulary one fingerprint, however they are computed."""

from __future__ import annotations

import hashlib

import pytest

from penchant.data import vocab
from penchant.data.vocab import Vocab, normalise_id


@pytest.mark.parametrize(
    ("written", "spelled"), [("12", "12"), ("0012", "0012"), ("1e5", "1e5"), (" 7\n", "7"), ("7.0", "7"), ("é1", "é1")]
)
def test_a_plain_id_is_itself(written: str, spelled: str) -> None:
    assert normalise_id(written) == spelled == normalise_id(f" {written} ")


def test_an_id_of_letters_alone_can_be_too_long() -> None:
    assert normalise_id("x" * 512) == "x" * 512
    with pytest.raises(vocab.DataError, match="513 bytes"):
        normalise_id("x" * 513)


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_the_fingerprint_is_that_of_all_ids(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(vocab, "IDS_AT_ONCE", at_once)
    assert Vocab(["a", "bé", "c", "1"]).fingerprint() == hashlib.sha256("a\0bé\0c\0001\0".encode()).hexdigest()
    assert Vocab([]).fingerprint() == hashlib.sha256(b"").hexdigest()
