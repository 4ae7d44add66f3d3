"""The files that a model keeps beside its arrays: each is read from its bytes, and refused, before it is used."""

from __future__ import annotations

from penchant.ranking.trees import parse
from penchant.recommender.folder import onnx

TREES = ".txt"


def check_asset(name: str, content: bytes) -> None:
    """Raises ``FormatError`` for anything but an encoder, or the text of boosted trees, that Penchant could have
    written."""
    if name.endswith(TREES):
        parse(content, name)
    else:
        onnx.check(name, content)
