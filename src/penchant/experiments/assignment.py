"""Who gets which arm: a keyed hash of the unit, nothing stored."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from penchant.errors import ParameterError

TAKEN = 1 << 53  # fractions are exact floats


def fraction(key: bytes, salt: str, unit: str) -> float:
    """A number in [0, 1) that depends on key, salt and unit only, and that nobody without the key can tell.

    Different salts give independent numbers for one unit.
    """
    found = hmac.digest(key, f"{len(salt)}:{salt}{unit}".encode(), hashlib.sha256)
    return (int.from_bytes(found[:8]) >> 11) / TAKEN


def arm_of(key: bytes, salt: str, unit: str, shares: Mapping[str, float]) -> str | None:
    """The arm of a unit, in the order of ``shares``; None where they sum to less than one and the unit is outside.

    The arm of a unit never changes while the salt and the shares stay; a merged person has the arm of the id that the
    merge keeps. Raises ``ParameterError`` for shares that are not above zero or sum to more than one.
    """
    total, place, found = 0.0, fraction(key, salt, unit), None
    for arm, share in shares.items():
        if not share > 0:
            raise ParameterError(f"the share of arm {arm!r} is above 0, not {share:g}")
        total += share
        if found is None and place < total:
            found = arm
    if total > 1 + 1e-9:
        raise ParameterError(f"the shares of the arms sum to {total:g}, more than 1")
    if found is None and total >= 1 - 1e-9:
        found = arm  # the sum was rounded down
    return found
