"""The files of a search: ``bench/params/SET-MODEL.json`` says what it chose and how, and beside that folder
``bench/curves/SET-MODEL.jsonl`` holds every trial, one line of JSON each.

The first file names the second and its SHA-256, under ``curve``: by that key ``-m @FILE.json`` knows a search. What was
tried by hand before a search, its ``study``, stands in the second file after the trials, and in the first its number.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

WIDTH = 120  # of a line of the parameter file


def curve_file(file: Path) -> Path:
    """Where the trials of a parameter file lie."""
    return file.parent.parent / "curves" / f"{file.stem}.jsonl"


def read(file: Path) -> dict[str, Any]:
    """A search as one document, its trials in it; ``ValueError`` where they are not those that were filed."""
    search: dict[str, Any] = json.loads(file.read_text())
    if "curve" in search:
        trials = curve_file(file).read_bytes()
        if hashlib.sha256(trials).hexdigest() != search["curve"]["sha256"]:
            raise ValueError(f"{curve_file(file)} is not the curve of {file}: take both from one commit")
        tried = [json.loads(line) for line in trials.splitlines()]
        search["curve"] = [trial for trial in tried if "study" not in trial]
        if "study" in search:
            search["study"] = [trial["study"] for trial in tried if "study" in trial]
    return search


def write(file: Path, search: dict[str, Any]) -> None:
    """File a search, given as the document that ``penchant tune -o`` writes, with or without a study."""
    kept = curve_file(file)
    study = [{"study": by_hand} for by_hand in search.get("study", [])]
    trials = "".join(f"{json.dumps(trial)}\n" for trial in [*search["curve"], *study]).encode()
    curve = {"file": f"bench/curves/{kept.name}", "sha256": hashlib.sha256(trials).hexdigest()}
    head = {**search, "curve": curve, **({"study": len(study)} if study else {})}
    _replace(kept, trials)
    _replace(file, f"{laid_out(head)}\n".encode())


def laid_out(value: Any, indent: int = 0) -> str:
    """JSON in which whatever fits stands on one line, so that a file is read at a glance."""
    line = json.dumps(value)
    if not value or not isinstance(value, (dict, list)) or (indent and indent + len(line) < WIDTH):
        return line
    start, end = "{}" if isinstance(value, dict) else "[]"
    pairs = value.items() if isinstance(value, dict) else ((None, part) for part in value)
    parts = [("" if name is None else f"{json.dumps(name)}: ") + laid_out(part, indent + 1) for name, part in pairs]
    rows = [parts[0]]
    for part in parts[1:]:  # below the first level several to a line
        joined = f"{rows[-1]}, {part}"
        if indent and "\n" not in joined and indent + len(joined) < WIDTH:
            rows[-1] = joined
        else:
            rows.append(part)
    between = ",\n" + " " * (indent + 1)
    return f"{start}\n{' ' * (indent + 1)}{between.join(rows)}\n{' ' * indent}{end}"


def _replace(file: Path, content: bytes) -> None:
    """The whole file at once, or what was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.part")
    beside.write_bytes(content)
    beside.replace(file)
