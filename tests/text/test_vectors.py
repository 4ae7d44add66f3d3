import sys

import numpy as np
import pytest

from penchant.errors import DataError, FormatError, MissingExtraError, ParameterError
from penchant.text.encoders import load_encoder, make_encoder
from penchant.text.learned_vectors import LearnedVectors
from penchant.text.ngrams import Ngrams
from penchant.text.outside_vectors import OutsideVectors
from penchant.text.static_vectors import StaticVectors

KINDS = {
    "milk": ["whole milk", "low fat milk", "oat milk drink", "milk powder", "fresh milk bottle"],
    "bread": ["white bread", "rye bread", "bread rolls", "brown bread loaf", "toast bread"],
    "牛奶": ["纯牛奶", "低脂牛奶", "燕麦牛奶饮料", "牛奶粉", "鲜牛奶瓶装"],
    "面包": ["白面包", "黑麦面包", "面包卷", "全麦面包", "吐司面包"],
    "啤酒": ["黑啤酒", "瓶装啤酒", "听装啤酒", "精酿啤酒", "无醇啤酒"],
}
TEXTS = [text for texts in KINDS.values() for text in texts]


def test_texts_about_the_same_are_near_in_every_language() -> None:
    vectors = LearnedVectors.fit(TEXTS, size=16).encode(TEXTS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    near = vectors @ vectors.T
    np.fill_diagonal(near, -1)
    kind = np.repeat(np.arange(len(KINDS)), 5)
    assert (kind[near.argmax(axis=1)] == kind).mean() >= 0.9


def test_a_new_title_lands_in_its_group() -> None:
    encoder = LearnedVectors.fit(TEXTS, size=16)
    vectors = encoder.encode(TEXTS)
    for title, kind in (("脱脂牛奶", 2), ("啤酒六罐", 4), ("sour dough bread", 1), ("condensed milk", 0)):
        assert (vectors @ encoder.encode([title])[0]).argmax() // 5 == kind


def test_the_decomposition_is_that_of_numpy() -> None:
    ngrams = Ngrams((1, 3), 1, 18)
    encoder = LearnedVectors.fit(TEXTS, size=len(TEXTS), ngrams=ngrams)
    counts = ngrams.counts(TEXTS)[:, encoder.columns].toarray()
    rows = np.where(counts > 0, (1 + np.log(np.maximum(counts, 1))) * encoder.rarity, 0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(rows, full_matrices=False)
    expected = left[:, values > 1e-4 * values[0]] * np.sqrt(values[values > 1e-4 * values[0]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = encoder.encode(TEXTS)
    assert np.allclose(found @ found.T, expected @ expected.T, atol=5e-3)


def test_what_says_nothing_has_no_direction() -> None:
    for encoder in (LearnedVectors.fit(TEXTS, size=8), StaticVectors.installed()):
        assert not encoder.encode(["", None, "\x00 \x01"]).any()
        assert encoder.encode([]).shape == (0, encoder.size)
        assert np.isfinite(encoder.encode(["milk " * 300_000, "😀😀", "<p>milk</p>", "milk 牛奶 молоко"])).all()
    with pytest.raises(DataError, match="no two texts share"):
        LearnedVectors.fit(["abc", "xyz"])


def test_what_is_saved_is_what_is_read() -> None:
    for encoder in (LearnedVectors.fit(TEXTS, size=8), StaticVectors.installed()):
        again = load_encoder(encoder.to_json(), encoder.arrays())
        assert np.array_equal(again.encode(TEXTS), encoder.encode(TEXTS))
        with pytest.raises(FormatError):
            load_encoder({**encoder.to_json(), "size": 7}, encoder.arrays())
        with pytest.raises(FormatError):
            load_encoder(encoder.to_json(), {})
    with pytest.raises(FormatError, match="unknown here"):
        load_encoder({"name": "other"}, {})
    made = LearnedVectors.fit(TEXTS, size=8)
    shuffled = {**made.arrays(), "columns": made.columns[::-1].copy()}
    with pytest.raises(FormatError, match="columns"):
        load_encoder(made.to_json(), shuffled)


def test_static_embeddings_know_meanings_and_load_nothing_else() -> None:
    encoder = StaticVectors.installed()
    film, movie, car = encoder.encode(["a thrilling film", "an exciting movie", "spare wheel"])
    assert film @ movie > film @ car
    assert "wordllama" not in sys.modules  # importing it sets up logging and a downloader


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"penchant\[text\]"):
        StaticVectors.installed()


def test_a_function_of_the_operator() -> None:
    encoder = make_encoder(lambda texts: np.array([[len(text), 1.0] for text in texts]), TEXTS)
    assert encoder.name == "outside" and encoder.size == 2
    assert np.allclose(encoder.encode(["abc", ""]), [[0.94868, 0.31623], [0, 0]], atol=1e-4)
    again = load_encoder(encoder.to_json(), encoder.arrays())  # the folder holds no code
    assert not again.encode(["abc"]).any() and again.size == 2
    with pytest.raises(ParameterError, match="not 'magic'"):
        make_encoder("magic", TEXTS)
    with pytest.raises(ParameterError, match="not int"):
        make_encoder(3, TEXTS)


@pytest.mark.parametrize(
    "function",
    [
        lambda texts: 1 / 0,
        lambda texts: np.ones((len(texts), 3)),
        lambda texts: np.ones(len(texts)),
        lambda texts: np.full((len(texts), 2), np.nan),
        lambda texts: "vectors",
    ],
)
def test_a_failing_function_is_an_error_at_first_and_counted_later(function: object) -> None:
    with pytest.raises(DataError, match="the encoder of texts"):
        OutsideVectors(2, function, strict=True).encode(["abc"])
    later = OutsideVectors(2, function)
    assert not later.encode(["abc", "", "def"]).any()
    assert later.failures == 2
