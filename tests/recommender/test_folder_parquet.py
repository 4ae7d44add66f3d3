"""How much a Parquet file unpacks to is known before it is read; a folder may not hold more than it says."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.errors import FormatError
from penchant.recommender.folder import items as limits
from penchant.recommender.folder import parquet
from penchant.recommender.folder.items import read_items
from penchant.recommender.recommender import load
from tests.recommender.test_folder import N, make, restate

MANY = 2_000_000


def written(frame: pl.DataFrame, **options: Any) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd", **options)
    return file.getvalue()


def frame(n: int) -> pl.DataFrame:
    return pl.DataFrame({"item": [f"i{m}" for m in range(n)], "count": list(range(n))})


@pytest.mark.parametrize("n", [0, 1, 1000, 70_000])
@pytest.mark.parametrize("groups", [None, 7000])
def test_rows_and_values_are_counted(n: int, groups: int | None) -> None:
    table = frame(n).with_columns(
        title=pl.lit("A title"), tags=pl.lit(["a", "b", "c"], pl.List(pl.String)), missing=pl.lit(None, pl.String)
    )
    held = parquet.measure("x", written(table, row_group_size=groups))
    assert held.rows == n
    assert held.values == n * (1 + 1 + 1 + 3 + 1)
    assert held.bytes >= 8 * n


def test_equal_rows_unpack_to_much() -> None:
    data = written(pl.DataFrame({"item": pl.repeat("x", MANY, eager=True), "count": pl.repeat(0, MANY, eager=True)}))
    assert len(data) < 100_000
    assert parquet.measure("x", data)[:2] == (MANY, 2 * MANY)
    start = time.process_time()
    with pytest.raises(FormatError, match=r"items\.parquet has 2,000,000 rows, manifest\.json says 12 items"):
        read_items("items.parquet", data, 12, integers=False)
    assert time.process_time() - start < 0.2


def test_few_rows_may_not_hold_everything() -> None:
    long = frame(2).with_columns(tags=pl.Series([["x"] * MANY, ["y"]]))
    with pytest.raises(FormatError, match=r"unpacks to 2,000,005 values: more than 1,179,648 for 2 items"):
        read_items("items.parquet", written(long), 2, integers=False)
    wide = frame(2).with_columns(title=pl.Series(["x" * (limits.BYTES + 3 * limits.BYTES_OF_ITEM), "y"]))
    with pytest.raises(FormatError, match=r"unpacks to 7\d,\d{3},\d{3} bytes: more than 69,206,016 for 2 items"):
        read_items("items.parquet", written(wide), 2, integers=False)
    allowed = frame(2).with_columns(title=pl.Series(["x" * limits.BYTES_OF_ITEM, "y"]), tags=pl.Series([["x"] * 9, []]))
    vocab, _, catalog = read_items("items.parquet", written(allowed), 2, integers=False)
    assert len(vocab) == 2 and catalog is not None


def test_more_items_than_the_arrays_have_room_for_are_refused(tmp_path: Path) -> None:
    make().save(tmp_path / "model")
    size = (tmp_path / "model" / "model.safetensors").stat().st_size
    for n in (MANY, -1, True, 1.0, "12", size // 8 + 1):
        restate(tmp_path / "model", lambda manifest, n=n: manifest["vocab"].update(items=n))
        with pytest.raises(FormatError, match=r"says .* items, model\.safetensors has no room for their counts"):
            load(tmp_path / "model")
    restate(tmp_path / "model", lambda manifest: manifest["vocab"].update(items=size // 8))
    with pytest.raises(FormatError, match=rf"has {N} rows, manifest\.json says {size // 8} items"):
        load(tmp_path / "model")


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_no_damage_escapes(at: int, byte: int) -> None:
    data = bytearray(written(frame(50)))
    data[-1 - at % len(data)] = byte
    try:
        held = parquet.measure("x", bytes(data))
    except FormatError:
        return
    assert min(held) >= 0


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"PAR1" + b"\x19" * 40 + b"\x28\0\0\0PAR1", b"PAR1\x4c\xff\xff\0\x04\0\0\0PAR1"]
)
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="Parquet"):
        parquet.measure("x", data)


def test_a_file_of_another_program_is_measured_too(tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        frame(2).write_parquet(tmp_path / "x", use_pyarrow=True, pyarrow_options={"data_page_version": version})
        held = parquet.measure("x", (tmp_path / "x").read_bytes())
        assert (held.rows, held.values) == (2, 4)
