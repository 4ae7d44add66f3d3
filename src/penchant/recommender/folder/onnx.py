"""What an encoder file may contain, read from its bytes: one graph of standard operators and its numbers.

ONNX Runtime would follow references to other files and load code for operators of other domains. Both are refused
before it sees the file. The format is protocol buffers (onnx.proto): fields with a number, a kind and a value. Only
fields that lead to operators and numbers are followed.
"""

from __future__ import annotations

from collections.abc import Iterator

from penchant.errors import FormatError

STANDARD = ("", "ai.onnx")
_DEPTH = 8  # graphs inside nodes inside graphs


def check(name: str, data: bytes) -> None:
    """Raises ``FormatError`` for anything but a self-contained graph of standard operators."""
    try:
        fields = list(_fields(memoryview(data)))
    except (IndexError, ValueError):
        raise FormatError(f"{name} is not an ONNX file, or is truncated") from None
    graphs = [value for number, value in fields if number == 7]
    if len(graphs) != 1 or isinstance(graphs[0], int):
        raise FormatError(f"{name} holds {len(graphs)} graphs, not one")
    if any(number == 25 for number, _ in fields):
        raise FormatError(f"{name} defines its own functions, which an encoder does not need")
    try:
        _graph(name, graphs[0], _DEPTH)
    except (IndexError, ValueError, TypeError, UnicodeDecodeError):
        raise FormatError(f"{name} is a damaged ONNX file") from None


def _graph(name: str, data: memoryview, depth: int) -> None:
    if depth == 0:
        raise FormatError(f"{name} nests graphs deeper than any encoder that Penchant writes")
    for number, value in _fields(data):
        if number == 1:
            _node(name, _message(value), depth)
        elif number == 5:
            _tensor(name, _message(value))
        elif number == 15:
            raise FormatError(f"{name} contains sparse numbers, which Penchant does not write")


def _node(name: str, data: memoryview, depth: int) -> None:
    for number, value in _fields(data):
        if number == 7:
            domain = str(_message(value), "utf-8")
            if domain not in STANDARD:
                raise FormatError(f"{name} uses an operator of {domain[:40]!r}: only the standard ones are allowed")
        elif number == 5:
            for kind, part in _fields(_message(value)):
                if kind in {5, 10}:  # a tensor, tensors
                    _tensor(name, _message(part))
                elif kind in {6, 11}:  # a graph, graphs
                    _graph(name, _message(part), depth - 1)


def _tensor(name: str, data: memoryview) -> None:
    for number, value in _fields(data):
        if number == 13 or (number == 14 and value != 0):
            raise FormatError(f"{name} stores numbers in another file, which is not allowed")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise TypeError
    return value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of a message; raises ``IndexError`` or ``ValueError`` if it is malformed."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
        else:
            raise ValueError
        if at + size > len(data):
            raise IndexError
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError
