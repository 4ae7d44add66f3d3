import random
import tomllib
from pathlib import Path

import numpy as np
import pytest

from penchant.errors import DataError, FormatError
from penchant.text.learned_opinion import LearnedOpiner, auc, labels
from penchant.text.lexicon import LONGEST, LexiconOpiner, _chinese, _lexicons, longest_of
from penchant.text.ngrams import Ngrams
from penchant.text.opinion import weighed

PAIRS = tomllib.loads((Path(__file__).parent / "pairs.toml").read_text(encoding="utf-8"))
SMALL = Ngrams((1, 3), 2, 14)
GOOD = ["great film", "wonderful story", "i love it", "很好看", "非常喜欢", "great story", "love the film", "真的好看"]
BAD = ["awful film", "boring story", "i hate it", "很难看", "非常讨厌", "awful story", "hate the film", "真的难看"]


def test_sixty_pairs_of_sentences_are_in_order() -> None:
    opiner = LexiconOpiner()
    assert len(PAIRS["en"]) == len(PAIRS["zh"]) == 30
    wrong = []
    for better, worse in [*PAIRS["en"], *PAIRS["zh"]]:
        one, other = opiner.score([better, worse]).opinion
        if one <= other:
            wrong.append((better, one, worse, other))
    assert wrong == []


def test_what_decided_is_named() -> None:
    found = LexiconOpiner().score(["The price is good but the service is really terrible", "质量不好"])
    assert found.words == [["really terrible"], ["不好"]]
    assert LexiconOpiner().score(["good"], words=0).words == [[]]


@pytest.mark.parametrize("text", ["", "   ", "the of and", "\x00\x01", "12345", None, "🏠🚗"])
def test_a_text_without_a_known_word_says_nothing(text: str | None) -> None:
    found = LexiconOpiner().score([text])
    assert found.opinion[0] == 0
    assert found.low[0] < 0.2 and found.high[0] > 0.8


def test_only_emoji_are_an_opinion_too() -> None:
    assert LexiconOpiner().score(["😍😍"]).opinion[0] > 0.5 > -0.5 > LexiconOpiner().score(["😡"]).opinion[0]


def test_intervals_are_wide_for_mixed_texts() -> None:
    both = LexiconOpiner().score(["good nice great happy lovely", "good poor nice bad great broken"])
    width = both.high - both.low
    assert width[1] > 1.5 * width[0]
    found = weighed(np.linspace(-40, 40, 9), np.linspace(-40, 40, 9), np.full(9, 40.0), [[]] * 9)
    assert (found.low <= found.probability).all() and (found.probability <= found.high).all()
    assert (np.diff(found.probability) >= 0).all()


def test_learning_orders_texts_it_has_not_seen() -> None:
    texts, stars = (GOOD + BAD) * 4, ([5] * 8 + [1] * 8) * 4
    opiner, held_out = LearnedOpiner.learn(texts, stars, ngrams=SMALL)
    assert opiner.facts["texts"] == 64 and opiner.facts["positive"] == 32
    assert len(held_out) == 64
    found = opiner.score(["a great love story", "an awful boring film", "好看", "讨厌"])
    assert found.opinion[0] > found.opinion[1] and found.opinion[2] > found.opinion[3]
    assert "great" in " ".join(found.words[0])
    again = LearnedOpiner.of(opiner.to_json(), opiner.arrays())
    assert np.array_equal(again.score(texts).probability, opiner.score(texts).probability)


def test_an_unknown_text_has_the_share_of_training_and_a_wide_interval() -> None:
    opiner, _ = LearnedOpiner.learn(GOOD * 6 + BAD * 2, [1] * 48 + [0] * 16, ngrams=SMALL)
    found = opiner.score(["", "great wonderful love"])
    assert found.probability[0] == pytest.approx(0.75)
    assert found.high[0] - found.low[0] > found.high[1] - found.low[1]


