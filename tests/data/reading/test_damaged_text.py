"""Broken JSON, cut-off archives, encodings that show late, records that only look like records."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest
import zstandard

from penchant import read_interactions
from penchant.data.reading import lines as text_lines
from penchant.data.reading.splitting import split_record
from penchant.errors import DataError


def write(folder, content, name="log"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_bad_json_lines_are_named_and_the_good_ones_stay(tmp_path):
    lines = [
        '{"user": "a", "item": "x"}',
        '{"user": "a", "item": ',
        "[1, 2]",
        "",
        '{"colour": "red"}',
        '{"user": true, "item": null}',
        '{"item": 7, "user": {"id": 1}}',
        '{"user": "b", "item": "y"}',
    ]
    log = read_interactions(write(tmp_path, "\n".join(lines)))
    assert log.user_ids[0] == "a"
    assert log.user_ids[-1] == "b"
    reasons = {row.line: row.reason for row in log.report.rejected}
    assert reasons[2].startswith("this is not JSON")
    assert reasons[3] == "this is JSON, but not an object"
    assert reasons[5] == "the id is missing"
    assert reasons[6] == "the id is missing"
    assert (tmp_path / "log.rejected.csv").read_text().count("\n") == 1 + len(reasons)


def test_json_keys_with_quotes_in_them(tmp_path):
    text = '{"user\'s id": "a", "item": "x"}\n{"user\'s id": 2, "item": "y"}\n{"item": "z"}\n'
    log = read_interactions(write(tmp_path, text), columns={"user": "user's id"})
    assert log.user_ids == ["a", "2"]
    assert log.report.n_rejected == 1


def test_no_json_object_at_all(tmp_path):
    with pytest.raises(DataError, match="no line is a JSON object"):
        read_interactions(write(tmp_path, "{broken\n{again\n"))


def test_damaged_bytes_in_json_lines(tmp_path):
    good = '{"user": "ä", "item": "ö"}\n'.encode() * 3
    log = read_interactions(write(tmp_path, good + b'{"user": "\xff", "item": "x"}\n'))
    assert (len(log), [row.line for row in log.report.rejected]) == (3, [4])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_an_archive_that_ends_too_early_gives_what_it_has_and_says_so(tmp_path, pack):
    text = "user,item\n" + "".join(f"u{n * n * 31 % 997},i{n * n * 17 % 991}\n" for n in range(60_000))
    packed = pack(text.encode())
    assert len(read_interactions(write(tmp_path, packed))) == 60_000
    path = write(tmp_path, packed[: len(packed) * 3 // 4] if pack is not bz2.compress else packed[:-20])
    if pack is bz2.compress:  # one block holds everything, so nothing can be saved
        with pytest.raises(DataError, match="too early"):
            read_interactions(path)
        return
    log = read_interactions(path)
    assert 1_000 < len(log) < 60_000
    assert [(f.check, f.severity) for f in log.report.findings if f.check == "damaged file"] == [
        ("damaged file", "error")
    ]
    with pytest.raises(DataError, match=r"too early|cut off"):
        read_interactions(path, strict=True)


def test_an_encoding_that_shows_only_after_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "BLOCK", 1 << 12)
    plain = "user,item\n" + "u,plain\n" * 50_000
    path = write(tmp_path, plain.encode() + "u,größe\nv,größe\n".encode("latin-1"))
    log = read_interactions(path)
    assert log.vocab.ids == ["plain", "größe"]
    assert log.report.sources[0].encoding == "cp1252"
    assert log.report.n_rejected == 0
    assert read_interactions(path, encoding="utf-8").report.n_rejected == 2  # it was said, so it is not guessed again


def test_two_bad_lines_that_look_like_one_record_lose_no_good_one(tmp_path):
    text = 'user,item,note\na,"x,1\nb,y,2\nc,"z,3\nd,w,4\n'
    log = read_interactions(write(tmp_path, text))
    assert log.user_ids == ["b", "d"]
    assert [row.line for row in log.report.rejected] == [2, 4]


def test_an_endless_quote_does_not_swallow_the_file(tmp_path):
    text = "user,item,note\n" + 'a,x,"open\n' + "".join(f"u{n},i{n},n\n" for n in range(1_000))
    log = read_interactions(write(tmp_path, text))
    assert len(log) == 1_000
    assert [(row.line, row.reason) for row in log.report.rejected] == [(2, "a quote is opened and never closed")]


def test_quotes_beside_separators_of_any_length():
    assert split_record('a::"b::c"::d', "::") == ["a", "b::c", "d"]
    assert split_record('"say ""hi"""::x', "::") == ['say "hi"', "x"]
    assert split_record('  a \t "b c"  d ', " ") == ["a", "b c", "d"]
    assert split_record("a,b" + "x" * 200_000, ",")[0].startswith("a")


def test_the_header_again_in_a_quoted_log(tmp_path):
    text = '"user","item"\n"a","x, y"\n"user","item"\n"b","z",\n'
    log = read_interactions(write(tmp_path, text))
    assert log.vocab.ids == ["x, y", "z"]
    assert [row.reason for row in log.report.rejected] == ["the header again"]


def test_weights_for_kinds_that_do_not_occur(tmp_path):
    log = read_interactions(write(tmp_path, "user,item,event\na,x,view\nb,y,view\n"), kinds="veiw=2")
    finding = next(f for f in log.report.findings if f.check == "kinds")
    assert "'veiw'" in finding.what
    assert "view" in finding.fix


def test_decimal_commas_where_the_comma_separates_nothing(tmp_path):
    log = read_interactions(write(tmp_path, "user;item;rating\na;x;3,5\nb;y;4\n"))
    assert log.values.tolist() == [3.5, 4]
