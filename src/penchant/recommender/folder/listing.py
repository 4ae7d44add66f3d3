"""The saved recommenders of a folder. Names come from listing it, never from a file or a request."""

from __future__ import annotations

from pathlib import Path

from penchant.recommender.folder.manifest import MANIFEST


def saved_in(root: Path) -> dict[str, Path]:
    """Every folder that looks like a saved recommender, by name: ``root`` itself, or those inside it.

    Links, hidden folders and names that cannot be printed are left out.
    """
    if (root / MANIFEST).is_file():
        return {root.name: root}
    if not root.is_dir():
        return {}
    inside = (path for path in root.iterdir() if path.name.isprintable())  # a name that JSON can hold
    found = (path for path in inside if not path.name.startswith(".") and not path.is_symlink())
    return {path.name: path for path in sorted(found) if (path / MANIFEST).is_file()}


def evaluation_of(folder: Path) -> Path:
    """The file beside a saved recommender that holds its evaluation."""
    return folder.with_name(f"{folder.name}.evaluation.json")
