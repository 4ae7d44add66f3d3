"""Outputs never replace an input, and texts never run in a spreadsheet."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penchant.core.outputs import refuse_inputs
from penchant.core.spreadsheets import harmless
from penchant.errors import ParameterError


def test_an_input_is_refused_under_any_name(tmp_path: Path) -> None:
    log, other = tmp_path / "log.csv", tmp_path / "other.csv"
    log.write_text("user,item\n")
    os.link(log, tmp_path / "hard.csv")
    (tmp_path / "soft.csv").symlink_to(log)
    for name in ("log.csv", "hard.csv", "soft.csv"):
        with pytest.raises(ParameterError, match=r"is an input \(.*log.csv\): name another file for the output"):
            refuse_inputs(tmp_path / name, [other, log])
    refuse_inputs(other, [log])


def test_a_new_name_for_a_missing_input_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="is an input"):
        refuse_inputs(tmp_path / "a" / ".." / "log.csv", [tmp_path / "log.csv"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\tx", "'\tx"),
        ("-5.5", "-5.5"),
        ("+1e9", "+1e9"),
        ("plain", "plain"),
    ],
)
def test_a_text_that_a_spreadsheet_would_run_gets_a_quote(text: str, shown: str) -> None:
    assert harmless(text) == shown
