"""Documents as JSON, large ones in steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from penchant.store.event_loop import breathe


def in_steps(document: Mapping[str, Any]) -> bytes:
    """A document with ``items`` as JSON, item by item if they have reasons: one of megabytes would hold the interpreter
    for long."""
    if not any("why" in item for item in document["items"][:1]):
        return to_json(document)
    parts = []
    for name, value in document.items():
        parts.append(to_json(name) + b":" + (_listed(value) if name == "items" else to_json(value)))
    return b"{" + b",".join(parts) + b"}"


def _listed(items: list[Any]) -> bytes:
    out = []
    for item in items:
        out.append(to_json(item))
        breathe()
    return b"[" + b",".join(out) + b"]"
