"""Vectors by an encoder of the operator as an ONNX graph, which the folder keeps with its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.errors import DataError, FormatError, MissingExtraError
from penchant.text.encoder import Arrays
from penchant.text.outside_vectors import MOST_SIZE, OutsideVectors

ONNX = "onnx:"  # before the folder of an encoder
GRAPH, TOKENIZER = "model.onnx", "tokenizer.json"  # its files
MOST_GRAPH, MOST_TOKENIZER = 2**30, 2**26  # bytes
MOST_TOKENS = 256  # of a text that are read
ROWS = 32  # texts that are encoded at a time
TOKENS, MASK, KINDS = "input_ids", "attention_mask", "token_type_ids"
_NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


@dataclass(eq=False)
class OnnxVectors(OutsideVectors):
    """v = the output of a graph for a text's tokens, scaled to length one; where it has one for each token, their mean.

    The graph takes ``input_ids``, and ``attention_mask`` and ``token_type_ids`` if it likes; its first output is
    ``(texts, size)`` or ``(texts, tokens, size)``. Only the first ``MOST_TOKENS`` tokens of a text are read. Texts of
    different lengths are never in one batch, so none depends on its neighbours. Failures are those of
    ``OutsideVectors``. Needs the extras ``text`` and ``onnx``.
    """

    name = "onnx"
    graph: bytes = field(default=b"", repr=False)
    tokenizer: bytes = field(default=b"", repr=False)

    @classmethod
    def made(cls, graph: bytes, tokenizer: bytes) -> OnnxVectors:
        """From the two files of an encoder; raises ``FormatError`` for others, ``DataError`` where it fails."""
        made = cls(0, Graph(graph, tokenizer), strict=True, graph=graph, tokenizer=tokenizer)
        made.size = int(made._call(["text"]).shape[1])
        return made

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The two files, as bytes."""
        return {name: np.frombuffer(getattr(self, name), dtype=np.uint8) for name in ("graph", "tokenizer")}

    @classmethod
    def of(cls, data: Mapping[str, Any], arrays: Arrays) -> OnnxVectors:  # type: ignore[override]  # it needs no function
        """What was saved; raises ``FormatError`` for anything else."""
        size = data.get("size")
        if type(size) is not int or not 1 <= size <= MOST_SIZE:
            raise FormatError("vectors by an ONNX graph: the size is not a whole number")
        if set(arrays) != {"graph", "tokenizer"} or any(a.dtype != np.uint8 or a.ndim != 1 for a in arrays.values()):
            raise FormatError("vectors by an ONNX graph: other arrays than were saved")
        graph, tokenizer = bytes(arrays["graph"]), bytes(arrays["tokenizer"])
        return cls(size, Graph(graph, tokenizer), graph=graph, tokenizer=tokenizer)


class Graph:
    """A graph and its tokenizer, on one thread. Raises ``FormatError`` for what is not one of each."""

    def __init__(self, graph: bytes, tokenizer: bytes) -> None:
        if len(graph) > MOST_GRAPH or len(tokenizer) > MOST_TOKENIZER:
            raise FormatError(f"{GRAPH} has at most {MOST_GRAPH:,} bytes, {TOKENIZER} {MOST_TOKENIZER:,}")
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise MissingExtraError("onnx", "an encoder of texts") from None
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError:
            raise MissingExtraError("text", "an encoder of texts") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as wrong:  # ONNX Runtime's errors have no public base class
            raise FormatError(f"{GRAPH} cannot be run: {str(wrong)[:200]}") from wrong
        try:
            self._pieces = Tokenizer.from_str(tokenizer.decode("utf-8"))
            self._pieces.no_padding()
            self._pieces.enable_truncation(MOST_TOKENS)
        except Exception as wrong:  # noqa: BLE001  # the tokenizer raises its own, without a base class
            raise FormatError(f"{TOKENIZER} cannot be read: {str(wrong)[:80]}") from None
        self._inputs = {one.name: _NUMBERS.get(one.type) for one in self._session.get_inputs()}
        if TOKENS not in self._inputs or not {TOKENS, MASK, KINDS} >= self._inputs.keys():
            raise FormatError(f"{GRAPH} takes {', '.join(self._inputs)}, not {TOKENS}, {MASK} and {KINDS}")
        if None in self._inputs.values():
            raise FormatError(f"{GRAPH} takes inputs that are no whole numbers")

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """The vectors of some texts, ``(texts, size)``; raises ``DataError`` for an output of another shape."""
        found = [one.ids for one in self._pieces.encode_batch(texts)]
        lengths = np.array([len(ids) for ids in found])
        parts: dict[int, NDArray[Any]] = {}
        for length in np.unique(lengths[lengths > 0]).tolist():
            rows = np.flatnonzero(lengths == length)
            for lo in range(0, len(rows), ROWS):
                some = rows[lo : lo + ROWS].tolist()
                parts |= dict(zip(some, self._run(np.array([found[at] for at in some])), strict=True))
        if not parts:
            raise DataError("no text has a token that the encoder knows")
        (size,) = {len(one) for one in parts.values()}
        out = np.zeros((len(texts), size), np.float32)
        for at, vector in parts.items():
            out[at] = vector
        return out

    def _run(self, ids: NDArray[Any]) -> NDArray[Any]:
        whole = {TOKENS: ids, MASK: np.ones_like(ids), KINDS: np.zeros_like(ids)}
        given = {name: whole[name].astype(dtype) for name, dtype in self._inputs.items()}
        out = np.asarray(self._session.run(None, given)[0])
        out = out.mean(axis=1) if out.ndim == 3 else out
        if out.ndim != 2 or len(out) != len(ids):
            raise DataError(f"the graph returned an array of shape {out.shape} for {len(ids)} texts")
        return out
