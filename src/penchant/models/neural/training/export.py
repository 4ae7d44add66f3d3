"""Export of an encoder from torch: the graph of ``encode`` with its weights, opset 18, standard operators only."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from penchant.core.histories import Histories
from penchant.models.neural.training.trainable import Arrays, Trainable

OPSET = 18


class _Graph(torch.nn.Module):
    """``encode`` with fixed weights, as a module for the exporter."""

    def __init__(self, model: Trainable, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.model, self.weights = model, weights

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model.encode(self.weights, *inputs)


def export(model: Trainable, weights: Arrays) -> bytes:
    """The encoder as the bytes of an ONNX file; rows and lengths are dynamic, item vectors are inputs."""
    table = model.item_vectors if model.input_vectors is None else model.input_vectors
    few = Histories.from_lists([[0], [0, 0, 0]], len(table), times=[[0], [0, 1, 2]])
    inputs = model.encoder_inputs(few.newest(model.encoder_window), table)
    graph = _Graph(model, {name: torch.from_numpy(np.asarray(array)) for name, array in weights.items()})
    free: dict[str, Any] = {
        name: {axis: ("rows", "length")[axis] for axis in range(min(2, array.ndim))} for name, array in inputs.items()
    }
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated; torch is pinned to a version that has it
        torch.onnx.export(
            graph.eval(),
            tuple(torch.from_numpy(array) for array in inputs.values()),
            file,
            input_names=list(inputs),
            output_names=["state"],
            dynamic_axes=free | {"state": {0: "rows"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()
