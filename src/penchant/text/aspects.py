"""Aspects: what texts speak of - the price, the comfort, 味道 - and for or against it."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import numpy as np

from penchant.core.histories import Floats, Ints
from penchant.text.clean import cleaned
from penchant.text.lexicon import SCALE, is_known, longest_of, read

LEAST, MOST = 3, 100  # texts that hold a phrase, and the phrases that are kept
INSIDE = 0.8  # share of the texts of a phrase from which a longer one that holds it takes its place
MOST_ODDS = 30.0  # log odds beyond which an opinion is as clear as it gets
_CLAUSE = re.compile(
    r"[.!?;,:。！？；，：…~、\n()（）]+|\b(?:but|however|although|though|while|and|yet)\b|但是|但|不过|可是|而且|就是|虽然"
)
_WORD = re.compile(r"[a-z]+(?:['’-][a-z]+)*|[\u3400-\u9fff]+")


@cache
def _words() -> dict[str, frozenset[str]]:
    """The words that say what a noun is."""
    text = resources.files("penchant.text").joinpath("words/aspects.toml").read_text(encoding="utf-8")
    split = {
        name: words if name == "never_characters" else words.split() for name, words in tomllib.loads(text).items()
    }
    return {name: frozenset(words) for name, words in split.items()}


@dataclass(frozen=True, eq=False)
class Mentions:
    """Clauses that speak for or against an aspect; entry ``i`` of each array is one of them."""

    texts: Ints  # (mentions,) which text
    aspects: Ints  # (mentions,) which aspect
    opinions: Floats  # (mentions,) from -1 to 1


@dataclass(frozen=True)
class Aspects:
    """Frequent noun phrases beside words of opinion (after Hu and Liu 2004), in English and Chinese.

    Without a tagger, a noun is a word behind an article or before "is", or the characters before a Chinese word of
    opinion. Those in ``LEAST`` texts or more are kept, at most ``MOST``.
    """

    names: tuple[str, ...]

    @classmethod
    def learn(cls, texts: Sequence[object], *, least: int = LEAST, most: int = MOST) -> Aspects:
        """The aspects of texts. Cost: a few microseconds a word."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update({name for clause in _split(text) for name in _candidates(clause)})
        kept = {name: n for name, n in counts.items() if n >= least}
        for name in [name for name in kept if name.endswith("s") and name[:-1] in kept]:  # ``find`` knows plurals
            del kept[name]
        for name in sorted(kept, key=len, reverse=True):
            for part in _parts(name):
                if part in kept and name in kept and kept[name] >= INSIDE * kept[part]:
                    del kept[part]
        return cls(tuple(sorted(kept, key=lambda name: (-kept[name], name))[:most]))

    @cached_property
    def _spelled(self) -> tuple[dict[str, str], re.Pattern[str], re.Pattern[str]]:
        """The name of each English spelling, what finds these, and what finds the Chinese names."""
        english = [name for name in self.names if name and name == " ".join(_WORD.findall(name)) and name.isascii()]
        spelled = {name + ending: name for name in english for ending in ("es", "s")} | {name: name for name in english}
        chinese = longest_of(name for name in self.names if not name.isascii())
        return spelled, longest_of(spelled, apart=True), chinese

    def _named(self, clause: str) -> set[str]:
        """The names in a clause; of names inside each other, the longest."""
        spelled, english, chinese = self._spelled
        found: set[str] = set() if clause.isascii() else set(chinese.findall(clause))
        return found | {spelled[" ".join(_WORD.findall(said))] for said in english.findall(clause)}

    def find(self, text: object) -> dict[str, float]:
        """The aspects that a text speaks for or against, with the mean opinion of their clauses; of names inside each
        other, the longest."""
        found: dict[str, list[float]] = {}
        for clause in _split(text):
            named = self._named(clause)
            opinion = _opinion(clause) if named else 0.0
            if opinion:
                for name in sorted(named):
                    found.setdefault(name, []).append(opinion)
        return {name: sum(opinions) / len(opinions) for name, opinions in found.items()}

    def mentions(self, texts: Sequence[object]) -> Mentions:
        """``find`` for many texts."""
        place = {name: at for at, name in enumerate(self.names)}
        rows = [(at, place[n], o) for at, text in enumerate(texts) if text for n, o in self.find(text).items()]
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        return Mentions(
            np.array(columns[0], dtype=np.int32), np.array(columns[1], dtype=np.int32), np.array(columns[2], np.float32)
        )


def _split(text: object) -> Iterator[str]:
    """The clauses of a text."""
    for clause in _CLAUSE.split(cleaned(text)):
        if clause and clause.strip():
            yield clause.strip()


def _opinion(clause: str) -> float:
    """The opinion of a clause, from -1 to 1; 0 where no word is known."""
    balance = SCALE * sum(weight for weight, _ in read(clause))
    return 2 / (1 + math.exp(min(-balance, MOST_ODDS))) - 1


def _candidates(clause: str) -> Iterator[str]:
    """The phrases of a clause that may be nouns."""
    words = _WORD.findall(clause)
    for at, word in enumerate(words):
        if not word.isascii():
            yield from _chinese(word)
        elif _is_noun(word) and (
            (at > 0 and (words[at - 1] in _words()["before"] or _is_noun(words[at - 1]) or is_known(words[at - 1])))
            or (at + 1 < len(words) and words[at + 1] in _words()["after"])
        ):
            yield word
            if at > 0 and _is_noun(words[at - 1]):
                yield f"{words[at - 1]} {word}"


def _is_noun(word: str) -> bool:
    return word.isascii() and len(word) > 2 and word not in _words()["never"] and not is_known(word)


def _chinese(text: str) -> Iterator[str]:
    """The two to four characters before a word of opinion."""
    for _, word in read(text):
        at = text.find(word)
        run = ""
        while at > 0 and text[at - 1] not in _words()["never_characters"] and len(run) < 4:
            at -= 1
            run = text[at] + run
        yield from {run[-2:], run} - _words()["never_chinese"] if 2 <= len(run) <= 4 else ()


def _parts(name: str) -> set[str]:
    """The shorter phrases inside one."""
    if name.isascii():
        return set(name.split()) - {name}
    return {name[lo:hi] for lo in range(len(name)) for hi in range(lo + 2, len(name) + 1)} - {name}
