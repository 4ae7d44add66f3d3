"""Answers without torch: the exported encoder says what torch says, and nothing else may stand in the file."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from penchant.core.run import Run
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import FormatError, MissingExtraError
from penchant.models.neural.training import export as exporter
from penchant.recommender.recommender import Recommender, load, save
from tests.models.neural.small_logs_of_walks import ITEMS, NAMES, asked, fitted, small, walks

BLOCKED = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None
import json, penchant as pc
rec = pc.load(sys.argv[1])
answer = rec.recommend([("3", 4), ("5", 2), ("7", 5)] if rec.model.name == "auto-rec" else ["3", "5", "7"], k=5)
print(json.dumps([[str(one.item), one.score] for one in answer.items]))
assert {blocked!r}[0] not in [name for name, module in sys.modules.items() if module is not None]
"""


def saved(model, path):
    recipe = Recipe(values_are="rating") if model.name == "auto-rec" else Recipe()
    save(Recommender(Vocab([str(n) for n in range(ITEMS)]), model, recipe), path)
    return path


COSINES = {"sasrec": {"temperature": 0.1, "block": "ligr"}, "mult-vae": {"temperature": 0.1, "decoder": "linear"}}


@pytest.mark.parametrize(("name", "params"), [*((name, {}) for name in NAMES), *COSINES.items()])
def test_the_exported_encoder_says_what_torch_says(name, params, monkeypatch):
    kept = {}
    monkeypatch.setattr(
        exporter, "export", lambda model, weights, real=exporter.export: kept.update(weights) or real(model, weights)
    )
    model = fitted(name, walks(), epochs=4, **params)
    weights = {key: torch.from_numpy(value) for key, value in kept.items()}
    given = asked(model, walks(25, seed=5, shortest=2, longest=70))
    table = model.item_vectors if model.input_vectors is None else model.input_vectors
    vectors = np.zeros((len(given), model.vector_width), np.float32)
    for rows, inputs in model.batches(given, table):
        vectors[rows] = model.encode(weights, *(torch.from_numpy(x) for x in inputs.values())).numpy()
    by_torch, by_onnx = model.score_vectors(vectors), model.score(given)
    spread = np.ptp(by_torch, axis=1, keepdims=True)
    assert (spread > 0).all()
    assert (np.abs(by_torch - by_onnx) / spread).max() < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_folder_answers_where_torch_is_not_installed(name, tmp_path):
    folder = saved(fitted(name, walks()), tmp_path / "model")
    assert sorted(path.name for path in folder.iterdir()) == [
        "encoder.onnx", "items.parquet", "manifest.json", "model.safetensors"
    ]  # fmt: skip
    assert (folder / "encoder.onnx").stat().st_size < 2**20
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked=["torch"]), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    history = [("3", 4), ("5", 2), ("7", 5)] if name == "auto-rec" else ["3", "5", "7"]
    here = load(folder).recommend(history, k=5)
    assert json.loads(done.stdout) == [[str(one.item), one.score] for one in here.items]


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    folder = saved(small("sasrec").fit(walks(), run=Run(threads=1)), tmp_path / "model")
    code = BLOCKED.format(blocked=["onnxruntime"])
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert "penchant[onnx]" in done.stderr
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"penchant\[neural\]"):
        small("sasrec").fit(walks())


def test_damaged_encoders_are_refused(tmp_path):
    folder = saved(small("sasrec").fit(walks(), run=Run(threads=1)), tmp_path / "model")
    encoder = folder / "encoder.onnx"
    whole = encoder.read_bytes()
    encoder.write_bytes(whole[:-1])
    with pytest.raises(FormatError, match=r"encoder\.onnx"):
        load(folder)
    encoder.write_bytes(b"\0" * len(whole))
    with pytest.raises(FormatError, match=r"encoder\.onnx"):
        load(folder)
    encoder.unlink()
    with pytest.raises(FormatError, match=r"encoder\.onnx"):
        load(folder)