def test_equal_texts_are_judged_without_themselves() -> None:
    # labels are noise of the text: a model that had seen a text would know its label
    rng = np.random.default_rng(0)
    words = [f"w{rng.integers(10**6)} q{rng.integers(10**6)}" for _ in range(200)]
    stars = rng.integers(0, 2, 200)
    _, held_out = LearnedOpiner.learn(words * 3, np.tile(stars, 3), ngrams=SMALL)
    assert abs(auc(held_out, np.tile(stars, 3) > 0) - 0.5) < 0.1


def test_labels_of_every_scale() -> None:
    positive, used = labels(np.array([1.0, 2, 3, 4, 5, np.nan]))
    assert positive.tolist() == [False, False, False, True, True, False]
    assert used.tolist() == [True, True, False, True, True, False]
    assert labels(np.array([0.0, 1.0]))[0].tolist() == [False, True]
    assert labels(np.array([-1.0, 1.0]))[0].tolist() == [False, True]
    assert labels(np.array([2.0, 9.0]))[0].tolist() == [False, True]
    assert labels(np.array([4.0, 5.0]))[0].tolist() == [True, True]  # of five, not of what occurs
    assert labels(np.array([4.0, 5.0]), (4.0, 5.0))[0].tolist() == [False, True]
    with pytest.raises(DataError, match="do not fit a scale"):
        labels(np.array([4.0, 6.0]), (1.0, 5.0))
    with pytest.raises(DataError, match="no text has stars"):
        labels(np.array([np.nan]))


def test_one_kind_of_label_teaches_nothing() -> None:
    with pytest.raises(DataError, match="at least two of each"):
        LearnedOpiner.learn(GOOD, [5] * 8, ngrams=SMALL)
    with pytest.raises(DataError, match="at least two of each"):
        LearnedOpiner.learn(["good", "", "", ""], [5, 1, 1, 1], ngrams=SMALL)


def test_only_what_was_saved_is_read() -> None:
    opiner, _ = LearnedOpiner.learn(GOOD + BAD, [1] * 8 + [0] * 8, ngrams=SMALL)
    data, arrays = opiner.to_json(), opiner.arrays()
    for wrong in ({**data, "slope": -1.0}, {**data, "prior": "x"}, {**data, "ngrams": {}}, {}):
        with pytest.raises(FormatError):
            LearnedOpiner.of(wrong, arrays)
    with pytest.raises(FormatError, match="weights"):
        LearnedOpiner.of(data, {**arrays, "weights": arrays["weights"][:-1]})
    with pytest.raises(FormatError, match="rarity"):
        LearnedOpiner.of(data, {"weights": arrays["weights"]})


def test_bad_input_is_bounded() -> None:
    opiner, _ = LearnedOpiner.learn(GOOD + BAD, [1] * 8 + [0] * 8, ngrams=SMALL)
    for text in ("great " * 200_000, "\x00\x1f\x7f", "<b>great</b>", "great 很好 прекрасно عظيم", "😍" * 1000, None):
        for one in (opiner, LexiconOpiner()):
            found = one.score([text])
            assert np.isfinite([found.probability, found.low, found.high]).all()


def test_chinese_words_are_the_longest_known_ones_from_left_to_right() -> None:
    known = sorted(_lexicons()[1].known)
    dice = random.Random(0)
    for _ in range(200):
        text = "".join(dice.choice([*known, "里", "电", "机", "不"]) for _ in range(20))
        naive, at = list[str](), 0
        while at < len(text):  # one place after the other
            size = next((n for n in range(LONGEST, 1, -1) if text[at : at + n] in known), 1)
            naive += [text[at : at + size]] if text[at : at + size] in known else []
            at += size
        assert _chinese().findall(text) == naive


def test_what_finds_words_finds_the_longest() -> None:
    known = longest_of(["ab", "abcd", "b", ""])
    assert known.findall("abcabcdb") == ["ab", "abcd", "b"] and longest_of([]).findall("ab") == []
    whole = longest_of(["gift", "gift card"], apart=True)
    assert whole.findall("gift  card, gifts gift-card a gift") == ["gift  card", "gift"]
