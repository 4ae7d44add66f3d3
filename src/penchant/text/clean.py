"""One spelling of a text: without markup, control characters and case, and of bounded length."""

from __future__ import annotations

import html
import re
import unicodedata

MOST = 20_000  # characters of one text that are read
_TAG = re.compile(r"<[^<>]{0,1000}>")
_GAPS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff\ud800-\udfff]+")
_DRAWN_OUT = re.compile(r"(.)\1{3,}")


class Cleaned(str):
    """A text that is cleaned already."""

    __slots__ = ()


def cleaned(text: object) -> str:
    """The text in NFKC without case, markup and control characters; white space is one blank, runs of one character
    are at most three long. Anything but text is empty. Only the first ``MOST`` characters are read."""
    if isinstance(text, Cleaned):
        return text
    if not isinstance(text, str):
        return Cleaned()
    text = text[:MOST]
    if "<" in text or "&" in text:
        text = html.unescape(_TAG.sub(" ", text))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return Cleaned(_DRAWN_OUT.sub(r"\1\1\1", _GAPS.sub(" ", text.casefold())).strip())
