import pytest

from penchant.text.clean import MOST, cleaned


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("  Good\tDAY \n", "good day"),
        ("<p>Nice &amp; warm<br/></p>", "nice & warm"),
        ("a\x00b\x07c", "a b c"),
        ("ＡＢＣ１２３", "abc123"),  # full width
        ("soooooo good!!!!!!!", "sooo good!!!"),
        ("a\u200bb\ufeff", "a b"),
        ("很好😍", "很好😍"),
        (None, ""),
        (3.5, ""),
        ("", ""),
        ("\ud800x", "x"),  # half of a pair, which no file can hold
    ],
)
def test_one_spelling(given: object, expected: str) -> None:
    assert cleaned(given) == expected


def test_a_text_of_a_megabyte_is_read_up_to_a_bound() -> None:
    assert len(cleaned("ab " * 400_000)) <= MOST
    assert cleaned("x" * MOST + "END") == cleaned("x" * MOST)
    assert cleaned("<" * 10**6)  # no tag: linear time, nothing lost


def test_cleaning_again_changes_nothing() -> None:
    for text in ("Ünïcode &amp; more", "很 好 ！", "ⓐⓑ  ok"):
        assert cleaned(cleaned(text)) == cleaned(text)
