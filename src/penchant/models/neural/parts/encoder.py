"""Answers without torch: an exported encoder, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats
from penchant.errors import FormatError, MissingExtraError

ENCODER = "encoder.onnx"


class Encoder:
    """One encoder on one thread; callers may run several at once."""

    def __init__(self, model: bytes) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise MissingExtraError("onnx", "an answer of a neural model") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: warnings concern the exporter
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as wrong:  # ONNX Runtime's errors have no public base class
            raise FormatError(f"{ENCODER} cannot be run: {str(wrong)[:200]}") from wrong
        self.inputs = [one.name for one in self._session.get_inputs()]

    @staticmethod
    @lru_cache(maxsize=32)
    def of(model: bytes) -> Encoder:
        """The encoder of these bytes, created once."""
        return Encoder(model)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Floats:
        """The output for these inputs; inputs that the encoder does not have are ignored."""
        out: Floats = self._session.run(None, {name: inputs[name] for name in self.inputs})[0]
        return np.asarray(out, dtype=np.float32)
