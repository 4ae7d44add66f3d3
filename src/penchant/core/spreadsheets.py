"""Texts that a spreadsheet would run as a formula when it opens a CSV file."""

from __future__ import annotations

import re

STARTS = ("=", "+", "-", "@", "\t", "\r")
NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
RUNS = r"^[=+\-@\t\r]"
_NUMBER = re.compile(NUMBER)


def harmless(text: str) -> str:
    """The text with ``'`` before it if a spreadsheet would run it; numbers stay as they are."""
    return f"'{text}" if text.startswith(STARTS) and not _NUMBER.match(text) else text
