import tomllib
from pathlib import Path

import pytest

from penchant.text.mood import MOODS, mood_of, moods_of

TOLD = tomllib.loads((Path(__file__).parent / "moods.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_sixty_sentences_of_each_language(language: str) -> None:
    pairs = [(mood, mood_of(text)) for mood, texts in TOLD[language].items() for text in texts]
    assert len(pairs) == 60
    scores = []
    for mood in MOODS:
        hits = sum(told == found == mood for told, found in pairs)
        scores.append(2 * hits / (sum(told == mood for told, _ in pairs) + sum(found == mood for _, found in pairs)))
    assert sum(scores) / len(scores) >= 0.9


@pytest.mark.parametrize("text", ["", None, "   ", "the table is brown", "桌子是棕色的", "\x00", "x" * 10**6])
def test_a_text_without_a_mood_tells_none(text: str | None) -> None:
    assert moods_of(text) == {} and mood_of(text) is None


def test_mixed_texts_are_shares() -> None:
    assert moods_of("tired but happy") == {"happy": 0.5, "tired": 0.5}
    assert mood_of("tired but happy", least=0.6) is None
    assert moods_of("not happy") == moods_of("不开心") == {"sad": 1.0}
    assert moods_of("not sad") == {}
