"""What docs/neural.md shows runs."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "neural.md"


def test_the_example_with_ten_classes(capsys) -> None:
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "decade" in block]
    assert "hidden=64, window=10, epochs=3" in block
    said: dict[str, object] = {}
    exec(block.replace("hidden=64, window=10, epochs=3", "hidden=16, window=3, epochs=1, factors=16"), said)  # noqa: S102  # our own page
    assert len(said["model"].classes) == 10  # type: ignore[attr-defined]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(re.fullmatch(r"0\.\d\d (before 1930|\d{3}0s)", line) for line in lines)


def test_both_trackers_get_numbers_alone() -> None:
    """The watchers of the page are handed what the log has: names and numbers, as MLflow and TensorBoard take them."""
    blocks = [b for b in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "def track" in b]
    assert len(blocks) == 2
    told: list[tuple[str, float, int]] = []

    class Tracker:
        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def log_metrics(self, values: dict[str, float], step: int) -> None:
            assert not any("@" in name for name in values), "which MLflow refuses"
            told.extend((name, value, step) for name, value in values.items())

    for block in blocks:
        said: dict[str, object] = {"writer": Tracker(), "mlflow": Tracker()}
        source = block[block.index("def track") :].split("\n\n\n")[0]
        exec(source, said)  # noqa: S102  # the same
        said["track"]({"epoch": 3, "loss": 0.5, "ndcg@10": 0.25})  # type: ignore[operator]
    assert {step for *_, step in told} == {3} and len(told) == 6
