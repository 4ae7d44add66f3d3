"""Numbers as people write them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from penchant import read_interactions
from penchant.data.reading.numbers import are_numbers, numbers

NAN = float("nan")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["3,5", "4"], [3.5, 4]),
        (["1.234,50", "1.234", "5"], [1234.5, 1234, 5]),
        (["1,234", "2,345,678"], [1234, 2345678]),
        (["1,5", "2,25", "1,234"], [1.5, 2.25, 1.234]),
        (["1.234", "2.5"], [1.234, 2.5]),
        (["$1,234.50", "€ 3", "US$ 2"], [1234.5, 3, NAN]),
        (["12,50 €", "1.200,00 €"], [12.5, 1200]),
        (["CHF 12.90", "R$ 5.00", "99 kr", "12 zł"], [12.9, 5, 99, 12]),
        (["1 234,5", "1\u00a0234,5", "1'234.50"], [1234.5, 1234.5, 1234.5]),
        (["5 out of 5", "4.0 out of 5 stars", "4/5", "3 von 5", "2 sur 5"], [5, 4, 4, 3, 2]),
        (["★★★★", "★★★☆☆", "★½"], [4, 3, 1.5]),
        (["5 stars", "4 Sterne", "1 star"], [5, 4, 1]),
        (["80%", "95,5 %"], [80, 95.5]),
        (["(12.50)", "-3,00", "12,50-", "−2"], [-12.5, -3, -12.5, -2]),
        (["(12,50) €", "$ (3.00)", "€(2)"], [-12.5, -3, -2]),
        (["3- pcs", "12,50- €", "1.200,00−EUR", "- 3 Stück", "€ -4"], [-3, -12.5, -1200, -3, -4]),
        (["", None, "1e3", "+2"], [NAN, NAN, 1000, 2]),
    ],
)
def test_numbers(cells, expected):
    found, broken = numbers(pl.Series(cells, dtype=pl.String))
    np.testing.assert_allclose(found, expected)
    assert broken.tolist() == [bool(cell) and np.isnan(value) for cell, value in zip(cells, expected, strict=True)]


@pytest.mark.parametrize("cell", ["abc", "A5", "12 34x", "2020-01-01", "1,2,3", "1.2.3", "--1", "5 apples", "0x1F"])
def test_what_is_not_a_number(cell):
    assert numbers(pl.Series([cell]))[1].tolist() == [True]


def test_typed_columns():
    for series, expected in (
        (pl.Series([Decimal("1.50"), None]), [1.5, NAN]),
        (pl.Series([timedelta(minutes=2), None]), [120, NAN]),
        (pl.Series([True, False]), [1, 0]),
    ):
        np.testing.assert_allclose(numbers(series)[0], expected)
    assert numbers(pl.Series([[1], None]))[1].tolist() == [True, False]
    assert are_numbers(["5", "", None, "3,5"])
    assert not are_numbers(["good", "5", "bad"])


def test_ratings_in_words_of_a_shop(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user;item;Bewertung\nu;a;4 von 5\nu;b;★★★★★\nv;a;3,5\n", encoding="utf-8")
    log = read_interactions(path, strict=True)
    assert (log.values_are, log.values.tolist()) == ("rating", [4, 5, 3.5])
