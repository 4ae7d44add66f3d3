"""How to run: the random stream of a seed and the progress of a stage."""

from __future__ import annotations

from penchant.core.run import Run


def test_a_seed_is_a_stream() -> None:
    assert Run(seed=4).rng().random() == Run(seed=4).rng().random() != Run(seed=5).rng().random()
    run = Run(seed=4)
    assert run.rng().random() == run.rng().random()  # fresh each time


def test_progress_is_reported_by_stage() -> None:
    told: list[tuple[str, int, int]] = []
    report = Run(progress=lambda *values: told.append(values)).report("fitting")
    assert report is not None
    report(2, 7)
    assert told == [("fitting", 2, 7)]
    assert Run().report("fitting") is None
