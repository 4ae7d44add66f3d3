"""What an encoder file may contain: made byte by byte, as protocol buffers."""

from __future__ import annotations

import pytest

from penchant.errors import FormatError
from penchant.recommender.folder.onnx import check

GRAPH, NODE, TENSOR, DOMAIN, ATTRIBUTE = 7, 1, 5, 7, 5


def number(value: int) -> bytes:
    """A number in groups of seven bits."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(key: int, payload: bytes) -> bytes:
    """A field of bytes."""
    return number(key << 3 | 2) + number(len(payload)) + payload


def whole(key: int, value: int) -> bytes:
    """A field that is a number."""
    return number(key << 3) + number(value)


ADD = field(NODE, field(DOMAIN, b"") + field(4, b"Add"))
NAMED = field(NODE, field(4, b"MatMul") + field(DOMAIN, b"ai.onnx") + field(ATTRIBUTE, field(5, field(9, b"x" * 300))))
FIXED = number(9 << 3 | 1) + b"12345678" + number(10 << 3 | 5) + b"1234"  # eight bytes, four bytes
INSIDE = field(TENSOR, field(8, b"weights") + whole(14, 0) + field(9, b"y" * 200))


@pytest.mark.parametrize(
    "graph",
    [b"", ADD, NAMED, FIXED + ADD, INSIDE, ADD + INSIDE + NAMED, whole(3, 2**40) + ADD, FIXED],
)
def test_standard_graphs_pass(graph: bytes) -> None:
    check("encoder.onnx", whole(1, 8) + field(2, b"penchant") + field(GRAPH, graph) + field(8, b"opset"))


EVIL = field(NODE, field(DOMAIN, b"com.evil") + field(4, b"Run"))
FOREIGN = "uses an operator of '{}': only the standard ones are allowed"
OUTSIDE = field(13, field(1, b"location") + field(2, b"/etc/passwd"))


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (EVIL, FOREIGN.format("com.evil")),
        (FIXED + ADD + EVIL, FOREIGN.format("com.evil")),
        (NAMED + EVIL, FOREIGN.format("com.evil")),
        (field(NODE, field(DOMAIN, b"e" * 50)), FOREIGN.format("e" * 40)),
        (field(TENSOR, OUTSIDE), "stores numbers in another file, which is not allowed"),
        (field(TENSOR, whole(14, 1)), "stores numbers in another file, which is not allowed"),
        (INSIDE + field(TENSOR, field(8, b"w") + OUTSIDE), "stores numbers in another file, which is not allowed"),
        (field(15, b""), "contains sparse numbers, which Penchant does not write"),
        *((field(NODE, field(ATTRIBUTE, field(key, EVIL))), FOREIGN.format("com.evil")) for key in (6, 11)),
        *(
            (field(NODE, field(ATTRIBUTE, field(key, OUTSIDE))), "stores numbers in another file, which is not allowed")
            for key in (5, 10)
        ),
        (b"\x0a\xff", "is a damaged ONNX file"),
        (number(9 << 3 | 1) + b"1234567", "is a damaged ONNX file"),
        (number(9 << 3 | 5) + b"123", "is a damaged ONNX file"),
        (number(9 << 3 | 3), "is a damaged ONNX file"),
        (whole(NODE, 4), "is a damaged ONNX file"),
        (field(NODE, field(DOMAIN, b"\xff")), "is a damaged ONNX file"),
        (b"\x80" * 10, "is a damaged ONNX file"),
        (b"\x80" * 10 + b"\x00" + b"x", "is a damaged ONNX file"),
    ],
)  # fmt: skip
def test_graphs_that_reach_outside_are_refused(graph: bytes, says: str) -> None:
    with pytest.raises(FormatError) as refused:
        check("encoder.onnx", field(GRAPH, graph))
    assert str(refused.value) == f"encoder.onnx {says}"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "holds 0 graphs, not one"),
        (field(GRAPH, b"") + field(GRAPH, b""), "holds 2 graphs, not one"),
        (whole(GRAPH, 1), "holds 1 graphs, not one"),
        (b"\xff\xff", "is not an ONNX file, or is truncated"),
        (field(GRAPH, ADD)[:-1], "is not an ONNX file, or is truncated"),
        (b"PK\x03\x04 a zip", "is not an ONNX file, or is truncated"),
        (field(GRAPH, b"") + field(25, b""), "defines its own functions, which an encoder does not need"),
    ],
)
def test_other_files_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(FormatError) as refused:
        check("encoder.onnx", data)
    assert str(refused.value) == f"encoder.onnx {says}"


def test_graphs_inside_graphs_are_followed_to_a_depth() -> None:
    def nested(depth: int) -> bytes:
        graph = b""
        for _ in range(depth - 1):
            graph = field(NODE, field(ATTRIBUTE, field(6, graph)))
        return graph

    check("encoder.onnx", field(GRAPH, nested(8)))
    with pytest.raises(FormatError) as refused:
        check("encoder.onnx", field(GRAPH, nested(9)))
    assert str(refused.value) == "encoder.onnx nests graphs deeper than any encoder that Penchant writes"
