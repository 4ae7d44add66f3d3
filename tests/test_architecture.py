"""The architecture: no circle of imports between files, and a picture that shows what the code does."""

from __future__ import annotations

import runpy
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]


def circles(imports: dict[str, set[str]]) -> list[str]:
    """The files of one circle, in the order in which they import each other; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as circle:
        return list(reversed(circle.args[1]))
    return []


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_no_file_imports_itself_through_others():
    graph = grimp.build_graph("penchant")
    files = graph.modules - {"penchant"}  # the package lists its public names for the type checker
    assert circles({file: graph.find_modules_directly_imported_by(file) & files for file in files}) == []


def test_the_picture_of_the_architecture_is_up_to_date():
    script = runpy.run_path(str(ROOT / ".ci" / "architecture.py"))
    drawn = script["draw"]()
    assert script["PICTURE"].read_text(encoding="utf-8") == drawn, "run `make architecture`"
    assert all(f">{room}</text>" in drawn for room in script["rooms"]())
