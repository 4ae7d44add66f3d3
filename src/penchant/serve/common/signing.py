"""Short signed texts, such as page tokens and cookies, that only the holder of the secret can make."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

MAC = 16  # bytes of HMAC-SHA256 that are kept
LONGEST = 2048
# Made once: json.dumps would make one at each call.
_SHORT, _SORTED = (
    json.JSONEncoder(separators=(",", ":")),
    json.JSONEncoder(sort_keys=True),
)


def sign(secret: bytes, purpose: str, document: dict[str, Any]) -> str:
    """A URL-safe text with the document; ``purpose`` separates kinds of tokens."""
    body = _SHORT.encode(document).encode()
    return base64.urlsafe_b64encode(_mac(secret, purpose, body) + body).rstrip(b"=").decode()


def unsign(secret: bytes, purpose: str, token: str) -> dict[str, Any] | None:
    """The document of a token, None for an invalid one."""
    if len(token) > LONGEST or not token.isascii():
        return None
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    mac, body = raw[:MAC], raw[MAC:]
    if not hmac.compare_digest(mac, _mac(secret, purpose, body)):
        return None
    document = json.loads(body)
    return document if isinstance(document, dict) else None


def digest(document: Any) -> str:
    """A short fingerprint of plain values."""
    return hashlib.sha256(_SORTED.encode(document).encode()).hexdigest()[:16]


def _mac(secret: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.digest(secret, purpose.encode() + b"\0" + body, "sha256")[:MAC]
