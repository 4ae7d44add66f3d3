"""The files of a search: ``bench/params/SET-MODEL.json`` holds the choice and how it was made, and
``bench/curves/SET-MODEL.jsonl`` holds every trial, one JSON object per line.

The first file gives the name and SHA-256 of the second under ``curve``; ``-m @FILE.json`` recognises a search by that
key. Trials made by hand before the search, its ``study``, come after the other trials in the second file. The first
file holds their number.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

WIDTH = 120  # maximum line width of the parameter file


def curve_file(file: Path) -> Path:
    """The path of the trials of a parameter file."""
    return file.parent.parent / "curves" / f"{file.stem}.jsonl"


def read(file: Path) -> dict[str, Any]:
    """Read a search with its trials as one document; ``ValueError`` if the trials are not those saved with it."""
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
    """Save a search, given as the document that ``penchant tune -o`` writes, with or without a study."""
    kept = curve_file(file)
    study = [{"study": by_hand} for by_hand in search.get("study", [])]
    trials = "".join(f"{json.dumps(trial)}\n" for trial in [*search["curve"], *study]).encode()
    curve = {"file": f"bench/curves/{kept.name}", "sha256": hashlib.sha256(trials).hexdigest()}
    head = {**search, "curve": curve, **({"study": len(study)} if study else {})}
    _replace(kept, trials)
    _replace(file, f"{laid_out(head)}\n".encode())


def laid_out(value: Any, indent: int = 0) -> str:
    """Format JSON with everything that fits on one line kept on one line, so that the file is easy to scan."""
    line = json.dumps(value)
    if not value or not isinstance(value, (dict, list)) or (indent and indent + len(line) < WIDTH):
        return line
    start, end = "{}" if isinstance(value, dict) else "[]"
    pairs = value.items() if isinstance(value, dict) else ((None, part) for part in value)
    parts = [("" if name is None else f"{json.dumps(name)}: ") + laid_out(part, indent + 1) for name, part in pairs]
    rows = [parts[0]]
    for part in parts[1:]:  # below the first level, several per line
        joined = f"{rows[-1]}, {part}"
        if indent and "\n" not in joined and indent + len(joined) < WIDTH:
            rows[-1] = joined
        else:
            rows.append(part)
    between = ",\n" + " " * (indent + 1)
    return f"{start}\n{' ' * (indent + 1)}{between.join(rows)}\n{' ' * indent}{end}"


def _replace(file: Path, content: bytes) -> None:
    """Replace the file atomically; on failure the old content stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.part")
    beside.write_bytes(content)
    beside.replace(file)
