"""Excel workbooks: sheets, headers below titles, dates, ids; and what is said about broken ones."""

from __future__ import annotations

import datetime as dt
import gzip
import sys
import zipfile

import pytest

from penchant import read_interactions
from penchant.cli.main import main
from penchant.data.catalog import Catalog
from penchant.errors import DataError, MissingExtraError
from tests.data.reading.books import write_book

START = dt.datetime(2017, 1, 1, 12, 30)  # noqa: DTZ001  # as Excel has it: without a zone
ROWS = [[float(user), f"a{n}", START + dt.timedelta(hours=n), 2.0] for user in (7, 8) for n in range(3)]
HEADER = ["Kundennummer", "Artikelnummer", "Datum", "Menge"]


@pytest.fixture
def book(tmp_path):
    sheets = {
        "Orders": [["Orders of 2017"], [], HEADER, *ROWS],
        "Items": [["item", "title"], *([f"a{n}", f"Title {n}"] for n in range(3))],
    }
    return write_book(tmp_path / "shop.xlsx", **sheets)


def test_the_first_sheet_is_read_with_its_dates_and_whole_numbers_as_ids(book):
    log = read_interactions(book)
    assert log.user_ids == ["7", "8"]
    assert log.vocab.ids == ["a0", "a1", "a2"]
    assert log.times.tolist()[:3] == [1483273800, 1483277400, 1483281000]
    assert log.report.sources[0].format == "Excel"
    assert log.report.sources[0].columns["time"] == "Datum"


def test_a_sheet_is_named_behind_the_file_also_for_an_item_table(book):
    log = read_interactions(book, items=f"{book}#items")
    assert Catalog.read(f"{book}#Items", log.vocab).titles == ["Title 0", "Title 1", "Title 2"]
    with pytest.raises(DataError, match=r"no sheet 'Nope'. It has: 'Orders', 'Items'"):
        read_interactions(f"{book}#Nope")


def test_a_glob_may_name_a_sheet_and_a_file_may_have_the_sign_in_its_name(tmp_path):
    for name in ("a", "b"):
        write_book(tmp_path / f"{name}.xlsx", First=[["x"]], Log=[["user", "item"], [name, "i"], [name, "j"]])
    assert read_interactions(f"{tmp_path}/*.xlsx#Log").user_ids == ["a", "b"]
    (tmp_path / "log#1.csv").write_text("user,item\nu,i\n")
    assert len(read_interactions(tmp_path / "log#1.csv")) == 1


def test_a_rejected_row_is_named_by_its_number_in_the_sheet(tmp_path):
    path = write_book(tmp_path / "x.xlsx", S=[["title"], [], ["user", "item"], ["u", "i"], [], ["u", None]])
    assert read_interactions(path).report.rejected[0].line == 6


def test_a_column_of_several_types_is_text_and_dates_in_it_stay_readable(tmp_path):
    rows = [["u", "i1", START], ["u", 12.0, "2017-01-02 08:00"], ["u", 1.5, "2017-01-03"]]
    log = read_interactions(write_book(tmp_path / "x.xlsx", S=[["user", "item", "time"], *rows]))
    assert log.vocab.ids == ["i1", "12", "1.5"]
    assert log.times.tolist() == [1483273800, 1483344000, 1483401600]


def test_a_sheet_without_header_is_understood_by_position(tmp_path):
    rows = [[float(user), float(item), 4.0] for user in (1, 2, 3) for item in (10, 11)]
    log = read_interactions(write_book(tmp_path / "x.xlsx", S=rows))
    assert len(log) == 6
    assert log.vocab.ids == ["10", "11"]


@pytest.mark.parametrize("size", [60, 400, -30])
def test_a_workbook_that_is_cut_off_is_refused_in_words(book, tmp_path, size, capsys):
    broken = tmp_path / "cut.xlsx"
    broken.write_bytes(book.read_bytes()[:size])
    assert main(["inspect", str(broken)]) == 2
    assert capsys.readouterr().err.startswith(f"penchant: {broken}: this workbook is damaged (")


def test_what_is_no_table_is_refused_in_words(book, tmp_path):
    for rows, said in (([], "the sheet is empty"), ([["user", "item"]], "a header and no rows")):
        with pytest.raises(DataError, match=said):
            read_interactions(write_book(tmp_path / "empty.xlsx", S=rows))
    (tmp_path / "packed.xlsx").write_bytes(gzip.compress(book.read_bytes()))
    with pytest.raises(DataError, match="Excel inside gzip"):
        read_interactions(tmp_path / "packed.xlsx")
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.writestr("log.csv", "user,item\nu,i\n")
    with pytest.raises(DataError, match="a zip archive and not a workbook; unpack it"):
        read_interactions(tmp_path / "log.zip")


def test_without_the_library_the_extra_is_named(book, monkeypatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penchant\[excel\]'"):
        read_interactions(book)


def test_a_format_without_parts_says_so(tmp_path):
    (tmp_path / "log.csv").write_text("user,item\nu,i\n")
    with pytest.raises(DataError, match="delimited text has no sheets or tables, so there is no 'Orders'"):
        read_interactions(f"{tmp_path}/log.csv#Orders")
