"""The ways to turn texts into vectors, by name; made anew, and read from a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from penchant.errors import FormatError, ParameterError
from penchant.text.encoder import Arrays, TextEncoder
from penchant.text.learned_vectors import LearnedVectors
from penchant.text.onnx_vectors import ONNX, OnnxVectors
from penchant.text.outside_vectors import OutsideVectors
from penchant.text.static_vectors import StaticVectors

WAYS = ("learned", "static")  # that need nothing from the operator


def make_encoder(way: str | TextEncoder | Callable[[list[str]], Any], texts: Sequence[object]) -> TextEncoder:
    """The encoder of a name (``WAYS``), fitted to texts if it learns; a function of the operator is wrapped.

    Raises ``ParameterError`` for another name, ``DataError`` where there is nothing to learn from and
    ``MissingExtraError`` without what the static embeddings need.
    """
    if way == "learned":
        return LearnedVectors.fit(texts)
    if way == "static":
        return StaticVectors.installed()
    if isinstance(way, str):
        raise ParameterError(
            f"texts become vectors in one of the ways {', '.join(WAYS)}, {ONNX}FOLDER, not {way[:40]!r}"
        )
    if hasattr(way, "encode") and hasattr(way, "to_json"):
        return cast("TextEncoder", way)
    if callable(way):
        return OutsideVectors.of_function(way)
    raise ParameterError(f"an encoder is a name or a function from texts to vectors, not {type(way).__name__}")


def load_encoder(
    data: Mapping[str, Any], arrays: Arrays, outside: Callable[[list[str]], Any] | None = None
) -> TextEncoder:
    """The encoder that was saved. ``outside`` is the operator's function, where one had made the vectors; without it
    such an encoder knows no new texts. Raises ``FormatError`` for another content."""

    ways: dict[str, Any] = {"learned": LearnedVectors, "static": StaticVectors, "onnx": OnnxVectors}
    name = data.get("name")
    if name == OutsideVectors.name:
        return OutsideVectors.of(data, outside)
    if name not in ways:
        raise FormatError(f"texts were made vectors in a way that is unknown here: {str(name)[:40]!r}")
    made: TextEncoder = ways[name].of(data, arrays)
    return made
