"""The whole loop of examples/loop: it trains twice by itself, activates once, refuses once, and every count agrees."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "loop" / "loop.py"


@pytest.mark.slow
def test_the_whole_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = runpy.run_path(str(SCRIPT))["main"](tmp_path)
    first, second = told["first"], told["second"]
    assert (first["outcome"], second["outcome"]) == ("activated", "refused")
    assert told["live"] == first["name"] == second["compared_with"]
    assert "metric of the active recipe" in second["why"]
    assert told["sent"] == told["stored"] == told["trained_on"] == 100_004  # every rating of the films
    assert told["lists"] > 200
    assert told["results"]["lists"] == told["lists"]
    assert told["results"]["clicked"] >= told["followed"] > 0
    assert told["left"] == told["next_training"] == told["stored"] - told["erased"]
    assert told["erased"] > 0
    assert told["left_of_person"] == told["kept_of_person"] == 0
    assert {path.name for path in (tmp_path / "models").iterdir() if path.is_dir()} == {
        "first", first["name"], second["name"],
    }  # fmt: skip
    assert "second training: refused" in capsys.readouterr().out
