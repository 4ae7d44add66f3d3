"""The Python of docs/text.md runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "text.md"


def test_its_python_runs_as_it_stands() -> None:
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)  # noqa: S102  # our own page
    assert names["answer"].ids == ["Emma", "Persuasion"]  # type: ignore[attr-defined]  # the shorter title first
