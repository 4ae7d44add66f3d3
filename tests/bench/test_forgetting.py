"""The bench of forgetting: people leave a running service under load, and a backup does not bring them back."""

from __future__ import annotations

from pathlib import Path

from bench.forgetting import goals, measure


def test_people_are_forgotten_while_the_service_answers_and_stay_forgotten(tmp_path: Path) -> None:
    found = measure(200, 8, tmp_path)
    assert (found["erased"], found["failed"], found["stale"]) == (8, 0, 0)
    assert found["answers"] > 8  # how many depends on the machine
    assert found["bytes"]["before"]["erasures"] == 0 < found["bytes"]["after"]["erasures"]
    restored = found["restored"]
    assert restored["events_of_the_erased_in_the_backup"] == 8 * 20
    assert (restored["after_the_start"], restored["people_still_known"]) == (0, 0)
    assert sum(goals(found).values()) >= 3  # so does the rate
    broken = found | {"stale": 1, "failed": 1, "restored": restored | {"people_still_known": 1}}
    assert sum(goals(broken).values()) <= 1
