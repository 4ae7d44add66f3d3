"""Plainly written numbers in lines of text, against splitting the lines in Python."""

import re

import numpy as np
import pytest

from penchant.kernels.fields import DECIMAL, ROUGH, SKIPPED, WHOLE, plain_numbers

POWERS = 10.0 ** np.arange(19)
PLAIN_WHOLE = re.compile(r"^(0|-?[1-9][0-9]{0,17})$")
PLAIN_DECIMAL = re.compile(r"^-?([0-9]{1,9})(\.[0-9]+)?$")
KINDS = (WHOLE, SKIPPED, DECIMAL, WHOLE)


def read(data: bytes, kinds=KINDS, room=50):
    kinds = np.array(kinds, np.int8)
    places = np.zeros(len(kinds), np.int64)
    for kind in (WHOLE, DECIMAL):
        places[kinds == kind] = np.arange((kinds == kind).sum())
    whole, decimal = np.zeros((int((kinds == WHOLE).sum()), room), np.int64), np.zeros((1, room))
    failed, shortest = np.zeros(len(kinds), np.bool_), np.full(1, len(data), np.int64)
    rows = plain_numbers(
        np.frombuffer(data, np.uint8), ord(","), kinds, places, POWERS, whole, decimal, failed, shortest
    )
    return rows, whole, decimal, failed.tolist(), int(shortest[0])


def plain(cell: str, kind: int) -> bool:
    if kind == SKIPPED:
        return True
    if kind == WHOLE:
        return bool(PLAIN_WHOLE.match(cell))
    return (
        bool(PLAIN_DECIMAL.match(cell))
        and sum(sign.isdigit() for sign in cell) <= 15
        and not (cell.startswith("-") and float(cell) == 0)
    )


CELLS = ["0", "7", "-7", "07", "-0", "", "+7", "7.0", "1e3", "-", ".", "5.", ".5", "-3.25", "1.2.3", "é", " 7", "7 ",
         "999999999999999999", "1000000000000000000", "999999999.999999", "1234567890", "0.1", "0.000000000000001",
         "00.5", "--5", "5-", "١"]  # fmt: skip


@pytest.mark.parametrize("column", [0, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_read_if_and_only_if_it_is_plain(cell, column):
    rows = [["3", "x y", "4.5", "900"], ["12", "", "2", "-1"]]
    rows[1][column] = cell
    for end in ("\n", ""):
        data = ("\n".join(",".join(row) for row in rows) + end).encode()
        found, whole, decimal, failed, shortest = read(data)
        if not plain(cell, KINDS[column]):
            assert found == ROUGH
            assert failed == [at == column for at in range(4)]
            continue
        assert found == 2
        assert whole[0, :2].tolist() == [int(row[0]) for row in rows]
        assert whole[1, :2].tolist() == [int(row[3]) for row in rows]
        assert decimal[0, :2].tolist() == [float(row[2]) for row in rows]
        assert shortest == min(len(row[3]) for row in rows)


def test_decimals_are_rounded_as_python_rounds_them():
    rng = np.random.default_rng(0)
    cells = [f"{rng.integers(0, 10**9)}.{rng.integers(0, 10**6):06d}" for _ in range(2000)]
    data = "".join(f"1,,{cell},2\n" for cell in cells).encode()
    found, _, decimal, _, _ = read(data, room=2000)
    assert found == 2000
    assert decimal[0].tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize(
    "text", ["1,a,2,3,4\n", "1,a,2\n", "1,a,2,3\n\n5,b,2,3\n", '1,"a",2,3\n', "1,a,2,3\r\n", "1,a\r,2,3\n", "1,a,2,"]
)
def test_other_lines_are_left_to_the_splitter(text):
    assert read(text.encode())[0] == ROUGH


def test_no_row_is_written_beyond_the_arrays():
    assert read(b"1,a,2,3\n" * 4, room=3)[0] == ROUGH
