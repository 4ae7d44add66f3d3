"""A folder that appears complete or not at all, and is replaced in one step."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penchant.errors import ParameterError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def replacing(folder: Path, *, force: bool, marker: str) -> Iterator[Path]:
    """A fresh folder beside ``folder`` to write into, that takes its place at the end; on an error nothing is left.

    A folder that exists is refused; with ``force`` it is replaced if it is empty or holds ``marker``, so that a
    mistyped path cannot delete anything else. Raises ``ParameterError``, and an ``OSError`` that names ``folder`` where
    writing fails.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  # Path.resolve would follow a link at the very end
    recover(folder, marker)
    refuse(folder, force=force, marker=marker)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = _beside(folder)
    fresh.mkdir()
    try:
        yield fresh
        _flush(fresh)
        refuse(folder, force=force, marker=marker)  # it may have appeared meanwhile
        _put(fresh, folder)
    except OSError as wrong:  # its own file is one that nobody has heard of
        raise OSError(wrong.errno, f"cannot be written ({wrong.strerror or wrong})", str(folder)) from wrong
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def refuse(folder: Path, *, force: bool, marker: str) -> None:
    """Raises ``ParameterError`` where ``folder`` stands in the way, or cannot come to be."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ParameterError(f"{folder} exists and is not a folder: choose another name")
    if not folder.exists():
        reachable(folder)
        return
    if not force:
        raise ParameterError(f"{folder} exists: choose another name, or force its replacement (--force, force=True)")
    if any(folder.iterdir()) and not (folder / marker).is_file():
        raise ParameterError(
            f"{folder} holds something else than a saved recommender: it is not replaced, even by force"
        )


def reachable(path: Path) -> None:
    """Raises ``ParameterError`` where ``path`` cannot come to be: a file is on the way, or nothing new fits in."""
    place = Path(os.path.abspath(path)).parent  # noqa: PTH100  # the path as it was named, links and all
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise ParameterError(f"{path} cannot be written: {place} is not a folder")
    probe = _beside(place / path.name)
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as wrong:
        raise ParameterError(f"{path} cannot be written: {place} takes nothing new ({wrong.strerror})") from None


def reachable_file(path: Path) -> None:
    """As ``reachable``, for a file: a folder of that name stands in the way."""
    if path.is_dir():
        raise ParameterError(f"{path} is a folder: name a file")
    reachable(path)


def _beside(path: Path) -> Path:
    return path.parent / f".{path.name}.new-{uuid.uuid4().hex[:12]}"


def recover(folder: Path, marker: str) -> None:
    """Put back a folder that a crash left moved aside in the middle of its replacement."""
    if folder.exists() or not folder.parent.is_dir() or not folder.name:
        return
    aside = [path for path in folder.parent.glob(f".{_literal(folder.name)}.old-*") if (path / marker).is_file()]
    if aside:
        max(aside, key=lambda path: path.stat().st_mtime).rename(folder)


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _put(fresh: Path, folder: Path) -> None:
    """``fresh`` becomes ``folder``; what stood there becomes ``fresh``, and is deleted by the caller."""
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchange(fresh, folder):
        aside = folder.parent / f".{folder.name}.old-{uuid.uuid4().hex[:12]}"
        folder.rename(aside)  # from here to the next line, loading recovers from a crash
        fresh.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    _flush_entry(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(swap(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _flush_entry(path)
    _flush_entry(folder)


def _flush_entry(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
