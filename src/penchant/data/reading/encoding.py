"""Detecting the encoding of a text from its bytes."""

from __future__ import annotations

import codecs
import re

from penchant.errors import ParameterError

_HIGH = re.compile(rb"[\x80-\xff]+")


def known(name: str) -> str:
    """The canonical name of an encoding; raises ``ParameterError`` if it does not exist."""
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, UnicodeError, TypeError):
        raise ParameterError(f"there is no text encoding {name!r}: utf-8, latin-1, gb18030, shift_jis, ...") from None
    return "utf-8-sig" if found == "utf-8" else found


def sniff_encoding(head: bytes) -> str:
    """``utf-8-sig`` (UTF-8 with or without a mark), ``utf-16``, ``gb18030``, ``cp1252`` or ``latin-1``.

    Bytes that are not UTF-8 are taken for GB18030 if high bytes come in pairs and most pairs are punctuation or one of
    the 3,755 common characters of GB 2312; otherwise for Western European.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8-sig"
    if mostly_utf8(head):
        return "utf-8-sig"  # UTF-8 with a few damaged rows
    runs = [len(run) for run in _HIGH.findall(head)]
    paired = sum(length % 2 == 0 for length in runs)
    leads = [lead for run in _HIGH.findall(head) if len(run) % 2 == 0 for lead in run[::2]]
    common = sum(0xA1 <= lead <= 0xA9 or 0xB0 <= lead <= 0xD7 for lead in leads)
    if leads and paired >= 0.8 * len(runs) and common >= 0.7 * len(leads) and _decodes(head, "gb18030"):
        return "gb18030"
    return "cp1252" if _decodes(head, "cp1252") else "latin-1"


def mostly_utf8(head: bytes) -> bool:
    """Whether most lines with non-ASCII bytes are valid UTF-8."""
    lines = [line for line in head.split(b"\n") if not line.isascii()]
    good = sum(_decodes(line, "utf-8") for line in lines)
    return good > 0.5 * len(lines)


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    return True
