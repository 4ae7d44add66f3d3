"""The bench of backups: the figures are of a store in which somebody was erased."""

from __future__ import annotations

from pathlib import Path

from bench.serve_backup import IDS, PEOPLE, measure


def test_backups_and_erasures_are_measured_while_events_arrive(tmp_path: Path) -> None:
    found = measure(tmp_path, 6000, 200.0)
    everything = PEOPLE * IDS + PEOPLE
    assert found["backup"]["ids_of_the_erased"] == everything  # made before the erasure
    assert found["rewrite"]["ids_of_the_erased"] == found["backup_after_erasure"]["ids_of_the_erased"] == 0
    assert found["rewrite"]["ids_of_the_erased_before"] > 0
    for one in (found["backup"], found["backup_after_erasure"]):
        assert one["mode"] == "0o600"
        assert one["events"] >= 6000 - PEOPLE * IDS
        assert one["events_a_second"] > 0 and one["slowest_write_seconds"] < 5
