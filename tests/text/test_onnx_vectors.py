"""An encoder of the operator as an ONNX graph: taken into the folder, run from it, and refused if it is another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

import penchant as pc
from penchant.errors import DataError, FormatError, ParameterError
from penchant.text.encoders import load_encoder
from penchant.text.onnx_vectors import OnnxVectors

WORDS = ["[UNK]", "beer", "ale", "lager", "milk", "cream", "butter", "dark", "fresh"]
TABLE = np.array([[0, 0, 0], *[[3, 0, 0]] * 3, *[[0, 3, 0]] * 3, [0, 0, 1], [0, 0, 1]], dtype=np.float32)
TITLES = ["dark beer", "dark ale", "fresh lager", "fresh milk", "fresh cream", "butter"]
ITEMS = pl.DataFrame({"item": [f"g{n}" for n in range(6)], "title": TITLES})


def graph(*, domain: str = "", name: str = "input_ids", pooled: bool = False) -> bytes:
    """Looks every token up in a table, ``(texts, tokens, 3)``; pooled: the largest of them."""
    nodes = [helper.make_node("Gather", ["table", name], ["found"], domain=domain)]
    nodes += [helper.make_node("ReduceMax", ["found"], ["out"], axes=[1], keepdims=0)] if pooled else []
    shape = ["texts", 3] if pooled else ["texts", "tokens", 3]
    made = helper.make_graph(
        nodes, "encoder", [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("out" if pooled else "found", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(TABLE, "table")],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def tokenizer() -> bytes:
    found = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, WORDS[0]))
    found.pre_tokenizer = Whitespace()
    return found.to_str().encode()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(graph())
    (folder / "tokenizer.json").write_bytes(tokenizer())
    return folder


def test_vectors_are_the_mean_of_the_tokens_and_do_not_depend_on_neighbours() -> None:
    encoder = OnnxVectors.made(graph(), tokenizer())
    assert encoder.size == 3
    texts = ["dark beer", "", "milk", "Fresh  MILK and cream", "beer " * 5000, "9"]
    found = encoder.encode(texts)
    assert np.allclose(found[0], np.array([3, 0, 1]) / np.sqrt(10), atol=1e-6)
    assert np.allclose(found[2], [0, 1, 0]) and np.allclose(found[4], [1, 0, 0])
    assert not found[1].any() and not found[5].any()  # nothing, and nothing known
    for at, text in enumerate(texts):
        assert np.array_equal(encoder.encode([text])[0], found[at])
    assert np.allclose(OnnxVectors.made(graph(pooled=True), tokenizer()).encode(["dark beer"])[0], found[0])


def test_it_is_kept_in_the_folder_and_gives_new_titles_their_vectors(files: Path, tmp_path: Path) -> None:
    told = [{"user": f"u{u}", "item": f"g{3 * (u % 2) + (u + n) % 3}"} for u in range(30) for n in range(2)]
    log = pc.read_interactions(pl.DataFrame(told))
    rec = pc.fit(log, "content-knn", catalog=pc.Catalog.read(ITEMS, log.vocab), text=f"onnx:{files}")
    rec.save(tmp_path / "model")
    for name in ("model.onnx", "tokenizer.json"):
        (files / name).unlink()  # no longer needed
    assert pc.verify(tmp_path / "model")["files"]["text.safetensors"] > 0
    again = pc.load(tmp_path / "model")
    assert again.text is not None and again.text.name == "onnx"
    assert again.search("ale", 3).ids == rec.search("ale", 3).ids and again.search("ale", 1).ids == ["g1"]
    again.extend(ITEMS.vstack(pl.DataFrame({"item": ["new"], "title": ["dark lager"]})))
    assert "new" in again.recommend(["g0"], 3).ids and "new" not in again.recommend(["g3"], 2).ids


def test_other_files_are_refused_in_words(files: Path) -> None:
    log = pc.read_interactions(pl.DataFrame({"user": ["a"] * 6, "item": ITEMS["item"]}))

    def fitted() -> None:
        pc.fit(log, "popular", catalog=pc.Catalog.read(ITEMS, log.vocab), text=f"onnx:{files}")

    for content, message in (
        (b"no graph", "not an ONNX file"),
        (graph(domain="com.evil"), "only the standard ones are allowed"),
        (graph(name="sound"), "takes sound, not input_ids"),
    ):
        (files / "model.onnx").write_bytes(content)
        with pytest.raises(FormatError, match=message):
            fitted()
    (files / "model.onnx").write_bytes(graph())
    (files / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(FormatError, match=r"tokenizer.json cannot be read"):
        fitted()
    (files / "tokenizer.json").unlink()
    with pytest.raises(DataError, match="the encoder cannot be read"):
        fitted()
    with pytest.raises(ParameterError, match="onnx:FOLDER"):
        pc.fit(log, "popular", catalog=pc.Catalog.read(ITEMS, log.vocab), text="onnx")


def test_only_what_was_saved_is_read() -> None:
    encoder = OnnxVectors.made(graph(), tokenizer())
    stated, arrays = encoder.to_json(), encoder.arrays()
    assert np.array_equal(load_encoder(stated, arrays).encode(TITLES), encoder.encode(TITLES))
    with pytest.raises(FormatError, match="whole number"):
        load_encoder({**stated, "size": -1}, arrays)
    with pytest.raises(FormatError, match="other arrays"):
        load_encoder(stated, {"graph": arrays["graph"]})
    with pytest.raises(FormatError, match="cannot be run"):
        load_encoder(stated, {**arrays, "graph": np.frombuffer(b"x" * 50, np.uint8)})


def test_a_graph_that_fails_or_returns_another_size_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    encoder = OnnxVectors.made(graph(), tokenizer())
    smaller = load_encoder({**encoder.to_json(), "size": 2}, encoder.arrays())
    assert not smaller.encode(["beer", "milk", ""]).any()
    assert isinstance(smaller, OnnxVectors) and smaller.failures == 2
    assert "texts have no vectors" in caplog.text
    beyond = Tokenizer.from_str(tokenizer().decode())
    beyond.add_tokens(["zebra"])  # a token that the table does not have
    failing = OnnxVectors.made(graph(), beyond.to_str().encode())
    failing.strict = False
    assert not failing.encode(["zebra"]).any() and failing.failures == 1
    assert failing.encode(["beer"]).any()
