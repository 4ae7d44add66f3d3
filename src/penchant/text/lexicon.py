"""Opinions from word lists, for texts without labels to learn from: English and Chinese, with emoji."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from typing import Any

import numpy as np

from penchant.text.clean import cleaned
from penchant.text.opinion import WORDS, Opinions, weighed

LONGEST = 6  # characters of a Chinese word
REACH_EN, REACH_ZH = 3, 4  # words, or characters, before a word in which a negation or a degree changes it
FLIP, UP, DOWN = -0.7, 1.4, 0.6  # what negation and degree make of a weight
BEFORE, AFTER = 0.5, 1.3  # weights before and after a contrast
SCALE = 0.55  # log odds of one unit of weight
NEAR = 8  # words before a word that are remembered
_TOKEN = re.compile(
    r"(?P<en>[a-z]+(?:['’-][a-z]+)*)|(?P<zh>[\u3400-\u9fff]+)|(?P<stop>[.!?;,。！？；，…~\n]+)|(?P<sign>[^\sa-z\u3400-\u9fff]+)"
)
_STOP = re.compile(r"[.!?;。！？；…\n]")
_BEGINS, _ENDS = r"(?<![a-z])(?<![a-z]['’-])", r"(?![a-z])(?!['’-][a-z])"  # of a whole English word
_GAP = r"(?!['’-][a-z])[^a-z\u3400-\u9fff]+"  # between two words
_ENDINGS = ("ing", "ed", "ly", "es", "s")


@dataclass(frozen=True)
class Lexicon:
    """The weight of each word of one language, and what changes it."""

    weights: dict[str, float]
    up: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()
    negation: frozenset[str] = frozenset()
    contrast: frozenset[str] = frozenset()
    concession: frozenset[str] = frozenset()

    @classmethod
    def of(cls, table: dict[str, Any]) -> Lexicon:
        """From a table of the word list: keys that are numbers are weights."""
        weights = {word: float(key) for key, text in table.items() if _number(key) for word in text.split()}
        names = {"up": "degree_up", "down": "degree_down"}
        fields = ("up", "down", "negation", "contrast", "concession")
        sets = {name: frozenset(str(table.get(names.get(name, name), "")).split()) for name in fields}
        return cls(weights, **sets)

    @cached_property
    def turns(self) -> frozenset[str]:
        """Words that say that something else follows."""
        return self.contrast | self.concession

    @property
    def known(self) -> frozenset[str]:
        """All its words."""
        return frozenset(self.weights) | self.up | self.down | self.negation | self.contrast | self.concession


def _number(key: str) -> bool:
    return key.lstrip("-").isdecimal()


@cache
def _lexicons() -> tuple[Lexicon, Lexicon, dict[str, float]]:
    text = resources.files("penchant.text").joinpath("words/opinion.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return Lexicon.of(tables["en"]), Lexicon.of(tables["zh"]), Lexicon.of(tables["emoji"]).weights


@cache
def _chinese() -> re.Pattern[str]:
    """What finds the Chinese words of the list, the longest at each place."""
    return longest_of(word for word in _lexicons()[1].known if len(word) <= LONGEST)


@cache
def _signs() -> frozenset[str]:
    """The characters of emoji."""
    return frozenset().union(*_lexicons()[2])


@dataclass
class _Reading:
    """What was found in one text so far: (weight, word) of the clauses, the last one open."""

    found: list[tuple[float, str]] = field(default_factory=list)
    clause: int = 0  # where the sentence began in ``found``
    factor: float = 1.0  # of weights from here on: ``BEFORE`` in a concession, ``AFTER`` behind a contrast

    def contrast(self) -> None:
        """What was said before in this sentence counts less, what follows more."""
        if self.factor == 1.0:
            self.found[self.clause :] = [(weight * BEFORE, word) for weight, word in self.found[self.clause :]]
        self.factor = AFTER

    def stop(self, mark: str) -> None:
        """A sentence ends, or with a comma the concession in it."""
        if _STOP.search(mark):
            self.clause, self.factor = len(self.found), 1.0
        elif self.factor == BEFORE:
            self.factor = AFTER


class LexiconOpiner:
    """Opinions from the word list of this package; nothing is learned.

    Each known word adds its weight; a negation before it turns it round, a degree changes its size, and a contrast
    ("but", "但是") makes what stands before it count less. The log odds are ``SCALE`` times the sum.
    """

    name = "lexicon"

    def score(self, texts: Sequence[object], *, words: int = WORDS) -> Opinions:
        """The opinion of each text, with at most ``words`` words that decided it; 0.5 where no word is known."""
        n = len(texts)
        balance, evidence, named = np.zeros(n), np.zeros(n), list[list[str]]()
        for at, text in enumerate(texts):
            found = read(cleaned(text))
            balance[at] = SCALE * sum(weight for weight, _ in found)
            evidence[at] = SCALE * sum(abs(weight) for weight, _ in found)
            towards = [(weight, word) for weight, word in found if weight * balance[at] > 0] if words else []
            best = sorted(towards, key=lambda one: -abs(one[0]))
            named.append(list(dict.fromkeys(word for _, word in best))[:words])
        return weighed(balance, balance, evidence, named)


def read(text: str) -> list[tuple[float, str]]:
    """The weighted words of a cleaned text, in order, each with what stands before it and changes it."""
    english, chinese, emoji = _lexicons()
    reading = _Reading()
    before: list[str] = []  # words, and characters of Chinese, of this clause
    for token, kind in _tokens(text):
        if kind == "unknown":
            before += token
            continue
        if kind == "stop":
            before = []
            reading.stop(token)
            continue
        if kind == "sign":
            if not _signs().isdisjoint(token):
                reading.found += [(weight, sign) for sign, weight in emoji.items() if sign in token]
            before = []
            continue
        lexicon = english if kind == "en" else chinese
        if token in lexicon.turns:
            if token in lexicon.concession and len(reading.found) == reading.clause:  # "although it was dear, ..."
                reading.factor = BEFORE
            elif token in lexicon.contrast:
                reading.contrast()
                before = []
                continue
        weight = _weight(token, lexicon)
        if weight:
            near = before[-(REACH_EN if kind == "en" else REACH_ZH) :]
            changed, with_it = _changed(weight, near, lexicon, kind)
            reading.found.append((changed * reading.factor, with_it + token))
            if kind == "zh":
                before = []
                continue
        before.append(token)
    return reading.found


def is_known(token: str) -> bool:
    """Whether a word has a weight or changes that of others."""
    english, chinese, _ = _lexicons()
    return token in english.known or token in chinese.known or bool(_weight(token, english))


def _weight(token: str, lexicon: Lexicon) -> float:
    found = lexicon.weights.get(token)
    if found is not None or not token.endswith(_ENDINGS):
        return found or 0.0
    for ending in _ENDINGS:
        if token.endswith(ending):
            stem = token[: -len(ending)]
            for form in (stem, stem + "e", stem[:-1]):
                if len(form) > 2 and form in lexicon.weights:
                    return lexicon.weights[form]
    return 0.0


def _changed(weight: float, near: list[str], lexicon: Lexicon, kind: str) -> tuple[float, str]:
    """A weight after the words before it, and those that changed it as text."""
    said = ""
    for word in reversed(near):
        if word in lexicon.negation:
            return weight * FLIP, f"{word} {said}" if kind == "en" else word + said
        if word in lexicon.up or word in lexicon.down:
            weight *= UP if word in lexicon.up else DOWN
            said = f"{word} {said}" if kind == "en" else word + said
    return weight, said


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Words, marks and signs with their kind; of a stretch of Chinese the known words, and what is just before them."""
    for match in _TOKEN.finditer(text):
        token, kind = match.group(), str(match.lastgroup)
        if kind != "zh":
            yield token.replace("’", "'") if "’" in token else token, kind
            continue
        at = 0
        for word in _chinese().finditer(token):
            lo, hi = word.span()
            if lo > at:
                yield token[max(at, lo - NEAR) : lo], "unknown"
            yield token[lo:hi], kind
            at = hi
        if at < len(token):
            yield token[max(at, len(token) - NEAR) :], "unknown"


def longest_of(words: Iterable[str], *, apart: bool = False) -> re.Pattern[str]:
    """What finds words of a list in a text, from left to right, each the longest from its place; with ``apart``
    English words and phrases, whole ones only."""
    tree: dict[str, Any] = {}
    for word in words:
        at = tree
        for letter in word:
            at = at.setdefault(letter, {})
        if word:
            at[""] = {}  # a word ends here
    found = _branches(tree) if tree else r"(?!)"
    return re.compile(_BEGINS + found.replace(r"\ ", _GAP) + _ENDS if apart else found)


def _branches(tree: dict[str, Any]) -> str:
    ends = "" in tree
    parts = [re.escape(letter) + _branches(rest) for letter, rest in tree.items() if letter]
    if not parts:
        return ""
    return f"(?:{'|'.join(parts)})" + ("?" if ends else "")
