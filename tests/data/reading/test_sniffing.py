"""Separators, headers and names are made out from the first lines."""

from __future__ import annotations

import pytest

from penchant.data.reading.columns import assign, parse_columns, plain
from penchant.data.reading.encoding import known, sniff_encoding
from penchant.data.reading.sniffing import given_separator, guess_roles, sniff
from penchant.errors import DataError, ParameterError


@pytest.mark.parametrize(
    ("lines", "separator"),
    [
        (["user;item;rating", "1;2;3,5", "1;3;4,5"], ";"),
        (["1::Toy Story, The::Animation|Comedy", "2::Jumanji::Adventure"], "::"),
        (["user,item,time", "1,2,2020-01-01 10:00:00", "3,4,2020-01-01 11:00:00"], ","),
        (["user\titem\ttitle", "1\t2\tRed, White; Blue", "1\t3\tGreen, Black; Grey"], "\t"),
        (["1 2 3", "4 5 6"], " "),
        (["u|i", '"a,b"|c', "d|e"], "|"),
        (["user,item", "a,b", "not a row", "c,d", "e,f"], ","),
        (["Sales report", "user,item,time", *["1,2,2020-01-01 10:00:00"] * 30], ","),
        (["Sales report", "March 2020", "", "user,item,time", *["1,2,2020-01-01 10:00:00"] * 3], ","),
        (["Sales of all shops", "Kunde;Artikel;Menge;Betrag", *["1;2;1 kg;3,50 €"] * 30], ";"),
        (["Bericht Nord", "wer;was;wann", *["1;2;13.01.2020 10:00:00"] * 30], ";"),
        (["item\ttitle\tgenre", *["1\tThe film one\tDrama Comedy"] * 30], "\t"),
    ],
)
def test_separators(lines, separator):
    assert sniff(lines, "log", None).separator == separator


@pytest.mark.parametrize("title", ["Sales, in 2017, by customer", "Sales,,", "a, b, c, and d 7"])
def test_a_title_as_wide_as_the_table_is_above_the_header(title):
    dialect = sniff([title, "", "user,item,time", *["1,2,2020-01-01"] * 3], "log", None)
    assert (dialect.names, dialect.header_lines) == (["user", "item", "time"], 3)
    data = ["7,8,2020-01-01", "user,item,time", "7,9,2020-01-01"]  # a header that comes late is a bad row
    assert sniff(data, "log", None).header is None


def test_a_given_separator_wins():
    assert sniff(["user,item;x", "1,2;3"], "log", ";").names == ["user,item", "x"]
    assert given_separator("tab") == "\t"
    for wrong in ("", '"', "\n"):
        with pytest.raises(ParameterError, match="cannot separate"):
            given_separator(wrong)


@pytest.mark.parametrize(
    ("lines", "header"),
    [
        (["user,item", "a,b"], True),
        (["1,2", "3,4"], False),
        (["a,b", "c,d"], False),
        (["who,what,how", "a,b,1", "c,d,2"], True),
        (["userid", "itemid"], None),
        (["userId:token\titem:token", "a\tb"], True),
        (["u1,7,book", "u2,8,book"], False),
        (["u1,item-x,book", "u2,item-y,book", "u3,item-z,film"], False),
        (["user,book", "u1,b1"], True),
    ],
)
def test_headers(lines, header):
    if header is None:
        with pytest.raises(DataError, match="two or more columns"):
            sniff(lines, "log", None)
    else:
        assert (sniff(lines, "log", None).header is not None) is header


def test_row_names_without_a_heading():
    dialect = sniff(["user,item", "1,a,x", "2,b,y"], "log", None)
    assert dialect.names == ["", "user", "item"]
    assert dialect.n_fields == 3


@pytest.mark.parametrize(
    ("rows", "roles"),
    [
        ([["1", "2"]], {"user": 0, "item": 1}),
        ([["1", "2", "5", "978300760"], ["1", "3", "4", "978300761"]], {"user": 0, "item": 1, "value": 2, "time": 3}),
        ([["1", "2", "978300760"]], {"user": 0, "item": 1, "time": 2}),
        ([["1", "2", "2020-01-01"]], {"user": 0, "item": 1, "time": 2}),
        ([["1", "2", "2020-01-01", "4.5"]], {"user": 0, "item": 1, "time": 2, "value": 3}),
        (
            [["1", "2268318", "2520377", "pv", "1511544070"], ["1", "2333346", "2520771", "pv", "1511561733"]],
            {"user": 0, "item": 1, "kind": 3, "time": 4},
        ),
        ([["only"]], {}),
    ],
)
def test_roles_without_a_header(rows, roles):
    assert guess_roles(rows, ",")[0] == roles


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["userId", "movieId", "rating", "timestamp"], {"user": 0, "item": 1, "value": 2, "time": 3}),
        (["reviewerID", "asin", "overall", "unixReviewTime"], {"user": 0, "item": 1, "value": 2, "time": 3}),
        (["用户", "物品", "评分", "时间"], {"user": 0, "item": 1, "value": 2, "time": 3}),
        (["User ID", "Product-Code", "Quantity", "Event_Type"], {"user": 0, "item": 1, "quantity": 2, "kind": 3}),
        (["session_id", "item_id", "position", "fold"], {"session": 0, "item": 1, "position": 2, "split": 3}),
        (["uid", "sku", "score", "ts", "behavior"], {"user": 0, "item": 1, "value": 2, "time": 3, "kind": 4}),
        (["product", "customer", "count", "date", "action"], {"item": 0, "user": 1, "value": 2, "time": 3, "kind": 4}),
        (["visitorid", "itemid", "event", "timestamp"], {"user": 0, "item": 1, "kind": 2, "time": 3}),
    ],
)
def test_usual_names(names, expected):
    assert assign(names, {}, "log") == expected


def test_named_columns_leave_the_rest_to_their_names():
    assert assign(["item", "thing", "user"], {"item": "thing"}, "log") == {"item": 1, "user": 2}
    assert assign(["a", "b"], {"user": "2", "item": "1"}, "log") == {"user": 1, "item": 0}
    assert parse_columns(" user = a , item=b ") == {"user": "a", "item": "b"}
    assert plain(" User_ID:token ") == "userid"


def test_encodings():
    assert sniff_encoding("größe\n".encode()) == "utf-8-sig"
    assert sniff_encoding("größe,élan\n".encode("latin-1")) == "cp1252"
    assert sniff_encoding(b"a\x81\n") == "latin-1"
    assert sniff_encoding("电影,评分\n".encode("gb18030")) == "gb18030"
    assert sniff_encoding("größe\n".encode("latin-1")) == "cp1252"
    assert sniff_encoding("aïeux, créée, naïf, aéré\n".encode("latin-1")) == "cp1252"
    assert sniff_encoding("电影\n".encode()[:-2]) == "utf-8-sig"  # the head may end inside a letter
    assert known("UTF8") == "utf-8-sig"
    for wrong in ("klingon", "base64", "rot13"):
        with pytest.raises(ParameterError, match="encoding"):
            known(wrong)
