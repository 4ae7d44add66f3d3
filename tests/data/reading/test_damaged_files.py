"""Files that were cut short or changed on their way are told as such by every command."""

from __future__ import annotations

import gzip

import pytest

from penchant import read_interactions
from penchant.cli.main import main
from penchant.data.reading import lines as text_lines
from penchant.errors import DataError

WHOLE = "user,item,rating,timestamp\n" + "".join(
    f"{n * n % 97 + 1},{n * n * 17 % 1009 + 100},{n % 5 + 1},{880_000_000 + n * 61}\n" for n in range(5_000)
)
PACKED = gzip.compress(WHOLE.encode(), mtime=0)
CUT = PACKED[: len(PACKED) * 3 // 5]


def with_byte_changed(place):
    return PACKED[:place] + bytes([PACKED[place] ^ 0x10]) + PACKED[place + 1 :]


BROKEN = {
    "cut": (CUT, "the compressed file ends too early"),
    "changed": (with_byte_changed(len(PACKED) // 2), "the compressed file is damaged"),
    "wrong checksum": (with_byte_changed(len(PACKED) - 6), "the compressed file is damaged (CRC check failed"),
}


@pytest.fixture(params=BROKEN)
def broken(request, tmp_path):
    content, said = BROKEN[request.param]
    path = tmp_path / "log.csv.gz"
    path.write_bytes(content)
    return str(path), said


def commands(path, folder):
    model = folder / "model"
    return {
        "fit": ["fit", path, "-m", "popular", "-o", str(model)],
        "evaluate": ["evaluate", path, "-m", "popular", "--split", "leave-last", "--metrics", "hit"],
        "tune": ["tune", path, "-m", "item-knn", "--split", "leave-last", "--trials", "1", "-o", f"{folder}/p.json"],
        "recommend": ["recommend", str(model), "--user", "1", "--log", path],
        "inspect": ["inspect", path],
    }


def test_every_command_says_that_the_file_is_damaged_and_how_much_was_read(broken, tmp_path, capsys):
    path, said = broken
    read = read_interactions(path).report.rows
    for name, command in commands(path, tmp_path).items():
        assert main(command) == 0, name
        err = capsys.readouterr().err
        line = next(line for line in err.splitlines() if "compressed file" in line)
        assert line.startswith(f"penchant: error: {path}: {said}"), name
        assert f"{read:,} rows were read" in line
        assert "Fetch the file again" in line


def test_with_strict_the_damage_is_the_error_and_not_the_rows_it_made(broken, tmp_path, capsys, monkeypatch):
    path, said = broken
    monkeypatch.setattr(text_lines, "BLOCK", 1 << 14)  # so that wrong rows are met long before the checksum
    for name, command in commands(path, tmp_path).items():
        if name != "recommend":
            assert main([*command, "--strict"]) == 2, name
            err = capsys.readouterr().err
            assert err.startswith(f"penchant: {path}: {said}")
            assert "Fetch the file again" in err


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_the_row_in_which_a_file_breaks_off_is_rejected_kept_and_named(tmp_path, ending):
    rows = [f'{{"user": "u{n}", "item": {n * n}}}' if ending == "json" else f"u{n},{n * n}" for n in range(9_000)]
    text = "\n".join(["user,item", *rows][ending == "json" :]) + "\n"
    path = tmp_path / "log.gz"
    for size in range(3_000, 3_040):
        path.write_bytes(gzip.compress(text.encode(), mtime=0)[:size])
        with gzip.open(path) as file:
            there = b""
            while part := _some(file):
                there += part
        lines = there.decode().split("\n")
        log = read_interactions(path)
        assert len(log) == len(lines) - 1 - (ending == "csv")
        row = log.report.rejected[0] if log.report.rejected else None
        assert (row is None) == (lines[-1] == "")
        if row is not None:
            assert (row.line, row.value) == (len(lines), lines[-1])
            assert "in the middle of this row" in row.reason
            assert (tmp_path / "log.gz.rejected.csv").read_text().count("\n") == 2


def _some(file):
    try:
        return file.read1(64)
    except EOFError:
        return b""


def test_a_start_that_is_no_log_because_the_file_is_damaged_is_laid_to_the_damage(tmp_path):
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"when and where it was,what\n" * 40)[:30])
    with pytest.raises(DataError, match="ends too early, and the part that could be read is not a log"):
        read_interactions(path)


def test_a_damaged_item_table_is_said_too(tmp_path, capsys):
    (tmp_path / "log.csv").write_text(WHOLE)
    (tmp_path / "items.gz").write_bytes(
        gzip.compress(("item,title\n" + "".join(f"{n},T{n * n}\n" for n in range(100, 900))).encode())[:1500]
    )
    command = ["fit", str(tmp_path / "log.csv"), "--items", str(tmp_path / "items.gz"), "-m", "popular"]
    assert main([*command, "-o", str(tmp_path / "model")]) == 0
    assert f"error: {tmp_path / 'items.gz'}: the compressed file ends too early" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "other"), "--strict"]) == 2


def timed(n):
    return f"u{n % 40},i{n * n % 97},{n % 5 + 1},{880_000_000 + n * 37}"


@pytest.mark.parametrize("block", [1 << 24, 1 << 11])
@pytest.mark.parametrize("left", ["88003", "8", ""])
def test_a_last_row_that_was_cut_in_its_time_is_rejected_and_named(tmp_path, monkeypatch, left, block):
    monkeypatch.setattr(text_lines, "BLOCK", block)
    path = tmp_path / "log.csv"
    rows = ["user,item,rating,timestamp", *map(timed, range(1_000))]
    path.write_text("\n".join(rows) + f"\nu1,i1,3,{left}")
    log = read_interactions(path)
    assert (len(log), int(log.times.min())) == (1_000, 880_000_000)
    (row,) = log.report.rejected
    assert (row.line, row.value) == (1_002, left)
    assert "probably cut off" in row.reason
    assert f"u1,i1,3,{left}" in (tmp_path / "log.csv.rejected.csv").read_text()


UNFINISHED = {
    "a whole row": (1_000, "u1,i1,3,880000001"),
    "few rows": (19, "u1,i1,3,8800"),
    "a short one that is ended": (1_000, "u1,i1,3,8800\n"),
    "a short one in quotes": (1_000, 'u1,i1,3,"8800"'),
}


@pytest.mark.parametrize("what", UNFINISHED)
def test_a_last_row_without_a_line_end_stays_where_nothing_tells_that_it_was_cut(tmp_path, what):
    count, last = UNFINISHED[what]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["user,item,rating,timestamp", *map(timed, range(count)), last]))
    assert len(read_interactions(path, strict=True)) == count + 1


def test_utf_16_is_read_whole_however_many_blocks_it_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "BLOCK", 1 << 12)
    path = tmp_path / "log.csv"
    text = "user,item\n" + "".join(f"ü{n},i{n % 7}\n" for n in range(3_000))
    for said in (None, "utf-16"):
        path.write_bytes(text.encode("utf-16"))
        log = read_interactions(path, encoding=said, strict=True)
        assert (len(log), log.user_ids[-1]) == (3_000, "ü2999")
