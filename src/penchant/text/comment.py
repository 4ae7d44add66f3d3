"""What an event's text does: a comment becomes an opinion, and the text is forgotten."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from penchant.text.clean import cleaned

if TYPE_CHECKING:
    from penchant.text.aspects import Aspects
    from penchant.text.opinion import Opiner

MOST_BYTES = 4096
DIGITS = 3  # of an opinion that is kept
AGAINST = -0.25  # opinion down to which a comment is no dislike yet
COMMENT, DISLIKE = "comment", "dislike"
ABOUT = "about"  # the aspects that a comment speaks of
MOST_ABOUT = 8
MOOD, TEXT = "mood", "text"  # the mood that a comment tells, and the comment itself: kept only where people agreed


class Heard(NamedTuple):
    """The kind of a commented event, and what is kept of the text: its opinion, the words that decided it, and the
    aspects, the mood and the text itself where they are asked for."""

    kind: str
    kept: dict[str, Any]


@cache
def _opiner() -> Opiner:
    from penchant.text.lexicon import LexiconOpiner

    return LexiconOpiner()


def hear(
    text: str,
    kind: str | None,
    opiner: Opiner | None = None,
    aspects: Aspects | None = None,
    *,
    mood: bool = False,
    keep: bool = False,
) -> Heard:
    """What a comment says. An event of another kind than ``comment`` stays what it is; a comment that speaks against
    its item is a dislike. ``opiner`` reads it; by default, the word list. ``aspects`` that it speaks of are kept, its
    ``mood`` if asked for, and with ``keep`` the text."""
    kept = {TEXT: text} if keep else {}
    text = cleaned(text)  # once
    if mood:
        from penchant.text.mood import mood_of

        told_mood = mood_of(text)
        kept |= {} if told_mood is None else {MOOD: told_mood}
    found = (opiner or _opiner()).score([text])
    opinion = round(float(found.opinion[0]), DIGITS)
    own = kind if kind is not None and kind.strip().lower() != COMMENT else None
    said = own or (DISLIKE if opinion <= AGAINST else COMMENT)
    about = {} if aspects is None else aspects.find(text)
    clearest = sorted(about, key=lambda name: -abs(about[name]))[:MOST_ABOUT]
    told = {ABOUT: {name: round(about[name], DIGITS) for name in clearest}} if about else {}
    return Heard(said, {"opinion": opinion, "words": found.words[0], **told, **kept})
