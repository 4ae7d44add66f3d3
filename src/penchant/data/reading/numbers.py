"""Numbers as people write them: separators of thousands, decimal commas, currencies, percent, stars, "5 out of 5"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from penchant.core.histories import Bools

_SPACE = r"[\s\u00a0\u2007\u2009\u202f'’_]"
_UNITS = (
    r"(?i)\b(?:usd|eur|gbp|chf|jpy|cny|rmb|krw|sek|nok|dkk|pln|czk|huf|rub|try|inr|brl|cad|aud|nzd|mxn|zar|kr|kc|kč|zł|zl|"
    r"lei|руб|rs|r\$|stars?|sterne?|étoiles?|etoiles?|estrellas?|estrelas?|stelle|sterren|points?|punkte?|pts|"
    r"stück|stk|pcs|pieces?|units?)\b\.?"
)
_SIGNS = r"(?i)r\$|[$€£¥₩₽₹₺₴฿₪¢元円원星点點分％%]"
_OUT_OF = (
    r"(?i)^(.*?\d)\s*(?:/|\bout\s+of\b|\bof\b|\bvon\b|\bsur\b|\bde\b|\bsu\b|\bvan\b|\bна\b|\bиз\b)"
    r"\s*\d+(?:[.,]\d+)?\D*$"
)
_NUMBER = r"^(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$"


def numbers(raw: pl.Series) -> tuple[np.ndarray, Bools]:
    """Numbers of a column (NaN if missing), and which cells are not numbers; both ``(rows,)``.

    A duration is its seconds. Whether commas and dots separate decimals or thousands is decided from all cells.
    """
    none = np.zeros(len(raw), dtype=np.bool_)
    if raw.dtype == pl.Duration:
        return raw.dt.total_microseconds().cast(pl.Float64).fill_null(np.nan).to_numpy() / 1e6, none
    if raw.dtype.is_numeric() or raw.dtype == pl.Boolean:
        return raw.cast(pl.Float64).fill_null(np.nan).to_numpy(), none
    if raw.dtype.is_nested() or raw.dtype.is_temporal() or raw.dtype in (pl.Binary, pl.Object):
        return np.full(len(raw), np.nan), raw.is_not_null().to_numpy()
    text = raw.cast(pl.String).str.strip_chars()
    empty = text.is_null() | (text == "")
    number = text.cast(pl.Float64, strict=False)
    broken = number.is_null() & ~empty
    # "1.234" is a number as it is; beside decimal commas it is one thousand two hundred and thirty-four
    if broken.any():
        found = _written(text.filter(broken))
        number = number.scatter(broken.arg_true(), found)
        if _dots_are_thousands(text, broken):
            dotted = text.str.contains(r"^[-+]?\d{1,3}(?:\.\d{3})+$")
            whole = text.str.replace_all(".", "", literal=True).cast(pl.Float64, strict=False)
            number = whole.zip_with(dotted.fill_null(value=False), number)
        broken = number.is_null() & ~empty
    return number.fill_null(np.nan).to_numpy(), broken.to_numpy()


def are_numbers(cells: Sequence[str | None]) -> bool:
    """Whether most of the filled cells of a sample are numbers."""
    found, broken = numbers(pl.Series(cells, dtype=pl.String))
    filled = int((~np.isnan(found) | broken).sum())
    return filled > 0 and int(broken.sum()) < 0.5 * filled


def _dots_are_thousands(text: pl.Series, broken: pl.Series) -> bool:
    """Whether single dots separate thousands: others have decimal commas, and three digits follow each dot."""
    commas = text.filter(broken).str.contains(r",\d{1,2}\D*$|\.\d{3},").any()
    if not commas:
        return False
    rest = text.filter(~broken).drop_nulls()
    return bool(rest.filter(rest.str.contains(".", literal=True)).str.contains(r"^[-+]?\d{1,3}(?:\.\d{3})+$").all())


def _written(text: pl.Series) -> pl.Series:
    """Numbers of cells that are not plain numbers; null for those that cannot be understood."""
    stars = text.str.count_matches(r"[★⭐✭✮]") + text.str.count_matches("½").cast(pl.Float64) * 0.5
    only_stars = text.str.contains(r"^[★⭐✭✮☆✩½\s\u{fe0f}]+$")
    core = text.str.replace(_OUT_OF, "${1}")
    core = core.str.replace_all(_UNITS, "").str.replace_all(_SIGNS, "").str.replace_all(_SPACE, "")
    minus = core.str.contains(r"^\(.*\)$|^[^\d]*[-−]|[-−]$")
    core = core.str.replace_all(r"^\((.*)\)$", "${1}").str.replace_all("−", "-", literal=True)
    core = core.str.strip_suffix("-").str.replace(r"^[-+]", "")
    both = core.str.contains(",", literal=True) & core.str.contains(".", literal=True)
    comma_last = core.str.contains(r",\d*$") & both
    only_comma = core.str.contains(",", literal=True) & ~both
    grouped = core.str.contains(r"^\d{1,3}(?:,\d{3})+$")
    # a lone comma separates thousands only if three digits follow it in every cell that has one
    thousands = bool(only_comma.any()) and bool(grouped.filter(only_comma).all()) and not comma_last.any()
    many = core.str.count_matches(",", literal=True) > 1
    no_commas = core.str.replace_all(",", "", literal=True)
    no_dots = core.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    decimal = core.str.replace(",", ".", literal=True)
    chosen = no_dots.zip_with(comma_last, no_commas.zip_with(both, core))
    chosen = (no_commas if thousands else no_commas.zip_with(many & grouped, decimal)).zip_with(only_comma, chosen)
    dots = core.str.contains(r"^\d{1,3}(?:\.\d{3}){2,}$")
    chosen = core.str.replace_all(".", "", literal=True).zip_with(dots, chosen)
    valid = chosen.str.contains(_NUMBER)
    number = chosen.set(~valid, None).cast(pl.Float64, strict=False)
    number = (-number).zip_with(minus, number)
    return stars.cast(pl.Float64).zip_with(only_stars, number)
