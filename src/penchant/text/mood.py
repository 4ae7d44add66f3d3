"""Moods from words and emoji, in English and Chinese: happy, sad, angry, calm, active, tired."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

from penchant.text.clean import cleaned

MOODS = ("happy", "sad", "angry", "calm", "active", "tired")
_ENGLISH = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_NEGATION_EN = frozenset(
    ["not", "no", "never", "dont", "don't", "isn't", "aren't", "wasn't", "can't", "cannot", "didn't", "without"]
)
_NEGATION_ZH = ("不", "没", "别", "无")
_OPPOSITE = {"happy": "sad", "calm": "angry", "active": "tired", "sad": None, "angry": None, "tired": None}
_REACH = 2  # words, or characters, before a word in which a negation counts


@cache
def _words() -> tuple[dict[str, str], dict[str, str]]:
    """Mood of each English word, and of each other word or sign."""
    text = resources.files("penchant.text").joinpath("words/mood.toml").read_text(encoding="utf-8")
    pairs = [(word, mood) for mood, words in tomllib.loads(text).items() for word in words.split()]
    return {w: m for w, m in pairs if w.isascii()}, {w: m for w, m in pairs if not w.isascii()}


def moods_of(text: object) -> dict[str, float]:
    """The share of each mood in what a text says of moods; empty where it says nothing.

    "not happy" counts as sad, "not calm" as angry and "not active" as tired; other moods that are negated do not count.
    It knows words, not irony: ask the person before acting on it.
    """
    read = cleaned(text)
    english, others = _words()
    found: dict[str, float] = {}

    def add(mood: str | None) -> None:
        if mood is not None:
            found[mood] = found.get(mood, 0.0) + 1.0

    words = _ENGLISH.findall(read)
    for at, word in enumerate(words):
        mood = english.get(word)
        if mood is not None:
            negated = not _NEGATION_EN.isdisjoint(words[max(0, at - _REACH) : at])
            add(_OPPOSITE[mood] if negated else mood)
    taken = [False] * len(read)
    for word in sorted((one for one in others if one in read), key=len, reverse=True):  # the longest first
        for match in re.finditer(re.escape(word), read):
            lo, hi = match.span()
            if not any(taken[lo:hi]):
                taken[lo:hi] = [True] * (hi - lo)
                negated = any(sign in read[max(0, lo - _REACH) : lo] for sign in _NEGATION_ZH)
                add(_OPPOSITE[others[word]] if negated else others[word])
    whole = sum(found.values())
    return {mood: found[mood] / whole for mood in MOODS if mood in found}


def mood_of(text: object, least: float = 0.5) -> str | None:
    """The mood that a text tells, None where no mood has the share ``least``: a value for the context ``mood``."""
    found = moods_of(text)
    best = max(found, key=lambda mood: found[mood], default=None)
    return best if best is not None and found[best] >= least else None
