"""The bench of logs larger than memory: its steps run, and its page shows what was measured."""

from __future__ import annotations

import json

import pytest

from bench import larger, larger_report


def test_the_exponent_is_the_slope_of_a_power():
    assert larger.exponent([(10, 3.0), (100, 300.0), (1000, 30_000.0)]) == pytest.approx(2)
    assert larger.exponent([(10, 3.0)]) is None


def test_the_page_shows_every_figure_and_what_a_billion_rows_would_take(tmp_path, monkeypatch):
    steps = {
        f"{name}, {rows}": {"seconds": rows / 1e5, "cpu_seconds": rows / 1e6, "peak_mib": rows / 1e5, "own_mib": 300.0}
        for name in ("prepare", "popular")
        for rows in (10**6, 10**7)
    }
    steps["prepare, 10000000"]["disk_mib"] = 1024.0
    machine = {"cores": 2, "processor": "one", "memory_gib": 4}
    (tmp_path / "rows.json").write_text(json.dumps({"steps": steps, "machine": machine, "busy": True}))
    monkeypatch.setattr(larger, "RESULTS", tmp_path / "rows.json")
    monkeypatch.setattr(larger_report, "PAGE", tmp_path / "growth.md")
    monkeypatch.setattr(larger_report, "PICTURE", tmp_path / "growth-rows.svg")
    text = larger_report.write().read_text()
    assert "| prepare | 10,000,000 | 100 | 10 | 100 | 300 |" in text
    assert "| popular | 1.00 | 1.00 | 0.00 |" in text
    assert "| prepare | 10,000,000 | 0.3 | 9.8 | 100 |" in text
    assert "busy" not in text
    assert "while other work ran" in text
    assert (tmp_path / "growth-rows.svg").read_text().count("<polyline") == 4


def test_a_step_is_measured_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(larger, "RESULTS", tmp_path / "rows.json")
    monkeypatch.setattr(larger, "STEPS", [larger.Step("prepare", ("prepare", "{log}", "-o", "{folder}"))])
    monkeypatch.setattr(larger, "DISK", 0)
    assert larger.work([20_000], force=True) == 0
    found = json.loads((tmp_path / "rows.json").read_text())["steps"]["prepare, 20000"]
    assert found["peak_mib"] >= found["own_mib"] > 30
    assert 0.2 < found["disk_mib"] < 2
    assert larger.work([20_000], force=True) == 0
