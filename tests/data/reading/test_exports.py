"""Every export of the corpus gives the table beside it, or is refused in the words that say how to mend it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from penchant import read_interactions
from penchant.errors import DataError
from tests.data.reading.corpus import BEGIN, END, FOLDER, PAGE, exports, page_with_table

EXPORTS = {one.file: one for one in exports()}


def events(log):
    """Events as the tables beside the exports have them."""
    values = [None] * len(log) if log.values is None else log.values.tolist()
    times = [None] * len(log) if log.times is None else log.times.tolist()
    return [
        (
            f"guest {log.user_ids[u]}" if log.is_guest(int(u)) else log.user_ids[u],
            log.vocab.ids[i],
            "" if value is None else f"{value:g}",
            "" if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        )
        for u, i, value, time in zip(log.users, log.items, values, times, strict=True)
    ]


@pytest.mark.parametrize("name", [name for name, one in EXPORTS.items() if not one.refused])
def test_an_export_is_understood(name):
    one = EXPORTS[name]
    log = read_interactions(one.path, rejected=False, **one.options)
    assert events(log) == one.expected()
    assert log.values_are == one.values


@pytest.mark.parametrize("name", [name for name, one in EXPORTS.items() if one.refused])
def test_an_export_is_refused_in_words(name):
    one = EXPORTS[name]
    with pytest.raises(DataError) as error:
        read_interactions(one.path, rejected=False, **one.options)
    assert one.refused in str(error.value)
    assert one.file in str(error.value)


def test_the_corpus_is_whole_and_the_page_shows_it():
    files = {path.name for path in FOLDER.iterdir()} - {"exports.toml"}
    listed = {one.file for one in EXPORTS.values()}
    assert len(EXPORTS) >= 60
    assert files == listed | {f"{one.file}.expected.csv" for one in EXPORTS.values() if not one.refused}
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert page_with_table(text) == text, "run python -m tests.data.reading.corpus"
